"""The server's life: starting, refusing to start, stopping, and what happens when an engine or it dies."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from calls import Answer, call, get, opened, post, until
from conftest import RunningServer, children, environment
from stores import ENDLESSLY, add_endless

Serve = Callable[..., RunningServer]


def endless(server: RunningServer, **more: object) -> dict[str, object]:
    """A request whose answer nothing ends by itself while a test looks at it."""
    add_endless(server.store)
    return {"model": "endless", "prompt": "Go on.", "raw": True, "options": ENDLESSLY} | more


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_serve(home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """`paddock serve` where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "paddock", "serve"],
        env=environment(home) | extra,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ── starting ──────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_others_can_reach_is_refused_in_one_sentence(tmp_path: Path) -> None:
    ended = run_serve(tmp_path, OLLAMA_HOST="0.0.0.0:0")
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: refusing to listen on 0.0.0.0:0")
    assert "PADDOCK_INSECURE=1" in line


def test_an_address_that_others_can_reach_is_allowed_on_purpose(serve: Serve) -> None:
    server = serve(OLLAMA_HOST="0.0.0.0:0", PADDOCK_INSECURE="1")
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert get(url, "/").status == 200
    # The Host guard is only for servers on loopback.
    assert call(url, "GET", "/", headers={"Host": "evil.com"}).status == 200


def test_a_port_that_is_taken_is_told_by_whom(server: RunningServer, tmp_path: Path) -> None:
    ended = run_serve(tmp_path, OLLAMA_HOST=server.url)
    assert ended.returncode == 1
    assert "Paddock" in ended.stderr
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = run_serve(tmp_path, OLLAMA_HOST=f"127.0.0.1:{other.getsockname()[1]}")
    assert ended.returncode == 1
    assert "another program" in ended.stderr


def test_a_store_that_cannot_be_written_still_serves_the_model_in_the_box(serve: Serve) -> None:
    server = serve(OLLAMA_MODELS="/proc/nowhere/models")
    assert [m["name"] for m in get(server.url, "/api/tags").json["models"]] == ["tiny:latest"]
    answer = post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 4})
    assert answer.lines[-1]["done"] is True
    refused = post(server.url, "/api/copy", source="tiny", destination="other")
    assert refused.status == 500
    assert "/proc/nowhere" in refused.json["error"]


def test_nothing_is_written_into_a_store_by_reading_it(serve: Serve) -> None:
    server = serve()
    get(server.url, "/api/tags")
    post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 1})
    assert not (server.home / ".ollama").exists()


# ── stopping ──────────────────────────────────────────────────────────────────────────────────────


def test_sigterm_ends_engines_and_server_with_an_answer_under_way(serve: Serve) -> None:
    server = serve()
    with opened(server.url, "POST", "/api/generate", endless(server)) as response:
        assert response.readline()
        engines = server.engines()
        assert engines
        server.process.send_signal(signal.SIGTERM)
        last = response.read().splitlines()[-1]
    assert last == b'{"error":"the server is shutting down"}'
    assert server.process.wait(10) == 0
    assert not any(map(alive, engines))


def test_an_interrupt_ends_it_too(serve: Serve) -> None:
    server = serve()
    post(server.url, "/api/generate", model="tiny")
    engines = server.engines()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) in (0, 130)
    assert not any(map(alive, engines))


def test_no_engine_outlives_a_server_that_is_killed(serve: Serve) -> None:
    server = serve()
    post(server.url, "/api/generate", model="tiny")
    engines = server.engines()
    assert engines
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    until(lambda: not any(map(alive, engines)), 10)


def test_sockets_left_by_a_killed_server_are_cleaned_up_by_the_next(serve: Serve) -> None:
    server = serve()
    post(server.url, "/api/generate", model="tiny")
    left = list(Path("/tmp").glob(f"paddock-{os.getuid()}-{server.pid}-*"))
    assert left
    assert left[0].stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in left[0].glob("*.sock"))
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    serve()
    assert not left[0].exists()


def test_a_server_that_nobody_needs_ends_by_itself(serve: Serve) -> None:
    server = serve(PADDOCK_IDLE_EXIT="300ms", OLLAMA_KEEP_ALIVE="200ms")
    post(server.url, "/api/generate", model="tiny")
    assert server.process.wait(30) == 0
    assert "ends by itself" in server.text()


# ── dying engines ─────────────────────────────────────────────────────────────────────────────────


def test_an_engine_killed_in_the_middle_of_an_answer_gives_an_error_line_and_the_next_request_an_answer(
    serve: Serve,
) -> None:
    server = serve()
    with opened(server.url, "POST", "/api/generate", endless(server)) as response:
        assert response.readline()
        (engine,) = server.engines()
        os.kill(engine, signal.SIGKILL)
        last = Answer(200, {}, response.read()).lines[-1]
    assert "model runner has unexpectedly stopped" in last["error"]
    assert "signal 9" in last["error"]
    again = post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 4})
    assert again.lines[-1]["done"] is True
    assert server.engines() != [engine]


def test_an_engine_killed_before_the_answer_gives_a_status(serve: Serve) -> None:
    server = serve()
    results: list[Answer] = []
    asking = threading.Thread(
        target=lambda: results.append(post(server.url, "/api/generate", **endless(server, stream=False)))
    )
    asking.start()
    (engine,) = until(lambda: server.engines() if "loaded endless" in server.text() else None)
    os.kill(engine, signal.SIGKILL)
    asking.join(30)
    assert results[0].status == 500
    assert "signal 9" in results[0].json["error"]


def test_a_model_that_cannot_be_loaded_says_why_with_the_engines_own_words(serve: Serve) -> None:
    server = serve()
    post(server.url, "/api/copy", source="tiny", destination="broken")
    (weights,) = (
        path for path in (server.home / ".ollama/models/blobs").iterdir() if path.stat().st_size > 1_000_000
    )
    # The header stays whole, so only the engine can find out.
    size = weights.stat().st_size
    data = weights.read_bytes().replace(b"blk.0.attn_q.weight", b"blk.0.attn_Q.weight")
    assert len(data) == size
    weights.chmod(0o644)
    weights.unlink()
    weights.write_bytes(data)
    answer = post(server.url, "/api/generate", model="broken", prompt="Hello!")
    assert answer.status == 500
    assert "could not load the model" in answer.json["error"]
    assert "blk.0.attn_q.weight" in answer.json["error"]
    assert (
        post(server.url, "/api/generate", model="tiny", prompt="x", options={"num_predict": 1}).status == 200
    )


def test_a_named_llama_server_that_does_not_exist_is_said_so(serve: Serve) -> None:
    server = serve(PADDOCK_LLAMA_SERVER="/nowhere/llama-server")
    answer = post(server.url, "/api/generate", model="tiny", prompt="x")
    assert answer.status == 500
    assert "PADDOCK_LLAMA_SERVER" in answer.json["error"]


def test_a_named_llama_server_answers_through_the_same_runner(serve: Serve, tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    script = Path(__file__).parent / "llama_server.py"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    server = serve(PADDOCK_LLAMA_SERVER=str(program))
    answer = post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 4})
    assert answer.lines[-1]["done"] is True
    assert "(llama-server engine)" in server.text()
    assert len(post(server.url, "/api/embed", model="tiny", input="x").json["embeddings"]) == 1


def test_engines_inherit_no_secrets(serve: Serve) -> None:
    server = serve(HF_TOKEN="secret-1", LLAMA_ARG_CTX_SIZE="7", PADDOCK_API_KEY="secret-2")
    post(server.url, "/api/generate", model="tiny")
    (engine,) = children(server.pid)
    seen = Path(f"/proc/{engine}/environ").read_bytes()
    assert b"secret" not in seen
    assert b"LLAMA_ARG" not in seen


# ── several at once ───────────────────────────────────────────────────────────────────────────────


def test_several_models_stay_loaded_side_by_side(serve: Serve) -> None:
    server = serve()
    post(server.url, "/api/embed", model="tiny", input="x")
    post(server.url, "/api/generate", model="tiny", prompt="x", options={"num_predict": 1})
    assert len(get(server.url, "/api/ps").json["models"]) == 2
    assert len(server.engines()) == 2


def test_the_first_model_makes_way_where_only_one_may_be_loaded(serve: Serve) -> None:
    server = serve(OLLAMA_MAX_LOADED_MODELS="1")
    post(server.url, "/api/embed", model="tiny", input="x")
    post(server.url, "/api/generate", model="tiny", prompt="x", options={"num_predict": 1})
    assert len(get(server.url, "/api/ps").json["models"]) == 1


def test_more_requests_than_slots_wait_and_are_all_answered(serve: Serve) -> None:
    server = serve(OLLAMA_NUM_PARALLEL="2")
    answers: list[Answer] = []

    def ask() -> None:
        answers.append(
            post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 20})
        )

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.lines[-1]["done"] for answer in answers] == [True] * 8


def test_a_full_queue_is_a_503_with_the_documented_text(serve: Serve) -> None:
    server = serve(OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="1")
    with opened(server.url, "POST", "/api/generate", endless(server)) as first, ExitStack() as asking:
        assert first.readline()
        refused = until(lambda: _refused(server, asking))
        assert refused.json == {"error": "server busy, please try again.  maximum pending requests exceeded"}


def test_where_nobody_may_wait_the_server_serves_all_the_same(serve: Serve) -> None:
    server = serve(OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="0")
    with opened(server.url, "POST", "/api/generate", endless(server)) as first:
        assert first.readline()
        body = {"model": "endless", "prompt": "x", "options": {"num_predict": 1}, "stream": False}
        assert post(server.url, "/api/generate", **body).status == 503
    assert until(lambda: post(server.url, "/api/generate", **body).status == 200)


def test_a_long_list_of_texts_to_embed_does_not_fill_the_queue_by_itself(serve: Serve) -> None:
    server = serve(OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="1")
    texts = [f"text number {number}" for number in range(5)]
    found = post(server.url, "/api/embed", model="tiny", input=texts)
    assert found.status == 200
    alone = [post(server.url, "/api/embed", model="tiny", input=text).json["embeddings"][0] for text in texts]
    assert found.json["embeddings"] == alone


def _refused(server: RunningServer, asking: ExitStack) -> Answer | None:
    """The answer to one more request, unless it waits in the queue: then it goes on waiting there."""
    body = {"model": "endless", "prompt": "x", "options": {"num_predict": 1}, "stream": False}
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=0.5)
    asking.callback(connection.close)
    connection.request("POST", "/api/generate", json.dumps(body))
    try:
        response = connection.getresponse()
    except TimeoutError:
        return None
    return Answer(response.status, {}, response.read()) if response.status == 503 else None


def test_the_log_of_a_background_server_stays_small_and_has_a_crashes_last_words(tmp_path: Path) -> None:
    program = """if True:
        import logging, os, pathlib, sys
        from paddock import serve
        serve.log_to(pathlib.Path(sys.argv[1]), debug=False)
        for number in range(30000):
            logging.getLogger("paddock.requests").info("%s %d of the server", "x" * 60, number)
        os.write(2, b"last words, not through logging")
        """
    log = tmp_path / "serve.log"
    subprocess.run([sys.executable, "-c", program, str(log)], check=True, timeout=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["serve.log", "serve.log.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2.1 * (1 << 20)
    assert log.read_text().endswith("last words, not through logging")
    assert "29999 of the server" in log.read_text()
