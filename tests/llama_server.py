"""A llama-server for tests: the flags of llama.cpp's own program, and the real engine behind them.

It stands where a user's own build would, so the launcher for such a build is tested with a real answer.
A flag it does not know is an error, as it is there.
"""

import argparse
import os
import signal
import sys
from typing import Any


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for flag in (
        "--model",
        "--host",
        "--flash-attn",
        "--fit",
        "--pooling",
        "--load-mode",
        "--slot-save-path",
    ):
        parser.add_argument(flag)
    for flag in (
        "--ctx-size",
        "--parallel",
        "--kv-unified-per-slot",
        "--batch-size",
        "--ubatch-size",
        "--port",
    ):
        parser.add_argument(flag, type=int, default=0)
    for flag in ("--threads", "--threads-batch", "--cache-ram", "--n-gpu-layers"):
        parser.add_argument(flag, type=int, default=-1)
    for flag in (
        "--offline",
        "--no-webui",
        "--jinja",
        "--kv-unified",
        "--slots",
        "--context-shift",
        "--embedding",
    ):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args(argv)


def main() -> None:
    given = parsed(sys.argv[1:])
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = [given.host]
    params.port = given.port
    params.n_ctx, params.n_parallel = given.ctx_size, given.parallel
    params.kv_unified, params.kv_unified_per_slot = given.kv_unified, given.kv_unified_per_slot
    params.n_batch, params.n_ubatch = given.batch_size, given.ubatch_size
    params.embedding, params.ctx_shift, params.ui = given.embedding, given.context_shift, False
    params.cache_ram_mib = given.cache_ram
    if given.slot_save_path:
        params.slot_save_path = given.slot_save_path + "/"
    if key := os.environ.get("LLAMA_API_KEY"):
        params.api_keys = [key]
    if given.pooling:
        kinds = xllamacpp.llama_pooling_type
        params.pooling_type = kinds[f"LLAMA_POOLING_TYPE_{given.pooling.upper()}"]
    server = xllamacpp.Server(params)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while server:
        signal.pause()


if __name__ == "__main__":
    main()
