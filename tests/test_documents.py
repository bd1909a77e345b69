"""The examples in docs/ are run, and print what they say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from calls import call
from conftest import RunningServer
from paddock.prompts.replies import formats

PAGE = (Path(__file__).parent.parent / "docs/tools.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return str(found)


def test_the_program_with_a_tool_prints_what_is_shown(server: RunningServer) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", block("python")],
        env=server.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stderr, ended.stdout) == ("", block("text"))


def test_the_call_over_http_is_the_one_shown(server: RunningServer) -> None:
    found = re.match(r"curl http://127\.0\.0\.1:11434(\S+) -d '(.*)'\s*$", block("sh"), re.S)
    assert found is not None
    (called,) = call(server.url, "POST", found[1], json.loads(found[2])).json["message"]["tool_calls"]
    shown = re.search(r'"tool_calls": \[(\{.*?\}\}\})\]', PAGE, re.S)
    assert shown is not None
    assert called | {"id": "call_…"} == json.loads(shown[1])


def test_every_splitter_is_in_the_table() -> None:
    for name in formats.NAMES:
        assert f"| `{name}` |" in PAGE
