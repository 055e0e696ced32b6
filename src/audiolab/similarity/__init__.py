"""Vectors in; neighbours, copies, clusters and maps out. Knows neither a library nor a stage."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
