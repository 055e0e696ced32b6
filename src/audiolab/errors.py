"""What can go wrong, in one small tree.

Every error that audiolab raises on purpose is an `AudiolabError`. A message names the file or value
and the likely mistake, so that it can be shown to a user as it is.
"""

from __future__ import annotations

__all__ = [
    "AnnotationError",
    "AudioError",
    "AudiolabError",
    "Cancelled",
    "CatalogError",
    "ExportError",
    "MissingDependency",
    "ModelError",
    "ParameterError",
    "RunError",
]


class AudiolabError(Exception):
    """Root of all errors raised by audiolab on purpose."""


class ParameterError(AudiolabError, ValueError):
    """An argument or setting makes no sense; the message says which one and what would."""


class AudioError(AudiolabError):
    """A file is not audio, is damaged, or cannot be written as asked."""


class AnnotationError(AudiolabError):
    """An annotation cannot be read as what it says it is; the message names the file and the line."""


class MissingDependency(AudiolabError, ImportError):
    """An optional package is not installed; the message holds the pip line."""


class CatalogError(AudiolabError):
    """The library's catalog or media store refuses or is damaged."""


class CatalogFullError(CatalogError):
    """There is no room for a change of the catalog."""


class ModelError(AudiolabError):
    """Weights are missing, changed, unsafe or of the wrong shape."""


class ExportError(AudiolabError):
    """A collection or song cannot be written as asked."""


class RunError(AudiolabError):
    """A run cannot be started, found or continued."""


class Cancelled(AudiolabError):
    """The user asked to stop; nothing half-written is left behind."""
