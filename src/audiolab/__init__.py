"""audiolab: songs in; stems, one-shots, tags, MIDI, lyrics and DAW kits out.

    import audiolab as al

    lib = al.Library("data/library")
    song = lib.add("song.mp3")
    run = al.process(song, recipe="full")
    run.wait()
    al.export(song, "~/kits/one")

Everything is loaded when it is first used; importing this package costs next to nothing.
"""

import sys
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def load_ipython_extension(shell: Any) -> None:
    """Show sounds, lists, libraries and runs as widgets in this notebook (`%load_ext audiolab`)."""
    from audiolab.widgets.rich import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Show them as plain tables again (`%unload_ext audiolab`)."""
    from audiolab.widgets.rich import unregister

    unregister(shell)


if "ipykernel" in sys.modules:  # inside a notebook's kernel this is done without being asked
    from audiolab.widgets.rich import in_kernel

    if (_shell := in_kernel()) is not None:
        load_ipython_extension(_shell)
