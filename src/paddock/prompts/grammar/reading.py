"""A client's own grammar: read here in full, so that what reaches an engine is what was understood.

An engine stops at the first mistake and says no more than that there was one. It takes some mistakes for
something else (a bound above 2,000 becomes no bound), and others end its process. A grammar that is read
here is written anew with `Grammar.text`, with none of that left in it.

What llama.cpp's notation has besides, tokens by their number or name, is refused: those belong to one
model's vocabulary. Source: `grammars/README.md` and the parser in `src/llama-grammar.cpp` of llama.cpp.
"""

from __future__ import annotations

from paddock.errors import BadGrammar
from paddock.prompts.grammar.checks import LONGEST, reachable, require_fit
from paddock.prompts.grammar.gbnf import (
    ALL_CHARS,
    NEVER,
    Grammar,
    Part,
    Range,
    Ref,
    Text,
    chars,
    either,
    repeat,
    seq,
    without,
)

_MOST_REPETITIONS = 100_000
_DEEPEST = 100
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-"}
_BY_NUMBER = {"x": 2, "u": 4, "U": 8}
#: An engine takes a zero for the end of a text.
_NUL: tuple[Range, ...] = ((0, 0),)


def of_text(text: str) -> Grammar:
    """The grammar that a text in GBNF describes. Raises BadGrammar, with line and column where it has one."""
    if len(text) > LONGEST:
        raise BadGrammar(f"it is longer than {LONGEST} characters")
    rules = _Reader(text).rules()
    require_fit(rules)
    return Grammar(reachable(rules))


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def rules(self) -> dict[str, Part]:
        """All rules. One that is written twice counts as its last version, as it does in llama.cpp."""
        found: dict[str, Part] = {}
        self._space(lines=True)
        while self._at < len(self._text):
            name = self._name()
            self._space(lines=False)
            if not self._take("::="):
                raise self._error('"::=" is expected')
            self._space(lines=True)
            found[name] = self._alternatives(nested=False)
            if self._at < len(self._text) and not (
                self._take("\r\n") or self._take("\n") or self._take("\r")
            ):
                raise self._error("the end of the line is expected")
            self._space(lines=True)
        return found

    def _alternatives(self, nested: bool) -> Part:
        options = [self._sequence(nested)]
        while self._take("|"):
            self._space(lines=True)
            options.append(self._sequence(nested))
        return either(*options)

    def _sequence(self, nested: bool) -> Part:
        parts: list[Part] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "*+?{":
                if not parts:
                    raise self._error(f"nothing stands before {char!r} that could be repeated")
                parts[-1] = repeat(parts[-1], *self._bounds(nested))
            elif (part := self._item(char)) is not None:
                parts.append(part)
            else:
                break
            self._space(lines=nested)
        return seq(*parts)

    def _item(self, char: str) -> Part | None:
        if char in _WORD:
            return Ref(self._name())
        match char:
            case '"':
                self._at += 1
                return Text("".join(chr(code) for code in self._until('"')))
            case "[":
                return self._class()
            case "(":
                return self._group()
            case ".":
                self._at += 1
                return chars(without(ALL_CHARS, _NUL))
            case "<" | "!":
                raise self._error("tokens are not supported, only text")
        return None

    def _group(self) -> Part:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("groups are nested too deeply")
        self._at += 1
        self._space(lines=True)
        inner = self._alternatives(nested=True)
        if not self._take(")"):
            raise self._error('")" is expected')
        self._depth -= 1
        return inner

    def _class(self) -> Part:
        self._at += 1
        negated = self._take("^")
        found: list[Range] = []
        while not self._take("]"):
            first = last = self._char()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                last = self._char()
            if last < first:
                raise self._error("this is no range of characters")
            found.append((first, last))
        part = chars(without(without(ALL_CHARS, found), _NUL) if negated else found)
        if part == NEVER:
            raise self._error("no character is in this class")
        return part

    def _until(self, end: str) -> list[int]:
        codes = []
        while not self._take(end):
            codes.append(self._char())
        return codes

    def _char(self) -> int:
        if self._at >= len(self._text):
            raise self._error("the grammar ends too early")
        char = self._text[self._at]
        self._at += 1
        code = ord(char) if char != "\\" else self._escape()
        if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise self._error("this is no character that a model could write")
        return code

    def _escape(self) -> int:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        if char in _BY_NUMBER:
            digits = self._text[self._at : self._at + _BY_NUMBER[char]]
            self._at += len(digits)
            if len(digits) < _BY_NUMBER[char] or not all(c in "0123456789abcdefABCDEF" for c in digits):
                raise self._error(f"{_BY_NUMBER[char]} hexadecimal digits are expected")
            return int(digits, 16)
        if char not in _SIMPLE_ESCAPES:
            raise self._error(f"there is no escape \\{char}")
        return ord(_SIMPLE_ESCAPES[char])

    def _bounds(self, nested: bool) -> tuple[int, int | None]:
        simple: tuple[tuple[str, int, int | None], ...] = (("*", 0, None), ("+", 1, None), ("?", 0, 1))
        for mark, least, most in simple:
            if self._take(mark):
                return least, most
        self._at += 1
        self._space(lines=nested)
        low = self._number()
        self._space(lines=nested)
        high: int | None = low
        if self._take(","):
            self._space(lines=nested)
            high = None if self._text.startswith("}", self._at) else self._number()
            self._space(lines=nested)
        if not self._take("}"):
            raise self._error('"}" is expected')
        if high is not None and high < low:
            raise self._error("the bounds of a repetition are out of order")
        return low, high

    def _number(self) -> int:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in "0123456789":
            self._at += 1
        digits = self._text[start : self._at]
        if not digits:
            raise self._error("a number is expected")
        if len(digits) > 9 or int(digits) > _MOST_REPETITIONS:
            raise self._error(f"more than {_MOST_REPETITIONS} repetitions are too many")
        return int(digits)

    def _name(self) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in _WORD:
            self._at += 1
        if start == self._at:
            raise self._error("a rule's name is expected")
        return self._text[start : self._at]

    def _space(self, lines: bool) -> None:
        """White space and comments; line ends too where a rule may go on."""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                while self._at < len(self._text) and self._text[self._at] not in "\r\n":
                    self._at += 1
            elif char in " \t" or (lines and char in "\r\n"):
                self._at += 1
            else:
                break

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _error(self, cause: str) -> BadGrammar:
        at = min(self._at, len(self._text))
        line_start = self._text.rfind("\n", 0, at) + 1
        return BadGrammar(cause, self._text.count("\n", 0, at) + 1, at - line_start + 1)
