"""The real thing: llama.cpp fetched, compiled, tested and used. Some ten minutes on two cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from calls import call
from conftest import RunningServer, environment
from samples import BLUE, RED, base64_of, picture
from stores import add_seeing
from structured import require_valid_answers

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        shutil.which("c++") is None and os.environ.get("CI") != "true", reason="there is no C++ compiler here"
    ),
]


def engine(home: Path, *words: str) -> str:
    """What `paddock engine …` prints. Mirrors and proxies of this machine's user are theirs to use."""
    passed = ("PIP_", "SSL_", "REQUESTS_", "CURL_", "HTTP_", "HTTPS_", "http", "NO_PROXY", "no_proxy")
    own = {name: value for name, value in os.environ.items() if name.startswith(passed)}
    done = subprocess.run(
        [sys.executable, "-m", "paddock", "engine", *words],
        env=environment(home) | own, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with an engine in it; PADDOCK_TEST_ENGINES names a directory where one is kept between runs."""
    home = tmp_path_factory.mktemp("home")
    kept = os.environ.get("PADDOCK_TEST_ENGINES")
    if kept:
        (home / ".paddock").mkdir()
        (home / ".paddock" / "engines").symlink_to(kept)
    engine(home, "build")
    yield home


def test_it_is_used_from_then_on(home: Path) -> None:
    (used,) = (line for line in engine(home, "list").splitlines() if line.startswith("*"))
    assert "-0.3.36-" in used
    assert "passed its self-test" in engine(home, "test", used.split()[1])


@pytest.fixture
def server(home: Path, serve: Callable[..., RunningServer]) -> RunningServer:
    """A server on the engine that was built, with flags of the user's."""
    return serve(PADDOCK_HOME=str(home / ".paddock"), OLLAMA_KV_CACHE_TYPE="q8_0", OLLAMA_FLASH_ATTENTION="1")


def test_a_server_answers_with_it_and_its_flags_reach_it(server: RunningServer) -> None:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    answer = call(server.url, "POST", "/api/chat", asked | {"stream": False})
    assert "Paris" in answer.text
    (running,) = (psutil.Process(pid).cmdline() for pid in server.engines())
    assert Path(running[0]).name == "llama-server"
    said = " ".join(running)
    for flag in ("--cache-type-k q8_0", "--cache-type-v q8_0", "--flash-attn on", "--kv-unified"):
        assert flag in said


def test_it_is_held_to_schemas(server: RunningServer) -> None:
    require_valid_answers(server)


def test_it_embeds_and_its_death_is_told(server: RunningServer) -> None:
    found = call(server.url, "POST", "/api/embed", {"model": "tiny", "input": ["one", "two"]})
    assert found.status == 200, found.text
    for pid in server.engines():
        psutil.Process(pid).kill()
    # Asked before the death is noticed, the answer is its cause; after that a fresh engine answers.
    ask = {"model": "tiny", "input": "three"}
    first = call(server.url, "POST", "/api/embed", ask)
    assert first.status == 200 or "signal 9" in first.json["error"]
    again = call(server.url, "POST", "/api/embed", ask)
    assert again.status == 200, again.text


def test_it_sees_pictures_that_change_one_by_one(server: RunningServer) -> None:
    add_seeing(server.store, "seeing")

    def tokens(*colours: tuple[int, int, int]) -> int:
        images = [base64_of(picture(colour=colour)) for colour in colours]
        asked = {
            "model": "seeing",
            "messages": [{"role": "user", "content": "What is it?", "images": images}],
        }
        answer = call(
            server.url, "POST", "/api/chat", asked | {"stream": False, "options": {"num_predict": 2}}
        )
        assert answer.status == 200, answer.body
        return int(answer.json["prompt_eval_count"])

    both = tokens(RED, BLUE)
    # It holds both, has to read the second anew, and cannot cut between the two.
    assert tokens(RED, (9, 200, 9)) == both
    assert tokens(RED) < both
