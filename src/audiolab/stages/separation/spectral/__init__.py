"""The built-in engine without weights."""

from audiolab.stages.separation.spectral.engine import Spectral, SpectralEngine

__all__ = ["Spectral", "SpectralEngine"]
