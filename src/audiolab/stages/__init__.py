"""What can be done to a sound, without a library: `al.stages.separate("song.wav")` and its siblings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
