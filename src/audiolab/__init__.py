"""audiolab: songs in; stems, one-shots, tags, MIDI, lyrics and DAW kits out.

    import audiolab as al

    lib = al.Library("data/library")
    song = lib.add("song.mp3")
    run = al.process(song, recipe="full")
    run.wait()
    al.export(song, "~/kits/one")

Everything is loaded when it is first used; importing this package costs next to nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
