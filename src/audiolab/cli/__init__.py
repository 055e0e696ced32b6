"""The command line: every command is one call of the API."""

from audiolab.cli._app import app, main

__all__ = ["app", "main"]
