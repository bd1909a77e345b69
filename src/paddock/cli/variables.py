"""The environment variables that `serve --help` explains. A test keeps them in step with the settings."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "OLLAMA_HOST": "Where to listen, and where the other commands find the server (127.0.0.1:11434)",
    "OLLAMA_MODELS": "Where models are kept (~/.ollama/models)",
    "OLLAMA_KEEP_ALIVE": "How long a model stays loaded after its last request (5m)",
    "OLLAMA_CONTEXT_LENGTH": "The context window where neither request nor model asks for one",
    "OLLAMA_NUM_PARALLEL": "How many requests one model answers at once",
    "OLLAMA_MAX_LOADED_MODELS": "How many models may be loaded at once",
    "OLLAMA_MAX_QUEUE": "How many requests may wait (512)",
    "OLLAMA_LOAD_TIMEOUT": "How long loading may make no progress (5m)",
    "OLLAMA_FLASH_ATTENTION": "1 on, 0 off; the engine decides where nothing is said",
    "OLLAMA_KV_CACHE_TYPE": "How the cache is kept: f16, q8_0, q4_0",
    "OLLAMA_GO_TEMPLATE": "1 prefers a model's Go template to its Jinja template, 0 the other way round",
    "OLLAMA_SCHED_SPREAD": "1 spreads a model over all GPUs",
    "OLLAMA_ORIGINS": "Web pages that may use the server, separated by commas",
    "OLLAMA_DEBUG": "1 writes more to the log",
    "PADDOCK_HOME": "Where locks and the log of the server in the background are kept (~/.paddock)",
    "PADDOCK_ENGINE": "The name of the engine to use, as `engine list` shows it",
    "PADDOCK_WHEEL_INDEX": "Where `engine install` finds GPU engines",
    "PADDOCK_LLAMA_SERVER": "A llama-server program to use as an engine",
    "PADDOCK_IDLE_EXIT": "Leave after this long without a request (30m for one that `run` started)",
    "PADDOCK_INSECURE": "1 listens beyond this machine without keys",
}


def explained() -> str:
    """The variables as a block of help text."""
    widest = max(map(len, VARIABLES))
    lines = (f"  {name:<{widest}}  {meaning}" for name, meaning in VARIABLES.items())
    # click takes \b to mean: leave the line ends of this paragraph alone.
    return "\b\nEnvironment:\n" + "\n".join(lines)
