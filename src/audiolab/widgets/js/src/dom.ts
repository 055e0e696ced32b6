type Attributes = Record<string, string | number | boolean | undefined | null>;
type Child = Node | string | null | undefined | false;

/** Make an element. Children that are strings become text, never HTML. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  for (const child of children) if (child) element.append(child);
  return element;
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** A button with a name for screen readers; `glyph` is what is seen. */
export function button(name: string, glyph: string, onClick: (event: MouseEvent) => void, className = ""): HTMLButtonElement {
  const made = h("button", { type: "button", class: `al-button ${className}`, "aria-label": name, title: name }, glyph);
  made.addEventListener("click", onClick);
  return made;
}

/** `1:02.345`, or `1:02:03.4` from an hour on. */
export function clock(seconds: number, digits = 1): string {
  if (!Number.isFinite(seconds)) return "–";
  const sign = seconds < 0 ? "-" : "";
  const scale = 10 ** digits;
  const ticks = Math.round(Math.abs(seconds) * scale);
  const whole = Math.floor(ticks / scale);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = (whole % 60).toString().padStart(2, "0") + (digits ? "." + (ticks % scale).toString().padStart(digits, "0") : "");
  return sign + (hours ? `${hours}:${minutes.toString().padStart(2, "0")}:${rest}` : `${minutes}:${rest}`);
}
