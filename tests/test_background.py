"""The server in the background: its lock, its start, its end and its log, with real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from fake_ollama import reply, serving
from paddock.machine import background, logs, ports
from paddock.settings import Address, Settings, parse_address

PADDOCK = [sys.executable, "-P", "-m", "paddock"]

#: A server of a few lines: holds the lock, answers /api/version, and ends at SIGTERM unless told not to.
SERVER = """
import json, os, signal, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from paddock import settings
from paddock.machine import background

class Version(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "0.1", "paddock": "0.1"}')

chosen = settings.read(os.environ)
server = HTTPServer(("127.0.0.1", chosen.host.port), Version)
with background.hold(chosen, log_file=chosen.log_file):
    end = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else end)
    print("environment", json.dumps(dict(os.environ)), "in", os.getcwd(), flush=True)
    server.serve_forever(0.01)
"""


def server(*words: str) -> Callable[[Path], list[str]]:
    return lambda log: [sys.executable, "-P", "-c", SERVER, *words]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings with a home and a port of their own; what still runs there afterwards is ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(host=Address(port=port), home=tmp_path / "home", models=tmp_path / "models")
    yield settings
    background.stop(settings)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """What a command or server is started with: nothing of the user's own."""
    own = {
        "HOME": str(settings.home),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "OLLAMA_HOST": settings.host.url,
        "PADDOCK_HOME": str(settings.home),
        "OLLAMA_MODELS": str(settings.models),
    }
    return own | more


def start(settings: Settings, *words: str, say: Callable[[str], None] = str, **more: str) -> None:
    background.start(settings, environment(settings, **more), say, server(*words))


#: `start` leaves its child behind on purpose.
leaves_a_child = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


# ── the lock ──────────────────────────────────────────────────────────────────────────────────────


def test_a_server_is_known_while_it_holds_the_lock_and_not_after(settings: Settings) -> None:
    assert background.running(settings) is None
    assert not settings.home.exists()  # looking creates nothing
    with background.hold(settings, log_file=settings.log_file):
        serving = background.Serving(os.getpid(), settings.host.url, str(settings.log_file))
        assert background.running(settings) == serving
        with pytest.raises(background.AlreadyServing) as refused, background.hold(settings):
            pass
        assert refused.value.serving == serving
    assert background.running(settings) is None
    with background.hold(settings):
        pass


def test_the_lock_belongs_to_the_port_that_is_really_listened_at(settings: Settings) -> None:
    there = parse_address("0.0.0.0:4321")
    with background.hold(settings, there):
        assert background.running(settings) is None
        elsewhere = Settings(host=there, home=settings.home)
        assert background.running(elsewhere) == background.Serving(os.getpid(), "http://127.0.0.1:4321", None)


def test_only_the_user_may_look_into_the_directories(settings: Settings) -> None:
    with background.hold(settings):
        assert settings.home.stat().st_mode & 0o077 == 0
        assert (settings.home / "run").stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_used_is_named(settings: Settings) -> None:
    settings.home.write_text("in the way")
    with pytest.raises(background.NoState, match="PADDOCK_HOME"), background.hold(settings):
        pass


def test_a_process_number_left_behind_by_a_crash_is_never_signalled(settings: Settings) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        lock = settings.home / "run" / f"{settings.host.port}.lock"
        lock.parent.mkdir(parents=True)
        lock.write_text(json.dumps({"pid": stranger.pid, "url": settings.host.url, "log": None}))
        assert background.stop(settings) is None
        assert background.running(settings) is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0


# ── start and stop ────────────────────────────────────────────────────────────────────────────────


@leaves_a_child
def test_a_server_is_started_told_of_and_stopped(settings: Settings) -> None:
    told: list[str] = []
    start(settings, say=told.append)
    assert told == [
        f"no server at {settings.host.url}: starting one in the background (log: {settings.log_file})"
    ]
    assert ports.who_holds(settings.host) is ports.Holder.PADDOCK
    serving = background.running(settings)
    assert serving and serving.log == str(settings.log_file)
    assert background.stop(settings) == serving
    assert ports.who_holds(settings.host) is ports.Holder.NOBODY
    assert background.stop(settings) is None


@leaves_a_child
def test_two_starts_at_the_same_moment_start_one_server(settings: Settings) -> None:
    told: list[str] = []
    with ThreadPoolExecutor() as pool:
        for started in [pool.submit(start, settings, say=told.append) for _ in range(4)]:
            started.result()
    assert len(told) == 1
    assert ports.who_holds(settings.host) is ports.Holder.PADDOCK


def heard(settings: Settings) -> tuple[dict[str, str], str]:
    """The environment and the directory that the server of this file found itself in."""
    line = next(x for x in settings.log_file.read_text().splitlines() if x.startswith("environment "))
    variables, _, directory = line.removeprefix("environment ").rpartition(" in ")
    return json.loads(variables), directory


@leaves_a_child
def test_a_started_server_works_from_the_root_and_leaves_when_idle(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = Settings(host=settings.host, home=Path("home"), models=Path("models"))
    start(beside)
    variables, directory = heard(settings)
    assert variables["PADDOCK_IDLE_EXIT"] == background.IDLE_EXIT
    assert variables["OLLAMA_MODELS"] == str(tmp_path / "models")
    assert variables["PADDOCK_HOME"] == str(tmp_path / "home")
    assert directory == "/"


@leaves_a_child
def test_the_users_own_idle_exit_is_kept(settings: Settings) -> None:
    start(settings, PADDOCK_IDLE_EXIT="2h")
    assert heard(settings)[0]["PADDOCK_IDLE_EXIT"] == "2h"


def test_a_server_that_dies_at_once_is_reported_with_its_own_last_words(settings: Settings) -> None:
    settings.home.mkdir()
    settings.log_file.write_text("old news\n")
    command = [sys.executable, "-c", "import sys; print('one'); sys.exit('no engine')"]
    with pytest.raises(background.DidNotStart) as failed:
        background.start(settings, os.environ, str, lambda log: command)
    assert sorted(failed.value.log) == ["no engine", "one"]
    assert "exit status 1" in str(failed.value)
    assert str(settings.log_file) in str(failed.value)


@leaves_a_child
def test_a_server_that_will_not_stop_is_told_of(settings: Settings) -> None:
    start(settings, "stubborn")
    with pytest.raises(background.StillRunning, match="kill -9") as stubborn:
        background.stop(settings, patience=0.1)
    os.kill(stubborn.value.serving.pid, signal.SIGKILL)


def test_nothing_is_started_where_another_program_answers(settings: Settings) -> None:
    with serving({}) as other:
        taken = Settings(host=parse_address(other.url), home=settings.home)
        background.start(taken, {}, pytest.fail, server())


# ── the terminal's commands, with the real server ─────────────────────────────────────────────────


def paddock(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PADDOCK, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(settings),
    )


def said(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    with paddock(settings, *arguments) as child:
        output, errors = child.communicate(timeout=60)
        return child.returncode, output, errors


def test_two_runs_at_once_are_both_answered_by_one_server(settings: Settings) -> None:
    with paddock(settings, "run", "tiny", "") as one, paddock(settings, "run", "tiny", "") as other:
        said_by_both = [child.communicate(timeout=60)[1] for child in (one, other)]
        assert (one.returncode, other.returncode) == (0, 0), said_by_both
    assert sorted(errors.count("starting one in the background") for errors in said_by_both) == [0, 1]

    serving = background.running(settings)
    assert serving
    status, output, errors = said(settings, "serve")
    assert (status, output) == (1, "")
    assert f"a Paddock server is already running at {settings.host.url}" in errors

    status, output, _ = said(settings, "logs", "-n", "3")
    assert status == 0
    assert 1 <= len(output.splitlines()) <= 3

    status, output, _ = said(settings, "serve", "--stop")
    assert (status, output) == (0, f"stopped the server at {settings.host.url} (process {serving.pid})\n")
    assert said(settings, "serve", "--stop")[:2] == (0, f"no server is running at {settings.host.url}\n")


def test_serve_says_who_has_the_port(settings: Settings) -> None:
    with serving({"/": reply("Ollama is running")}) as ollama:
        taken = Settings(host=parse_address(ollama.url), home=settings.home, models=settings.models)
        status, output, errors = said(taken, "serve")
        assert (status, output) == (1, "")
        assert f"Ollama is already running at {ollama.url}" in errors
        assert said(taken, "serve", "--stop")[1].endswith("Ollama is, and it was left alone\n")


def test_logs_without_a_log_is_an_error(settings: Settings) -> None:
    status, _, errors = said(settings, "logs")
    assert status == 1
    assert errors == f"Error: no log to show: {settings.log_file}: No such file or directory\n"
    with background.hold(settings):
        assert "writes to the terminal it runs in" in said(settings, "logs")[2]


# ── who holds a port ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("routes", "holder", "sentence"),
    [
        (
            {"/api/version": reply({"version": "0.1", "paddock": "0.1"}), "/": reply("Ollama is running")},
            ports.Holder.PADDOCK,
            "a Paddock server is already running",
        ),
        (
            {"/api/version": reply({"version": "0.1"}), "/": reply("Ollama is running")},
            ports.Holder.OLLAMA,
            "Ollama is already running",
        ),
        ({"/": reply("<html>")}, ports.Holder.OTHER, "another program is using port"),
        ({"/api/version": reply(["paddock"])}, ports.Holder.OTHER, "another program is using port"),
    ],
    ids=["paddock", "ollama", "a web page", "a list"],
)
def test_a_port_knows_its_holder(routes: dict[str, object], holder: ports.Holder, sentence: str) -> None:
    with serving(routes) as there:  # type: ignore[arg-type]
        address = parse_address(there.url)
        assert ports.who_holds(address) is holder
        assert sentence in ports.why_busy(address)
        assert ports.why_not_stopped(address)


def test_nobody_holds_a_free_port(settings: Settings) -> None:
    assert ports.who_holds(settings.host) is ports.Holder.NOBODY
    assert "cannot listen" in ports.why_busy(settings.host)


def test_a_program_that_speaks_no_http_is_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-whatever\r\n")

        greeting = threading.Thread(target=greet)
        greeting.start()
        assert ports.who_holds(Address(port=listener.getsockname()[1])) is ports.Holder.OTHER
        greeting.join()


# ── the log ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "serve.log"
    (tmp_path / "serve.log.1").write_text("one\ntwo\n")
    path.write_text("three\nfour\n")
    return path


@pytest.mark.parametrize(("lines", "expected"), [(0, []), (1, ["four"]), (3, ["two", "three", "four"])])
def test_the_end_of_a_log_reaches_back_over_the_last_rotation(
    log: Path, lines: int, expected: list[str]
) -> None:
    assert logs.tail(log, lines) == tuple(expected)


def test_a_log_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(logs.NoLog, match="No such file"):
        logs.tail(tmp_path / "serve.log", 3)


def test_following_goes_on_over_a_rotation(log: Path) -> None:
    lines: Queue[str] = Queue()

    def listen() -> None:
        for line in logs.follow(log, 1):
            lines.put(line)
            if line == "end":
                return

    listener = threading.Thread(target=listen, daemon=True)  # one that waits must not keep a failure waiting
    listener.start()
    assert lines.get(timeout=10) == "four"
    with log.open("a") as old:
        old.write("five\nsi")
        old.flush()
        assert lines.get(timeout=10) == "five"
        log.rename(log.with_name("serve.log.1"))
        old.write("x\nlast of the old\n")
    log.write_text("first of the new\nend\n")
    assert [lines.get(timeout=10) for _ in range(4)] == ["six", "last of the old", "first of the new", "end"]
    listener.join()
