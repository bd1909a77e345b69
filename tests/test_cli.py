"""The terminal commands, as processes of their own in front of a server that says what it is told to say."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import RunningServer
from fake_ollama import Fake, Handler, reply, said, send_chunk, serving, spoken, stream
from paddock import OLLAMA_VERSION, version
from paddock.cli import figures
from paddock.cli.variables import VARIABLES
from paddock.cli.wrapping import Wrapper, harmless
from paddock.settings import Settings

PADDOCK = [sys.executable, "-P", "-m", "paddock"]
AS_OLLAMA = [
    sys.executable,
    "-P",
    "-c",
    "import sys; sys.argv[0] = '/usr/bin/ollama'; from paddock.__main__ import main; main()",
]
NOW = datetime.now(UTC)
READY = "Send a message"  # drawn when, and only when, a new line may be typed
TINY = {
    "name": "tiny:latest",
    "digest": "0123456789abcdef" * 4,
    "size": 9_876_543,
    "modified_at": (NOW - timedelta(hours=5)).isoformat(),
}
QWEN = TINY | {"name": "Qwen3:8b", "size": 5_200_000_000, "digest": "f" * 64}


@pytest.fixture
def fake() -> Iterator[Fake]:
    routes = {
        "/api/generate": spoken("Hello ", "there"),
        "/api/chat": said("Hello ", "there"),
        "/api/tags": reply({"models": [TINY, QWEN]}),
        "/api/version": reply({"version": "0.99.0", "paddock": version()}),
    }
    with serving(routes) as fake:
        yield fake


def environment(fake: Fake | str, **more: str) -> dict[str, str]:
    """What a command is started with: nothing of the user's own."""
    url = fake if isinstance(fake, str) else fake.url
    own = {"OLLAMA_HOST": url, "HOME": "/nonexistent", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
    return own | more


def run(
    fake: Fake | str, *arguments: str | bytes, stdin: str = "", program: list[str] = PADDOCK, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments],
        input=stdin,
        env=environment(fake, **more),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=30,
    )


def failure(*arguments: str, fake: Fake | str) -> str:
    """What a command that fails says on stderr."""
    done = run(fake, *arguments)
    assert done.returncode == 1
    return done.stderr


# ── run, once ─────────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_is_answered_on_stdout_and_nothing_else_is(fake: Fake) -> None:
    done = run(fake, "run", "tiny", "say", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello there\n\n", "")
    assert fake.heard == [("POST", "/api/generate", {"model": "tiny", "prompt": "say hello"})]


def test_what_is_piped_in_comes_before_the_arguments(fake: Fake) -> None:
    run(fake, "run", "tiny", "in", "short", stdin="a long text\n")
    run(fake, "run", "tiny", stdin="日本語\n")
    assert [body["prompt"] for body in fake.bodies("/api/generate")] == ["a long text in short", "日本語"]


def test_an_empty_prompt_loads_the_model_and_prints_nothing(fake: Fake) -> None:
    fake.routes["/api/generate"] = reply({"response": "", "done": True, "done_reason": "load"})
    assert run(fake, "run", "tiny", "").stdout == ""
    assert fake.bodies("/api/generate") == [{"model": "tiny", "prompt": ""}]


def test_bytes_that_are_no_text_reach_the_server_as_replacement_characters(fake: Fake) -> None:
    assert run(fake, "run", "tiny", b"caf\xe9").returncode == 0
    assert run(fake, "run", "tiny", stdin="caf\udce9").returncode == 0
    assert [body["prompt"] for body in fake.bodies("/api/generate")] == ["caf�", "caf�"]


def test_a_locale_that_cannot_spell_the_answer_does_not_end_it(fake: Fake) -> None:
    fake.routes["/api/generate"] = spoken("日本", " ok")
    assert run(fake, "run", "tiny", "hi", LANG="C", PYTHONIOENCODING="ascii").stdout == "?? ok\n\n"


def test_streams_that_are_closed_are_done_without(fake: Fake) -> None:
    script = f"exec {shlex.join(PADDOCK)} run tiny hi"
    for closed in ("<&-", ">&-", "2>&-"):
        done = run(fake, "-c", f"{script} {closed}", program=["sh"])
        assert (done.returncode, done.stderr) == (0, ""), closed


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--keepalive", "1h30m"], {"keep_alive": "1h30m"}),
        (["--keepalive=-1s"], {"keep_alive": "-1s"}),
        (["--format", "json"], {"format": "json"}),
        (["--format", '{"type":"object"}'], {"format": {"type": "object"}}),
        (["--think"], {"think": True}),
        (["--think=false"], {"think": False}),
        (["--think=high"], {"think": "high"}),
        (["--hidethinking", "--nowordwrap"], {}),
    ],
)
def test_flags_travel_as_fields(fake: Fake, flags: list[str], expected: dict[str, Any]) -> None:
    assert run(fake, "run", "tiny", "hi", *flags).returncode == 0
    assert fake.bodies("/api/generate") == [{"model": "tiny", "prompt": "hi"} | expected]


def test_the_word_after_a_bare_think_is_the_prompt(fake: Fake) -> None:
    run(fake, "run", "tiny", "--think", "low")
    run(fake, "run", "tiny", "--", "--think")
    assert [(b["prompt"], b.get("think")) for b in fake.bodies("/api/generate")] == [
        ("low", True),
        ("--think", None),
    ]


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--keepalive=5", 'time: missing unit in duration "5"'),
        (
            "--think=hard",
            'invalid value for --think: "hard" (must be true, false, high, medium, low, or max)',
        ),
        ("--format=xml", "invalid value for --format: "),
    ],
)
def test_a_bad_flag_is_refused_before_anything_is_asked(fake: Fake, flag: str, sentence: str) -> None:
    assert f"Error: {sentence}" in failure("run", "tiny", "hi", flag, fake=fake)
    assert fake.heard == []


def test_thinking_is_marked_and_can_be_hidden(fake: Fake) -> None:
    fake.routes["/api/generate"] = stream(
        {"thinking": "Two and ", "response": ""},
        {"thinking": "two.", "response": ""},
        {"response": "Four."},
        {"response": "", "done": True},
    )
    shown = run(fake, "run", "tiny", "2+2").stdout
    assert shown == "Thinking...\nTwo and two.\n...done thinking.\n\nFour.\n\n"
    assert run(fake, "run", "tiny", "2+2", "--hidethinking").stdout == "Four.\n\n"


def test_verbose_tells_what_was_measured_on_stderr(fake: Fake) -> None:
    measured = {
        "total_duration": 1_234_567_890,
        "load_duration": 5_000_000,
        "prompt_eval_count": 26,
        "prompt_eval_duration": 130_000_000,
        "eval_count": 10,
        "eval_duration": 500_000_000,
    }
    fake.routes["/api/generate"] = spoken("hi", **measured)
    assert run(fake, "run", "tiny", "hi", "--verbose").stderr.splitlines() == [
        "total duration:       1.23456789s",
        "load duration:        5ms",
        "prompt eval count:    26 token(s)",
        "prompt eval duration: 130ms",
        "prompt eval rate:     200.00 tokens/s",
        "eval count:           10 token(s)",
        "eval duration:        500ms",
        "eval rate:            20.00 tokens/s",
    ]
    fake.routes["/api/generate"] = spoken("hi", total_duration=2_000)
    assert run(fake, "run", "tiny", "hi", "--verbose").stderr == "total duration:       2µs\n"


def test_a_tool_call_nobody_asked_for_is_told(fake: Fake) -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "京都"}}}
    fake.routes["/api/generate"] = stream({"response": "", "tool_calls": [call]}, {"done": True})
    told = 'Model called a non-existent function \'weather()\' with arguments: {"city":"京都"}\n'
    assert run(fake, "run", "tiny", "hi").stdout.startswith(told)


# ── what can go wrong ─────────────────────────────────────────────────────────────────────────────


def test_a_refusal_is_the_servers_own_sentence(fake: Fake) -> None:
    fake.routes["/api/generate"] = reply({"error": '"tiny" does not support thinking'}, 400)
    assert failure("run", "tiny", "hi", fake=fake) == 'Error: "tiny" does not support thinking\n'


def test_a_missing_model_names_the_ones_there_are(fake: Fake) -> None:
    fake.routes["/api/generate"] = reply({"error": "model 'llama9' not found"}, 404)
    said = failure("run", "llama9", "hi", fake=fake)
    assert said.startswith(
        "Error: model 'llama9' not found; installed here: tiny, Qwen3:8b (see 'paddock list')"
    )
    fake.routes["/api/tags"] = reply({"models": []})
    assert "no model is installed here" in failure("run", "llama9", "hi", fake=fake)


def test_an_error_in_mid_stream_ends_the_line_and_the_program(fake: Fake) -> None:
    fake.routes["/api/generate"] = stream({"response": "Once upon"}, {"error": "the engine died"})
    done = run(fake, "run", "tiny", "hi")
    assert (done.returncode, done.stdout, done.stderr) == (1, "Once upon\n", "Error: the engine died\n")


def test_a_broken_stream_is_not_taken_for_an_answer(fake: Fake) -> None:
    fake.routes["/api/generate"] = stream({"response": "Once upon"}, whole=False)
    done = run(fake, "run", "tiny", "hi")
    assert (done.returncode, done.stdout) == (1, "Once upon\n")
    assert f"Error: the connection to {fake.url} broke before the answer was complete" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [reply("404 page not found", 404), reply("<html>hello</html>"), reply([1, 2])],
    ids=["not found", "a page", "a list"],
)
def test_a_program_that_is_no_ollama_is_called_so(fake: Fake, answer: Any) -> None:
    fake.routes["/api/tags"] = answer
    assert f"Error: the program at {fake.url} is not an Ollama-compatible server" in failure(
        "list", fake=fake
    )


@pytest.mark.parametrize(
    "arguments", [["list"], ["ps"], ["show", "m"], ["stop", "m"], ["rm", "m"], ["cp", "a", "b"]]
)
def test_without_a_server_a_command_says_how_to_start_one(arguments: list[str]) -> None:
    said = failure(*arguments, fake="127.0.0.1:1")
    assert said == "Error: could not connect to ollama server, run 'paddock serve' to start it\n"


def test_messages_use_the_name_the_program_was_called_by() -> None:
    said = run("127.0.0.1:1", "list", program=AS_OLLAMA).stderr
    assert said == "Error: could not connect to ollama server, run 'ollama serve' to start it\n"


def test_another_machine_that_cannot_be_reached_starts_no_server_here() -> None:
    said = failure("run", "tiny", "hi", fake="a..b:1234")
    assert said == (
        "Error: could not reach http://a..b:1234: this is no host name (the address comes from OLLAMA_HOST)\n"
    )


@pytest.mark.parametrize(
    ("wrong", "about"), [(["frobnicate"], "frobnicate"), (["run"], "MODEL"), (["cp", "a"], "")]
)
def test_a_wrong_command_line_is_an_error_like_any_other(wrong: list[str], about: str) -> None:
    said = failure(*wrong, fake="127.0.0.1:1")
    assert said.startswith("Error: ")
    assert about in said


def hang_after(word: str, fake: Fake) -> Any:
    """An answer that says one word and then waits until its reader leaves."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        stream({"response": word, "message": {"content": word}}, whole=False)(handler, body)
        if handler.connection.recv(1) == b"":
            fake.left.set()

    return answer


def test_ctrl_c_hangs_up_at_once_and_leaves_no_traceback(fake: Fake) -> None:
    fake.routes["/api/generate"] = hang_after("Once\n", fake)
    with subprocess.Popen(
        [*PADDOCK, "run", "tiny", "hi"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(fake),
    ) as child:
        assert child.stdout and child.stderr
        assert child.stdout.readline() == b"Once\n"
        child.send_signal(signal.SIGINT)
        assert fake.left.wait(10)
        assert (child.wait(10), child.stderr.read()) == (130, b"")


def test_a_reader_that_leaves_ends_the_program_quietly(fake: Fake) -> None:
    def answer(handler: Handler, body: dict[str, Any]) -> None:
        stream({"response": "first\n"}, whole=False)(handler, body)
        fake.go_on.wait(10)
        for _ in range(100):
            send_chunk(handler, b'{"response":"more\\n"}\n')

    fake.routes["/api/generate"] = answer
    with subprocess.Popen(
        [*PADDOCK, "run", "tiny", "hi"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(fake),
    ) as child:
        assert child.stdout and child.stderr
        assert child.stdout.readline() == b"first\n"
        child.stdout.close()
        fake.go_on.set()
        assert (child.wait(10), child.stderr.read()) == (141, b"")


# ── the other commands ────────────────────────────────────────────────────────────────────────────


def test_list_is_a_table_without_borders(fake: Fake) -> None:
    assert run(fake, "list").stdout.splitlines() == [
        "NAME           ID              SIZE      MODIFIED",
        "tiny:latest    0123456789ab    9.9 MB    5 hours ago",
        "Qwen3:8b       ffffffffffff    5.2 GB    5 hours ago",
    ]
    assert run(fake, "ls", "qwen").stdout.splitlines()[1:] == [
        "Qwen3:8b    ffffffffffff    5.2 GB    5 hours ago"
    ]


def test_ps_tells_where_a_model_sits_and_until_when(fake: Fake) -> None:
    soon, past, never = (NOW + timedelta(days=d) for d in (3.01, -1, 292 * 365))
    loaded = [
        TINY | {"size_vram": vram, "context_length": 4096, "expires_at": until.isoformat()}
        for vram, until in ((0, soon), (9_876_543, past), (4_938_271, never))
    ]
    fake.routes["/api/ps"] = reply({"models": loaded})
    heading, *rows = (line.split("  ") for line in run(fake, "ps").stdout.splitlines())
    assert [c.strip() for c in heading if c] == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert [[c.strip() for c in row if c][3:] for row in rows] == [
        ["100% CPU", "4096", "3 days from now"],
        ["100% GPU", "4096", "Stopping..."],
        ["50%/50% CPU/GPU", "4096", "Forever"],
    ]


SHOWN = {
    "details": {"quantization_level": "Q4_0", "family": "llama"},
    "capabilities": ["completion", "tools"],
    "parameters": 'stop                           "<|end|>"\ntemperature                    0.1',
    "model_info": {
        "general.architecture": "llama",
        "general.parameter_count": 4_800_000,
        "llama.context_length": 1024,
        "tokenizer.ggml.tokens": ["a", "b", "c", "d", "e", "f", "g"],
    },
    "tensors": [{"name": "output.weight", "type": "Q4_0", "shape": [256, 1536]}],
    "system": "You are small.",
    "license": "MIT License\n\nCopyright\n\nPermission",
    "modelfile": "FROM tiny",
    "template": "{{ .Prompt }}",
}


def test_show_prints_sections(fake: Fake) -> None:
    fake.routes["/api/show"] = reply(SHOWN)
    assert (
        run(fake, "show", "tiny").stdout
        == """\
  Model
    architecture      llama
    parameters        4.80M
    context length    1024
    quantization      Q4_0

  Capabilities
    completion
    tools

  Parameters
    stop           "<|end|>"
    temperature    0.1

  System
    You are small.

  License
    MIT License
    Copyright
    ...

"""
    )
    verbose = run(fake, "show", "tiny", "--verbose").stdout
    assert "    tokenizer.ggml.tokens      [a, b, c, d, e, ...+2 more]\n" in verbose
    assert "    output.weight    Q4_0    [256, 1536]\n" in verbose


def test_show_prints_one_part_as_it_stands(fake: Fake) -> None:
    fake.routes["/api/show"] = reply(SHOWN)
    for part in ("license", "modelfile", "parameters", "system", "template"):
        assert run(fake, "show", "tiny", f"--{part}").stdout == f"{SHOWN[part]}\n"
    said = failure("show", "tiny", "--license", "--system", fake=fake)
    parts = "'--license', '--modelfile', '--parameters', '--system', or '--template'"
    assert said == f"Error: only one of {parts} can be specified\n"


def test_stop_unloads_and_knows_when_there_is_nothing_to_stop(fake: Fake) -> None:
    fake.routes["/api/generate"] = reply({"done": True, "done_reason": "unload"})
    assert (done := run(fake, "stop", "tiny")).returncode == 0
    assert done.stdout == ""
    assert fake.bodies("/api/generate")[0]["keep_alive"] == 0
    fake.routes["/api/generate"] = reply({"error": "model 'x' not found"}, 404)
    assert failure("stop", "x", fake=fake) == 'Error: couldn\'t find model "x" to stop\n'


def test_cp_and_rm_say_what_they_did(fake: Fake) -> None:
    fake.routes |= {"/api/copy": reply(""), "/api/delete": reply("")}
    assert run(fake, "cp", "tiny", "small").stdout == "copied 'tiny' to 'small'\n"
    assert run(fake, "rm", "small", "tiny").stdout == "deleted 'small'\ndeleted 'tiny'\n"
    assert [(method, path, body.get("model")) for method, path, body in fake.heard[1:]] == [
        ("POST", "/api/generate", "small"),
        ("DELETE", "/api/delete", "small"),
        ("POST", "/api/generate", "tiny"),
        ("DELETE", "/api/delete", "tiny"),
    ]
    assert fake.bodies("/api/copy") == [{"source": "tiny", "destination": "small"}]


def test_rm_of_a_missing_model_is_the_servers_error(fake: Fake) -> None:
    missing = reply({"error": "model 'x' not found"}, 404)
    fake.routes |= {"/api/generate": missing, "/api/delete": missing}
    assert failure("rm", "x", fake=fake) == "Error: model 'x' not found\n"


def test_the_version_is_the_servers_and_our_own(fake: Fake) -> None:
    ours, theirs = f"paddock version is {version()}\n", "ollama version is 0.99.0\n"
    assert run(fake, "--version").stdout == ours + theirs
    assert run(fake, "-v", program=AS_OLLAMA).stdout == theirs + ours
    assert run("127.0.0.1:1", "-v").stdout == (
        f"{ours}Warning: could not connect to a running Ollama instance\n"
        f"Warning: client version is {OLLAMA_VERSION}\n"
    )


def test_a_server_of_another_version_is_pointed_out(fake: Fake) -> None:
    fake.routes["/api/version"] = reply({"version": "0.99.0", "paddock": "0.0.1"})
    assert "Warning: the server runs paddock 0.0.1" in run(fake, "--version").stdout


def test_every_setting_is_explained_by_serve_help() -> None:
    assert {field.metadata["env"] for field in fields(Settings)} == set(VARIABLES)
    said = run("127.0.0.1:1", "serve", "--help").stdout
    assert all(f"  {name} " in said for name in VARIABLES)


# ── on a terminal ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def terminal(fake: Fake) -> Iterator[Any]:
    """Starts `paddock` on a pseudo-terminal of 40 columns."""
    children: list[pexpect.spawn[str]] = []

    def start(*arguments: str, **more: str) -> pexpect.spawn[str]:
        plain = {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
        child = pexpect.spawn(
            PADDOCK[0],
            [*PADDOCK[1:], *arguments],
            env=environment(fake, **plain, **more),
            encoding="utf-8",
            dimensions=(24, 40),
            timeout=10,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def ended(child: Any) -> str:
    """Everything up to the end, without the marks a terminal driver makes."""
    child.expect(pexpect.EOF)
    child.wait()
    return str(child.before).replace("\r\n", "\n")


def test_words_are_wrapped_on_a_terminal_only(fake: Fake, terminal: Any) -> None:
    words = ("The quick brown fox ", "jumps over the la", "zy dog and runs away")
    fake.routes["/api/generate"] = spoken(*words)
    shown = "The quick brown fox jumps over the\nlazy dog and runs away\n\n"
    assert ended(terminal("run", "tiny", "hi")) == shown
    assert ended(terminal("run", "tiny", "hi", "--nowordwrap")) == "".join(words) + "\n\n"
    assert run(fake, "run", "tiny", "hi").stdout == "".join(words) + "\n\n"


def test_thinking_is_grey_where_colour_is_welcome(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/generate"] = stream({"thinking": "Hm."}, {"response": "Yes.", "done": True})
    grey = ended(terminal("run", "tiny", "hi"))
    bold, dim, plain = "\x1b[1;90m", "\x1b[90m", "\x1b[0m"
    closing = f"{bold}...done thinking.\n{plain}\nYes.\n\n"
    assert grey == f"{bold}Thinking...\n{plain}{dim}Hm.\n{closing}"
    assert "\x1b" not in ended(terminal("run", "tiny", "hi", NO_COLOR="1"))


def test_a_model_cannot_steer_the_terminal(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/generate"] = spoken("a\x1b]0;owned\x07b\x9b2J", "c")
    assert ended(terminal("run", "tiny", "hi")) == "a]0;ownedb2Jc\n\n"


def test_a_spinner_turns_until_the_first_word(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/generate"] = stream(lambda: fake.go_on.wait(10), {"response": "Here.", "done": True})
    child = terminal("run", "tiny", "hi")
    child.expect("⠋")
    fake.go_on.set()
    assert ended(child).endswith("\r\x1b[KHere.\n\n")


def test_a_conversation_remembers_what_was_said(fake: Fake, terminal: Any) -> None:
    child = terminal("run", "tiny")
    child.expect(READY)
    child.send("My name is Ada\r")
    child.expect("Hello there")
    child.expect(READY)
    fake.routes["/api/chat"] = said("Ada")
    child.send('"""What is\r')
    child.expect(r"\.\.\.")
    child.send('my name?"""\r')
    child.expect("Ada\r\n\r\n")
    child.expect(READY)
    child.send("/clear\r")
    child.expect("Cleared session context")
    child.expect(READY)
    child.send("again\r")
    child.expect("Ada\r\n\r\n")
    child.expect(READY)
    child.send("/bye\r")
    ended(child)
    assert child.exitstatus == 0
    assert fake.bodies("/api/generate") == [{"model": "tiny", "prompt": "", "stream": False}]
    first = [{"role": "user", "content": "My name is Ada"}, {"role": "assistant", "content": "Hello there"}]
    assert [body["messages"] for body in fake.bodies("/api/chat")] == [
        first[:1],
        [*first, {"role": "user", "content": "What is\nmy name?"}],
        [{"role": "user", "content": "again"}],
    ]


def test_ctrl_c_stops_an_answer_and_ctrl_d_the_conversation(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/chat"] = hang_after("Once upon a time ", fake)
    child = terminal("run", "tiny")
    child.expect(READY)
    child.sendintr()
    child.expect("Use Ctrl . d or /bye to exit.")
    child.expect(READY)
    child.send("a story\r")
    child.expect("Once upon a time")
    child.sendintr()
    assert fake.left.wait(10)
    fake.routes["/api/chat"] = said("Fine.")
    child.expect(READY)
    child.send("go on\r")
    child.expect("Fine.")
    child.expect(READY)
    child.send("not sent")
    child.sendintr()
    child.expect(READY)
    child.sendeof()
    assert "Traceback" not in ended(child)
    assert child.exitstatus == 0
    assert [m["content"] for m in fake.bodies("/api/chat")[1]["messages"]] == [
        "a story",
        "Once upon a time ",
        "go on",
    ]


def test_an_error_leaves_the_conversation_going_without_the_question(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/chat"] = reply({"error": "server busy"}, 503)
    child = terminal("run", "tiny")
    child.expect(READY)
    child.send("one\r")
    child.expect("Error: server busy")
    child.expect(READY)
    fake.routes["/api/chat"] = said("Two.")
    child.send("/nonsense\r")
    child.expect("Unknown command '/nonsense'. Type /\\? for help")
    child.expect(READY)
    child.send("two\r")
    child.expect("Two.")
    child.expect(READY)
    child.send("/?\r")
    child.expect("Available Commands")
    child.send("/exit\r")
    ended(child)
    assert fake.bodies("/api/chat")[1]["messages"] == [{"role": "user", "content": "two"}]


def test_a_model_that_is_missing_is_told_before_the_first_question(fake: Fake, terminal: Any) -> None:
    fake.routes["/api/generate"] = reply({"error": "model 'x' not found"}, 404)
    child = terminal("run", "x", "--nowordwrap")
    assert "Error: model 'x' not found; installed here: tiny" in ended(child)
    assert child.exitstatus == 1


# ── with the real server ──────────────────────────────────────────────────────────────────────────


def test_the_commands_tell_one_story(server: RunningServer) -> None:
    def told(*arguments: str) -> str:
        done = run(server.url, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert told("run", "tiny", "My name is Ada. What is my name?", "--hidethinking").endswith("\n\n")
    assert told("ps", "tiny").splitlines()[1].startswith("tiny:latest ")
    assert "architecture" in told("show", "tiny")
    assert told("stop", "tiny") == ""
    assert told("cp", "tiny", "cli/copied") == "copied 'tiny' to 'cli/copied'\n"
    assert len(told("list", "CLI/").splitlines()) == 2
    assert told("rm", "cli/copied") == "deleted 'cli/copied'\n"
    assert len(told("ls", "cli/").splitlines()) == 1


def test_a_real_model_remembers_the_conversation(server: RunningServer, terminal: Any) -> None:
    child = terminal("run", "tiny", "--hidethinking", OLLAMA_HOST=server.url)
    child.expect(READY)
    child.send("My name is Ada.\r")
    child.expect(READY)
    child.send("What is my name?\r")
    child.expect("is Ada")
    child.expect(READY)
    child.sendeof()
    ended(child)
    assert child.exitstatus == 0


# ── figures and wrapping, pure ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 KB"),
        (2_000_000, "2 MB"),
        (42_900_000_000, "42 GB"),
        (1_500_000_000_000, "1.5 TB"),
    ],
)
def test_sizes(amount: int, text: str) -> None:
    assert figures.size(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (12, "12"),
        (10_500, "10K"),
        (136_727_040, "136.73M"),
        (137_000_000, "137M"),
        (8_030_261_248, "8.0B"),
        (8_000_000_000, "8B"),
    ],
)
def test_parameter_counts(amount: int, text: str) -> None:
    assert figures.count(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "About a minute"),
        (240, "4 minutes"),
        (3600, "About an hour"),
        (3600 * 47, "47 hours"),
        (3600 * 48, "2 days"),
        (3600 * 24 * 14, "2 weeks"),
        (3600 * 24 * 60, "2 months"),
        (3600 * 24 * 365 * 2, "2 years"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert figures.span(seconds) == text


def test_columns_line_up_under_japanese() -> None:
    rows = figures.table([("名前", "大きさ"), ("cafe\u0301", "1")])
    assert rows == "名前    大きさ\ncafe\u0301    1"
    assert figures.width("日本語か\u3099") == 8


def wrapped(text: str, screen: int, at: list[int] | None = None) -> str:
    wrapper = Wrapper(screen)
    cuts = sorted({min(i, len(text)) for i in at or []} | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    return "".join(map(wrapper.feed, pieces)) + wrapper.flush()


def test_japanese_is_wrapped_by_its_width_and_a_full_stop_never_opens_a_line() -> None:
    assert wrapped("あいうえおかきくけこさし", 15) == "あいうえお\nかきくけこ\nさし"
    assert wrapped("あいうえお。かきくけこ」。さ", 15) == "あいうえお。\nかきくけこ」。\nさ"
    assert wrapped("漢字とEnglishを混ぜる", 17) == "漢字と\nEnglishを混\nぜる"


def test_a_word_longer_than_the_line_is_broken_and_indentation_is_kept() -> None:
    assert wrapped("x" * 25, 15) == "\n".join(["x" * 10, "x" * 10, "x" * 5])
    assert wrapped("if a:\n    b\n\nend", 40) == "if a:\n    b\n\nend"


_TEXTS = st.text(st.sampled_from("ab c日本、。\n\u0301👩\u200d💻\t-"), max_size=80)


@given(text=_TEXTS, screen=st.integers(1, 40), at=st.lists(st.integers(0, 80), max_size=8))
def test_wrapping_loses_no_character_and_does_not_depend_on_the_pieces(
    text: str, screen: int, at: list[int]
) -> None:
    whole = wrapped(text, screen)
    assert wrapped(text, screen, at) == whole
    assert "".join(whole.split()) == "".join(text.split())
    if "\t" not in text:
        assert max(map(figures.width, whole.split("\n"))) <= max(screen, 15)


@given(st.text())
def test_what_reaches_a_terminal_has_no_control_character_but_newline_and_tab(text: str) -> None:
    shown = harmless(text)
    assert not [c for c in shown if ord(c) < 32 and c not in "\n\t"]
    assert shown == "".join(c for c in text if c in shown)
