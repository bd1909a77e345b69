"""Files named in a prompt of the terminal."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import serving
from fake_ollama import Fake, reply, said, spoken
from fake_ollama import serving as faking
from samples import picture, recording
from stores import add_seeing
from test_cli import READY, ended, run, terminal  # noqa: F401  the fixture


@pytest.fixture
def fake() -> Iterator[Fake]:
    routes = {
        "/api/generate": spoken("A picture."),
        "/api/chat": said("A picture."),
        "/api/show": reply({"capabilities": ["completion", "vision"]}),
    }
    with faking(routes) as fake:
        yield fake


def asked(fake: Fake, prompt: str, **more: str) -> tuple[str, list[bytes], str]:
    """What is sent for `prompt`: its text and its files, and what is said about it."""
    done = run(fake, "run", "seeing", prompt, **more)
    assert done.returncode == 0, done.stderr
    body = fake.bodies("/api/generate")[-1]
    return body["prompt"], [base64.b64decode(image) for image in body.get("images", ())], done.stderr


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a b.png", "it(1).png", "ü.png"])
def test_a_picture_is_sent_and_its_name_taken_out_of_the_prompt(
    fake: Fake, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(picture())
    escaped = str(path).replace(" ", "\\ ").replace("(", "\\(").replace(")", "\\)")
    for written in (escaped, f"'{path}'"):
        text, images, told = asked(fake, f"What is {written} about?")
        assert text.split() == ["What", "is", "about?"]
        assert images == [picture()]
        assert told == f"Added image '{path}'\n"


def test_several_files_and_a_recording(fake: Fake, tmp_path: Path) -> None:
    files = {"a.jpg": picture(format="JPEG"), "b.webp": picture(format="WEBP"), "c.wav": recording(0.01)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    text, images, told = asked(fake, " ".join(f"{tmp_path}/{name}" for name in files) + " compare")
    assert text == "compare"
    assert images == list(files.values())
    assert told.splitlines() == [
        f"Added image '{tmp_path}/a.jpg'",
        f"Added image '{tmp_path}/b.webp'",
        f"Added audio '{tmp_path}/c.wav'",
    ]


def test_paths_may_be_relative(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "here" / "b.png").write_bytes(picture(2, 2))
    monkeypatch.chdir(tmp_path / "here")
    assert asked(fake, "./b.png what?")[:2] == ("what?", [picture(2, 2)])
    assert asked(fake, "../a.png what?")[:2] == ("what?", [picture()])
    assert asked(fake, "~/a.png what?", HOME=str(tmp_path))[:2] == ("what?", [picture()])


@pytest.mark.parametrize(
    "prompt",
    [
        "what is ./gone.png about?",
        "see https://example.com/a.png",
        "what is {path}s about?",
        "what is x{path} about?",
        "a.png",
        "1/2.png",
    ],
)
def test_other_words_are_left_as_they_are(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    prompt = prompt.format(path=tmp_path / "a.png")
    assert asked(fake, prompt) == (prompt, [], "")
    assert fake.bodies("/api/show") == []


def test_a_model_that_neither_sees_nor_hears_gets_the_text(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    fake.routes["/api/show"] = reply({"capabilities": ["completion"]})
    prompt = f"What is {tmp_path}/a.png?"
    assert asked(fake, prompt) == (prompt, [], "")


def test_a_file_that_is_something_else_or_too_large_is_refused(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    large = tmp_path / "b.png"
    large.write_bytes(picture())
    os.truncate(large, 100_000_001)
    for name, why in (
        ("a.png", "it is neither a JPEG, PNG or WebP picture"),
        ("b.png", "larger than 100 MB"),
    ):
        done = run(fake, "run", "seeing", f"What is {tmp_path}/{name}?")
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: couldn't attach '{tmp_path}/{name}': ")
        assert why in done.stderr
    assert fake.bodies("/api/generate") == []


def test_in_a_conversation_a_picture_may_begin_the_line(fake: Fake, terminal: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "b.png").write_text("no picture")
    child = terminal("run", "seeing")
    child.expect(READY)
    child.send(f"{tmp_path}/b.png\r")
    child.expect("Error: couldn't attach")
    child.expect(READY)
    child.send(f"{tmp_path}/gone.png\r")
    child.expect("Unknown command")
    child.expect(READY)
    child.send(f"{tmp_path}/a.png what is it?\r")
    child.expect("Added image")
    child.expect("A picture")
    child.expect(READY)
    child.send("and now?\r")
    child.expect("A picture")
    child.expect(READY)
    child.sendeof()
    ended(child)
    first, second = fake.bodies("/api/chat")
    shown = {"role": "user", "content": "what is it?", "images": [base64.b64encode(picture()).decode()]}
    assert first["messages"] == [shown]
    assert second["messages"][0] == shown
    assert second["messages"][-1] == {"role": "user", "content": "and now?"}


def test_a_real_model_is_shown_a_picture(tmp_path: Path) -> None:
    add_seeing(tmp_path / ".ollama" / "models", "seeing")
    (tmp_path / "a.webp").write_bytes(picture(format="WEBP"))
    with serving(tmp_path) as server:
        done = run(
            server.url, "run", "seeing", f"{tmp_path}/a.webp What is it?", "--verbose", "--think=false"
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    counted = next(line for line in done.stderr.splitlines() if line.startswith("prompt eval count"))
    assert int(counted.split()[3]) > 48
