import type { Model } from "./model";

export interface Answer<T = any> {
  result: T;
  buffers: DataView[];
}

export type Listener = (event: any, buffers: DataView[]) => void;

/** Requests to the widget in Python, answers by id; and its events. One for each view. */
export class Rpc {
  private waiting = new Map<string, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private listeners = new Map<string, Set<Listener>>();
  private count = 0;
  private readonly prefix = Math.random().toString(36).slice(2);
  private readonly receive = (message: any, buffers: DataView[]) => this.receiveMessage(message, buffers ?? []);

  constructor(private readonly model: Model) {
    model.on("msg:custom", this.receive);
  }

  /** Ask; rejects with the error that Python gave. */
  call<T = any>(method: string, params: object = {}, buffers?: ArrayBufferView[]): Promise<Answer<T>> {
    const id = `${this.prefix}-${++this.count}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.model.send({ id, method, params }, undefined, buffers);
    });
  }

  /** Ask and give the JSON part alone. */
  async ask<T = any>(method: string, params: object = {}): Promise<T> {
    return (await this.call<T>(method, params)).result;
  }

  /** Hear an event that Python tells (`LabWidget.tell`). */
  on(event: string, listener: Listener): void {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(listener));
  }

  close(): void {
    this.model.off("msg:custom", this.receive);
    for (const { reject } of this.waiting.values()) reject(new Error("the view was closed"));
    this.waiting.clear();
    this.listeners.clear();
  }

  private receiveMessage(message: any, buffers: DataView[]): void {
    if (message?.event) {
      for (const listener of this.listeners.get(message.event) ?? []) listener(message, buffers);
      return;
    }
    const waiting = this.waiting.get(message?.id);
    if (!waiting) return; // another view's answer
    this.waiting.delete(message.id);
    if (message.error !== undefined) waiting.reject(new Error(message.error));
    else waiting.resolve({ result: message.result, buffers });
  }
}
