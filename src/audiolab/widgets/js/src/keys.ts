import { h } from "./dom";

export interface Binding {
  /** As `event.key` says it, with `Shift+`, `Alt+`, `Control+` before it: `ArrowDown`, `Shift+L`, `?`. */
  keys: string[];
  what: string;
  run: (event: KeyboardEvent) => void;
}

/**
 * Keys of one view. They work while the view has the focus and nowhere else; JupyterLab's own are kept away from it.
 * Letters are matched without regard to case unless Shift is named.
 */
export class Keys {
  private bindings: Binding[] = [];
  private sheet: HTMLElement | null = null;

  constructor(private readonly root: HTMLElement, signal: AbortSignal) {
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.addEventListener("keydown", (event) => this.handle(event), { signal });
    this.add("?", "show or hide these keys", () => this.toggleSheet());
    this.add("Escape", "", () => this.closeSheet());
  }

  /** Bind keys; several are separated by spaces. Without `what` the help sheet does not list them. */
  add(keys: string, what: string, run: (event: KeyboardEvent) => void): void {
    this.bindings.push({ keys: keys.split(" ").map((key) => (key === "Space" ? " " : key)), what, run });
  }

  toggleSheet(): void {
    if (this.closeSheet()) return;
    const rows = this.bindings
      .filter((binding) => binding.what)
      .map((binding) => {
        const names = binding.keys.map((key) => h("kbd", {}, key === " " ? "Space" : key.replace("Arrow", "")));
        return h("tr", {}, h("td", {}, ...names), h("td", {}, binding.what));
      });
    this.sheet = h("div", { class: "al-keys", role: "dialog", "aria-label": "Keys" }, h("table", {}, ...rows));
    this.root.append(this.sheet);
  }

  private closeSheet(): boolean {
    const open = this.sheet !== null;
    this.sheet?.remove();
    this.sheet = null;
    return open;
  }

  private handle(event: KeyboardEvent): void {
    event.stopPropagation(); // the notebook must not run cells or delete them meanwhile
    const target = event.composedPath()[0] as HTMLElement;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && (target as HTMLInputElement).type !== "range";
    if (typing && event.key !== "Escape") return;
    if (target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter")) return; // the button's own
    const bound = (name: string) => this.bindings.find((each) => each.keys.includes(name));
    const name = nameOf(event);
    // With Shift a digit is another sign, which one depends on the keyboard.
    const digit = !event.ctrlKey && !event.metaKey && !event.altKey ? /^Digit([0-9])$/.exec(event.code ?? "")?.[1] : undefined;
    const binding = (digit && event.shiftKey && bound(`Shift+${digit}`)) || bound(name) || (digit && bound(event.shiftKey ? `Shift+${digit}` : digit));
    if (!binding) return;
    event.preventDefault();
    binding.run(event);
  }
}

type Named = Pick<KeyboardEvent, "key" | "shiftKey" | "altKey" | "ctrlKey" | "metaKey"> & { code?: string };

export function nameOf(event: Named): string {
  const single = event.key.length === 1;
  const letter = single && event.key.toLowerCase() !== event.key.toUpperCase();
  // With Alt a Mac's digit keys give other signs.
  const digit = event.altKey ? /^Digit(\d)$/.exec(event.code ?? "")?.[1] : undefined;
  const key = digit ?? (letter ? event.key.toLowerCase() : event.key);
  // Signs such as ? need Shift on some keyboards and not on others.
  const shift = event.shiftKey && (!single || letter) ? "Shift+" : "";
  return (event.ctrlKey || event.metaKey ? "Control+" : "") + (event.altKey ? "Alt+" : "") + shift + key;
}
