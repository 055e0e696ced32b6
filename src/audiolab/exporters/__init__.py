"""Collections and songs for a DAW: folders of WAV files, MIDI, and what entry points add."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
