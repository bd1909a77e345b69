"""Paddock runs open-weight language models on your own machine."""

#: The Ollama release whose observable behaviour we follow; clients compare this number.
OLLAMA_VERSION = "0.32.7"


def version() -> str:
    """Paddock's own version, read from the installed package's metadata."""
    from importlib.metadata import version  # several milliseconds that most commands can spare

    return version("paddock")
