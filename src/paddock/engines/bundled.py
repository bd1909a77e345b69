"""The child program that hosts the engine in the wheel: `bundled.py SITE-PACKAGES PARAMETERS`.

`xllamacpp.Server` holds the interpreter lock while it loads and while it is destroyed, and an assertion
inside llama.cpp ends the process, so every model gets a process of its own and only HTTP crosses the
border. It is never destroyed, because its destructor can hang: SIGTERM's default action ends us at once.

This file is run by path and isolated from the user's Python settings; xllamacpp is found through the
directory that the parent names. Attributes are strict: a release that renames one fails loudly here.
"""

import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Load the model, serve until killed. A failure is on stderr, the exit status is 1."""
    sys.path.append(sys.argv[1])
    given: dict[str, Any] = json.loads(sys.argv[2])
    import xllamacpp

    params = xllamacpp.CommonParams()
    adapters = given.pop("lora_adapters", [])
    if adapters:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in adapters]
    if split := given.pop("tensor_split", []):  # the library wants a number for every GPU there could be
        params.tensor_split = split + [0.0] * (len(params.tensor_split) - len(split))
    for path, value in given.items():
        _assign(xllamacpp, params, path, value)
    if key := os.environ.get("LLAMA_API_KEY"):  # which llama-server reads by itself
        params.api_keys = [key]
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        sys.exit(f"{error}")
    # Whatever the library did to signals while it loaded, ours are the plain ones.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.write(f"listening on {server.listening_address}\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def _assign(library: Any, params: Any, path: str, value: Any) -> None:
    """Set `a.b` on params. A pair names an enumeration of the library and its member."""
    *outer, name = path.split(".")
    for step in outer:
        params = getattr(params, step)
    is_member = isinstance(value, list) and name != "hostnames"
    setattr(params, name, getattr(library, value[0])[value[1]] if is_member else value)


if __name__ == "__main__":
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    main()
