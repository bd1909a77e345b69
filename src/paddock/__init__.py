"""Paddock runs open-weight language models on your own machine."""

from importlib.metadata import version as _version

#: The Ollama release whose observable behaviour we follow; clients compare this number.
OLLAMA_VERSION = "0.32.7"


def version() -> str:
    """Paddock's own version, read from the installed package's metadata."""
    return _version("paddock")
