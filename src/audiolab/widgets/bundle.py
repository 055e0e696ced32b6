"""The bundle of the widgets' views: one JavaScript file, built at install, sent once a page.

A widget's own module is a few lines (`STUB`): they fetch the bundle from the kernel over the widget's channel and keep
it for all widgets of the page. So no widget state, and no saved notebook, holds a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

__all__ = ["STATIC", "STUB", "Bundle", "find_bundle", "load_bundle", "why_missing"]

STATIC = Path(__file__).parent / "static"
_MAIN = "audiolab.js"
_WHY = "why_missing.txt"

STUB = """
const pages = (globalThis.__audiolab_bundles ??= new Map());
function fetchBundle(model) {
  const id = "bundle-" + Math.random().toString(36).slice(2);
  return new Promise((resolve, reject) => {
    const listen = (message, buffers) => {
      if (message?.id !== id) return;
      model.off("msg:custom", listen);
      if (message.error) return reject(new Error(message.error));
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      import(url).then(resolve, reject).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", listen);
    model.send({ id, method: "bundle", params: {} });
  });
}
async function render({ model, el }) {
  const key = model.get("_bundle");
  if (!key) return;
  if (!pages.has(key)) {
    const wanted = fetchBundle(model);
    wanted.catch(() => pages.delete(key));
    pages.set(key, wanted);
  }
  // Without a kernel nobody answers: the static view stays.
  const bundle = await pages.get(key);
  return bundle.render({ model, el });
}
export default { render };
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built bundle."""

    code: bytes
    key: str
    """Hash of the code, so that a page never mixes two versions."""


def load_bundle() -> Bundle | None:
    """Give the bundle; None where none was built (see `why_missing`)."""
    path = STATIC / _MAIN
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


def find_bundle(name: str) -> Path | None:
    """Give another file that was built beside the bundle, such as onnxruntime's WebAssembly."""
    path = STATIC / name
    return path if path.is_file() else None


def why_missing() -> str:
    """Say why there is no bundle."""
    path = STATIC / _WHY
    why = path.read_text(encoding="utf-8").strip() if path.is_file() else "the views were never built"
    return f"{why}; with Node.js and npm on the PATH, install audiolab again, or in a checkout `python hatch_build.py`"


@cache
def _read(path: Path, changed: int) -> Bundle:
    code = path.read_bytes()
    return Bundle(code, blake2b(code, digest_size=12).hexdigest())
