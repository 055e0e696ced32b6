/** The part of anywidget's model that the views use. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: any[]) => void): void;
  off(event: string, callback?: (...args: any[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[] | ArrayBufferView[]): void;
}

/** Call `callback` at once and whenever the trait changes, until `signal` aborts. */
export function watch<T>(model: Model, name: string, signal: AbortSignal, callback: (value: T) => void): void {
  const changed = () => callback(model.get(name) as T);
  model.on(`change:${name}`, changed);
  signal.addEventListener("abort", () => model.off(`change:${name}`, changed));
  changed();
}

/** Set a trait and send it. */
export function put(model: Model, name: string, value: unknown): void {
  model.set(name, value);
  model.save_changes();
}
