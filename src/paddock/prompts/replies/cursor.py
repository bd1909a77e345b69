"""Reading a text that is still being written, by plain recursive descent.

A reader asks the cursor for what must come next. Where the text ends too early the cursor raises More, and
the reader is simply run again from the start once there is more; where something else stands there it
raises Wrong. So a format is written down as if the whole text were there. What would be slow to look at
again, the way to the end of a long value, is remembered between two runs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
#: What matters on the way to the end of a value: quotes and brackets outside of strings, inside of them the
#: closing quote and whatever takes a meaning away from the next character.
_OUTSIDE = re.compile(r"""["'()\[\]{}]""")
_INSIDE = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}
_DEEPEST = 100


class More(Exception):
    """What comes next cannot be told before there is more text."""


class Wrong(Exception):
    """Something else stands here than was asked for."""


@dataclass(slots=True)
class _Scan:
    """How far a value has been looked through: the place, the open brackets, the open string."""

    at: int
    depth: int = 0
    quote: str = ""

    def end(self, text: str, quotes: str) -> int | None:
        """Where the value ends, None where it has not ended yet. Raises Wrong where it is too deep."""
        while True:
            found = (_INSIDE[self.quote] if self.quote else _OUTSIDE).search(text, self.at)
            if found is None:
                self.at = len(text)
                return None
            character = found[0]
            if character == "\\":
                if found.end() == len(text):
                    self.at = found.start()
                    return None
                self.at = found.end() + 1
                continue
            self.at = found.end()
            if self.quote:
                self.quote = ""
            elif character in "\"'":
                self.quote = character if character in quotes else ""
            elif character in "([{":
                self.depth += 1
                if self.depth > _DEEPEST:
                    raise Wrong
            else:
                self.depth -= 1
                if self.depth <= 0:
                    return self.at


class Cursor:
    """A place in a text that may still grow. `ended` says that it will not."""

    def __init__(self, text: str = "", ended: bool = False) -> None:
        self.text = text
        self.at = 0
        self.ended = ended
        self._scans: dict[int, _Scan] = {}

    @property
    def finished(self) -> bool:
        """Whether nothing is left, and nothing more will come."""
        return self.ended and self.at >= len(self.text)

    def space(self) -> None:
        """Over white space, of which there may be none."""
        rest = self.text[self.at :]
        self.at += len(rest) - len(rest.lstrip())

    def literal(self, *words: str) -> str:
        """Over the one of `words` that stands here. Raises More and Wrong."""
        found = self.optional(*words)
        if not found:
            raise Wrong
        return found

    def optional(self, *words: str) -> str:
        """Like `literal`, but "" where none of them stands here. Raises More."""
        longest = max(map(len, words))
        rest = self.text[self.at : self.at + longest]
        for word in words:
            if rest.startswith(word):
                self.at += len(word)
                return word
        if not self.ended and any(word.startswith(rest) for word in words):
            raise More
        return ""

    def name(self) -> str:
        """A function's name. Raises More and Wrong."""
        found = _NAME.match(self.text, self.at)
        if found is None:
            self._lacking(self.at == len(self.text))
        if found.end() == len(self.text) and not self.ended:
            raise More
        self.at = found.end()
        return found[0]

    def until(self, word: str) -> str:
        """The text up to `word`, and over that. Raises More and Wrong."""
        place = self.text.find(word, self.at)
        if place < 0:
            self._lacking(True)
        text, self.at = self.text[self.at : place], place + len(word)
        return text

    def rest(self) -> str:
        """Everything, once the text has ended. Raises More."""
        if not self.ended:
            raise More
        text, self.at = self.text[self.at :], len(self.text)
        return text

    def bracketed(self, opening: str, quotes: str = '"') -> str:
        """A whole value in brackets that begins with one of `opening`; in strings between `quotes` brackets
        mean nothing. Raises More and Wrong."""
        start = self.at
        if self.text[start : start + 1] not in tuple(opening):
            self._lacking(start == len(self.text))
        scan = self._scans.setdefault(start, _Scan(start))
        end = scan.end(self.text, quotes) if scan.depth or scan.at == start else scan.at
        if end is None:
            self._lacking(True)
        self.at = end
        return self.text[start:end]

    def value(self, opening: str = "{[") -> Any:
        """A JSON object or array. Raises More and Wrong."""
        return json_value(self.bracketed(opening))

    def _lacking(self, more_would_help: bool) -> NoReturn:
        raise More if more_would_help and not self.ended else Wrong


def json_value(text: str) -> Any:
    """`text` as JSON. Models put bare line breaks into strings, and that is allowed. Raises Wrong."""
    try:
        value = json.loads(text, strict=False, parse_constant=_no_number)
        # Halves of characters, and numbers beyond all bounds, could not be sent to anybody.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Wrong from error
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
