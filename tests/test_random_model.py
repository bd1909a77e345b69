"""The model with random weights that the benchmarks run: a real engine must take it for a real one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from paddock.engines.installed import bundled
from paddock.engines.launch import Plan
from paddock.engines.launcher import Launcher, private_directory
from paddock.engines.runner import Completion, End
from paddock.options import Sampling

_ROOT = Path(__file__).parent.parent


def written(path: Path, *arguments: str) -> Path:
    command = (sys.executable, "-m", "benchmarks.random_model", "--shape", "small", "--out", str(path))
    subprocess.run([*command, *arguments], cwd=_ROOT, check=True, capture_output=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("random") / "small.gguf")


def test_the_same_seed_gives_the_same_file_and_another_seed_another(weights: Path, tmp_path: Path) -> None:
    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert digest(written(tmp_path / "again.gguf")) == digest(weights)
    assert digest(written(tmp_path / "other.gguf", "--seed", "1")) != digest(weights)


async def test_the_engine_loads_it_and_each_token_it_writes_is_a_word(weights: Path) -> None:
    with private_directory() as sockets:
        engine = await Launcher(sockets, os.environ, 30, bundled("test")).start(Plan(weights, window=256))
        try:
            prompt = await engine.runner.tokenize(" bababe babiba bacezu")
            wanted = Completion(prompt, Sampling(temperature=0), predict=12)
            pieces: list[str] = []
            end: End | None = None
            async with aclosing(engine.runner.complete(wanted)) as completion:
                async for piece in completion:
                    pieces += [piece.text] if piece.text else []
                    end = piece.end or end
        finally:
            await engine.stop()
    assert end is not None
    assert (end.reason, end.prompt_tokens, end.output_tokens) == ("length", 4, 12)  # the fourth is its BOS
    assert len(pieces) == 12
    assert all(piece.startswith(" ") and piece[1:].isalpha() for piece in pieces)


async def test_its_chat_template_works(weights: Path) -> None:
    with private_directory() as sockets:
        engine = await Launcher(sockets, os.environ, 30, bundled("test")).start(Plan(weights, window=256))
        try:
            text = await engine.runner.apply_template([{"role": "user", "content": "babebi"}])
            tokens = await engine.runner.tokenize(text)
        finally:
            await engine.stop()
    assert text.endswith("babebi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert tokens.count(tokens[0]) == 1  # one BOS, not two
