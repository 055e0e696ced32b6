"""A recipe becomes jobs on Dask: the only room that joins stages to the library."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
