"""The catalog: which sounds there are, what is known about them, and how each was made. Knows no stage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
