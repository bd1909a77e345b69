"""Thought and answer apart, where a model writes its thought between two tags.

DeepSeek-R1 and Qwen 3 write `<think>…</think>` and then the answer; a template may have written the opening
tag already, so that the reply begins inside the thought. Sources: the model cards of DeepSeek-R1 and of
Qwen 3, under "usage" and "switching between thinking and non-thinking mode".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from paddock.prompts.replies.said import Said


@dataclass(frozen=True, slots=True)
class Tags:
    """What stands before and after a thought."""

    opening: str = "<think>"
    closing: str = "</think>"

    def opened_by(self, prompt: str) -> bool:
        """Whether a prompt ends inside a thought."""
        return prompt.rstrip().endswith(self.opening)

    def without_thought(self, prompt: str) -> str:
        """`prompt` with an empty thought at its end, after which a model answers at once."""
        if prompt.rstrip().endswith(self.closing):
            return prompt
        if self.opened_by(prompt):
            return f"{prompt.rstrip()}\n\n{self.closing}\n\n"
        return f"{prompt}{self.opening}\n\n{self.closing}\n\n"


_USUAL = Tags()


class _Where(enum.Enum):
    BEFORE = enum.auto()  # the opening tag may still come
    OPENED = enum.auto()  # white space after the opening tag is not part of the thought
    THINKING = enum.auto()
    CLOSED = enum.auto()  # nor is white space after the closing tag part of the answer
    ANSWER = enum.auto()


class ThinkingSplitter:
    """Separates a thought between two tags from the answer after it.

    The opening tag counts only as the first thing said. `opened` says that the prompt itself ended with
    it. Without a closing tag everything after the opening one is thought.
    """

    def __init__(self, tags: Tags = _USUAL, *, opened: bool = False) -> None:
        self._opening = tags.opening
        self._closing = tags.closing
        self._where = _Where.OPENED if opened else _Where.BEFORE
        self._held = ""

    def feed(self, text: str) -> Said:
        """What can be told of the text so far, after `text`."""
        if self._where is _Where.ANSWER:
            return Said(content=text)
        self._held += text
        thinking = ""
        while True:
            match self._where:
                case _Where.BEFORE:
                    start = self._held.lstrip()
                    if start.startswith(self._opening):
                        self._held = start[len(self._opening) :]
                        self._where = _Where.OPENED
                    elif self._opening.startswith(start):
                        return Said(thinking)
                    else:
                        self._where = _Where.ANSWER
                case _Where.OPENED | _Where.CLOSED:
                    self._held = self._held.lstrip()
                    if not self._held:
                        return Said(thinking)
                    self._where = _Where.THINKING if self._where is _Where.OPENED else _Where.ANSWER
                case _Where.THINKING:
                    thought, closing, rest = self._held.partition(self._closing)
                    if not closing:
                        sure = len(self._held) - self._unsure()
                        thinking, self._held = thinking + self._held[:sure], self._held[sure:]
                        return Said(thinking)
                    thinking += thought.rstrip()
                    self._held, self._where = rest, _Where.CLOSED
                case _Where.ANSWER:
                    content, self._held = self._held, ""
                    return Said(thinking, content)

    def flush(self) -> Said:
        """What was held back, now that nothing more will come."""
        held, self._held = self._held, ""
        if self._where is _Where.THINKING:
            return Said(thinking=held.rstrip())
        return Said(content=held) if self._where is _Where.BEFORE and held.strip() else Said()

    def _unsure(self) -> int:
        """How many characters at the end may belong to the closing tag, or be white space before it."""
        for size in range(min(len(self._closing) - 1, len(self._held)), 0, -1):
            if self._held.endswith(self._closing[:size]):
                break
        else:
            size = 0
        before = self._held[: len(self._held) - size]
        return len(self._held) - len(before.rstrip())
