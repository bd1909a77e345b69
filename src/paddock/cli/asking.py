"""Asking a model and showing what it says, for one answer and for conversations alike.

Everything the user chose travels in one frozen Wish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from paddock import durations
from paddock.cli.client import Reply
from paddock.cli.surroundings import Surroundings
from paddock.cli.terminal import Answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked of `run`, checked. `think` is None where nothing was said."""

    model: str
    keep_alive: str = ""
    format: object = None
    think: bool | str | None = None
    verbose: bool = False
    wrap: bool = True
    thoughts: bool = True

    def body(self, **rest: object) -> dict[str, object]:
        """A request body; what was not asked for is left to the server."""
        wanted = {
            "model": self.model,
            "keep_alive": self.keep_alive or None,
            "format": self.format,
            "think": self.think,
        }
        return {name: value for name, value in wanted.items() if value is not None} | rest


def show_answer(
    here: Surroundings, wish: Wish, path: str, body: Mapping[str, object], heard: list[Reply]
) -> None:
    """Show an answer as it comes. `heard` collects it, so that one that breaks off is not lost."""
    with (
        here.terminal.answer(wrap=wish.wrap, thoughts=wish.thoughts) as answer,
        closing(here.client.stream(path, body)) as stream,
    ):
        for item in stream:
            heard.append(item)
            show_piece(answer, item.get("message") or item)


def show_piece(answer: Answer, piece: Reply) -> None:
    """One piece of either API's answer: a message, or the object that has `response`."""
    answer.think(piece.get("thinking") or "")
    answer.speak(piece.get("content") or piece.get("response") or "")
    for call in piece.get("tool_calls") or ():
        function = call["function"]
        arguments = json.dumps(function["arguments"], ensure_ascii=False, separators=(",", ":"))
        answer.speak(
            f"Model called a non-existent function '{function['name']}()' with arguments: {arguments}\n"
        )


def show_statistics(here: Surroundings, last: Reply) -> None:
    """What `--verbose` prints: only what the server measured."""
    for label, text in _statistics(last):
        here.terminal.say(f"{label:<22}{text}")


def _statistics(last: Reply) -> list[tuple[str, str]]:
    lines = [
        ("total duration:", _took(last, "total_duration")),
        ("load duration:", _took(last, "load_duration")),
    ]
    for label, name in (("prompt eval", "prompt_eval"), ("eval", "eval")):
        tokens, nanoseconds = last.get(f"{name}_count", 0), last.get(f"{name}_duration", 0)
        lines += [
            (f"{label} count:", f"{tokens} token(s)" if tokens else ""),
            (f"{label} duration:", _took(last, f"{name}_duration")),
            (
                f"{label} rate:",
                f"{tokens / nanoseconds * 1e9:.2f} tokens/s" if tokens and nanoseconds else "",
            ),
        ]
    return [(label, text) for label, text in lines if text]


def _took(last: Reply, name: str) -> str:
    nanoseconds = last.get(name, 0)
    return durations.show(nanoseconds) if nanoseconds else ""
