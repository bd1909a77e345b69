"""Regular expressions of JSON Schema, read into the parts of a grammar.

JSON Schema takes the syntax of JavaScript, and most validators run the expression with what their own
language has. So an expression here means what JavaScript *and* Python make of it, and where they differ
(`\\s`, `\\W`, `\\D`, `.` and line ends) only what both accept is written. As there, it may match anywhere in
the string unless `^` and `$` hold it; what stands around the match is free.

A grammar has no memory and cannot look around: back references, word boundaries and look-around are refused
by name. Only what is looked for right after a `^` at the beginning is held, because that speaks of the whole
string, as another expression would. Source of the syntax: ECMA-262, "Patterns", with the `u` flag.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.prompts.grammar.gbnf import (
    ALL_CHARS,
    EMPTY,
    NEVER,
    Part,
    Range,
    Text,
    chars,
    either,
    nullable,
    optional,
    repeat,
    seq,
    without,
)


class BadPattern(Exception):
    """The expression is invalid, or holds what a grammar cannot; the sentence says what and where."""


#: Bounds above this are no pattern but a mistake; lengths have keywords of their own.
_MOST_REPETITIONS = 1000
_DEEPEST = 50

_DIGITS: tuple[Range, ...] = ((0x30, 0x39),)
_WORD: tuple[Range, ...] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
#: White space to both languages, and to either of them.
_SPACE: tuple[Range, ...] = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
_ANY_SPACE = (*_SPACE, (0x1C, 0x1F), (0x85, 0x85), (0xFEFF, 0xFEFF))
_ASCII: tuple[Range, ...] = ((0x00, 0x7F),)
_LINE_ENDS: tuple[Range, ...] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_CLASSES: dict[str, tuple[Range, ...]] = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "D": without(_ASCII, _DIGITS),
    "W": without(_ASCII, _WORD),
    "S": without(ALL_CHARS, _ANY_SPACE),
}
#: What a negated class must leave out for \d, \w and \s: all that either language could count in.
_NOT_ASCII: tuple[Range, ...] = ((0x80, 0xD7FF), (0xE000, 0x10FFFF))
_WIDEST: dict[str, tuple[Range, ...]] = {
    "d": (*_DIGITS, *_NOT_ASCII),
    "w": (*_WORD, *_NOT_ASCII),
    "s": _ANY_SPACE,
    "D": without(ALL_CHARS, _DIGITS),
    "W": without(ALL_CHARS, _WORD),
    "S": without(ALL_CHARS, _SPACE),
}
_CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "0": 0x00}
_PUNCTUATION = frozenset("^$\\.*+?()[]{}|/-")
#: White space and punctuation that Python's re.escape puts a backslash before.
_ESCAPED_TOO = frozenset(" !\"#%&',:;<=>@_`~\n\t\r\v\f")

#: What Python's `$` lets stand behind it.
_LINE_END = optional(Text("\n"))
#: Any string.
ANYTHING = repeat(chars(ALL_CHARS), 0, None)


class _Anchor:
    """A place instead of a text; it exists only while an expression is read."""


_BEGIN, _END = _Anchor(), _Anchor()
_Item = Part | _Anchor


@dataclass(frozen=True, slots=True)
class Pattern:
    """The strings that all of `held` describe and none of `excluded`, as whole strings of raw characters."""

    held: tuple[Part, ...]
    excluded: tuple[Part, ...] = ()


def pattern(text: str) -> Pattern:
    """The strings in which `text` is found. Raises BadPattern."""
    reader = _Reader(text)
    found = _all(reader.branches())
    return Pattern((found, *reader.ahead), tuple(reader.never))


def _all(branches: list[list[_Item]], end: Part = EMPTY) -> Part:
    return either(*(_placed(branch, end) for branch in branches))


def _placed(branch: list[_Item], end: Part) -> Part:
    """A branch with the freedom around it that its anchors leave; `end` may stand behind a `$`."""
    begun = bool(branch) and branch[0] is _BEGIN
    branch = branch[1:] if begun else branch
    ended = bool(branch) and branch[-1] is _END
    branch = branch[:-1] if ended else branch
    parts = [item for item in branch if not isinstance(item, _Anchor)]
    if len(parts) != len(branch):
        raise BadPattern("an anchor inside the expression cannot be held by a grammar")
    inner = seq(*parts)
    if nullable(inner) and not (begun and ended):
        return ANYTHING  # nothing at all is found in every string
    return seq(EMPTY if begun else ANYTHING, inner, end if ended else ANYTHING)


class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        # What must not be there is what either language would find, not only what both would.
        self._wide = False
        self.ahead: list[Part] = []
        self.never: list[Part] = []

    def branches(self) -> list[list[_Item]]:
        """The alternatives of the whole expression; one that is a single group is opened."""
        found = self._alternatives()
        if self._at < len(self._text):
            raise self._error("there is no group that this closes")
        if (self.ahead or self.never) and len(found) > 1:
            raise self._error("look-ahead in one of several alternatives cannot be held by a grammar")
        return found

    def _alternatives(self) -> list[list[_Item]]:
        found: list[list[_Item]] = [[]]
        while self._at < len(self._text) and self._peek() != ")":
            if self._take("|"):
                found.append([])
            elif self._take("^"):
                found[-1].append(_BEGIN)
            elif self._take("$"):
                found[-1].append(_END)
            elif not self._depth and found == [[_BEGIN]] and self._take("(?="):
                self.ahead.append(self._looked_for(EMPTY))
            elif not self._depth and found == [[_BEGIN]] and self._take("(?!"):
                self._wide = True
                self.never.append(self._looked_for(_LINE_END))
                self._wide = False
            else:
                self._item(found)
        return found

    def _looked_for(self, end: Part) -> Part:
        """The strings that begin with what a look-ahead looks for."""
        inner = self._group()
        return _all([each if each[:1] == [_BEGIN] else [_BEGIN, *each] for each in inner], end)

    def _item(self, found: list[list[_Item]]) -> None:
        start = self._at
        if not self._take("("):
            found[-1].append(self._quantified(self._atom()))
            return
        inner = self._group()
        anchored = any(isinstance(item, _Anchor) for branch in inner for item in branch)
        if anchored and (start or self._at < len(self._text)):
            raise BadPattern("an anchor inside a group cannot be held by a grammar")
        if anchored:  # (^a|b$) is ^a|b$
            found[:] = inner
            return
        branches = (seq(*(i for i in branch if not isinstance(i, _Anchor))) for branch in inner)
        found[-1].append(self._quantified(either(*branches)))

    def _group(self) -> list[list[_Item]]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("groups are nested too deeply")
        if self._take("?"):
            self._kind_of_group()
        inner = self._alternatives()
        if not self._take(")"):
            raise self._error("a group is not closed")
        self._depth -= 1
        return inner

    def _kind_of_group(self) -> None:
        for mark, name in (("=", "look-ahead"), ("!", "negative look-ahead")):
            if self._take(mark):
                raise self._error(f"{name} cannot be held by a grammar")
        if self._take(":"):
            return
        self._take("P")
        if not self._take("<"):
            raise self._error("this kind of group cannot be held by a grammar")
        if self._at < len(self._text) and self._peek() in "=!":
            raise self._error("look-behind cannot be held by a grammar")
        end = self._text.find(">", self._at)
        if not self._text[self._at : max(end, 0)].isidentifier():
            raise self._error("a group's name is expected")
        self._at = end + 1

    def _atom(self) -> Part:
        char = self._next()
        match char:
            case ".":
                return chars(without(ALL_CHARS, _LINE_ENDS[:1] if self._wide else _LINE_ENDS))
            case "[":
                return self._class()
            case "\\":
                return chars(self._escape(in_class=False)[0])
            case "*" | "+" | "?" | "{":
                raise self._error(f"nothing stands before {char!r} that could be repeated")
        return chars(((ord(char), ord(char)),))

    def _quantified(self, part: Part) -> Part:
        bounds = self._quantifier()
        if bounds is None:
            return part
        self._take("?")  # a lazy quantifier finds the same strings
        if self._text[self._at : self._at + 1] in tuple("*+?{"):
            raise self._error("a quantifier follows a quantifier")
        return repeat(part, *bounds)

    def _quantifier(self) -> tuple[int, int | None] | None:
        simple: tuple[tuple[str, int, int | None], ...] = (("*", 0, None), ("+", 1, None), ("?", 0, 1))
        for mark, least, most in simple:
            if self._take(mark):
                return least, most
        if not self._take("{"):
            return None
        least = self._number()
        most = least
        if self._take(","):
            most = None if self._text.startswith("}", self._at) else self._number()
        if not self._take("}"):
            raise self._error("a bound is not closed")
        if most is not None and most < least:
            raise self._error("the bounds of a repetition are out of order")
        return least, most

    def _number(self) -> int:
        start = self._at
        while self._at < len(self._text) and self._peek() in "0123456789":
            self._at += 1
        digits = self._text[start : self._at]
        if not digits:
            raise self._error("a number is expected")
        if len(digits) > 4 or int(digits) > _MOST_REPETITIONS:
            raise self._error(f"more than {_MOST_REPETITIONS} repetitions are too many for a grammar")
        return int(digits)

    # ── classes and escapes ───────────────────────────────────────────────────────────────────────

    def _class(self) -> Part:
        negated = self._take("^")
        found: list[Range] = []
        widest: list[Range] = []
        while not self._take("]"):
            ranges, wide = self._class_atom()
            single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
            if self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 : self._at + 2] != "]":
                self._at += 1
                ends, _ = self._class_atom()
                if not single or len(ends) != 1 or ends[0][0] != ends[0][1] or ends < ranges:
                    raise self._error("this is no range of characters")
                ranges = wide = ((ranges[0][0], ends[0][0]),)
            found += ranges
            widest += wide
        part = chars(without(ALL_CHARS, widest) if negated else without(found, ((0xD800, 0xDFFF),)))
        if part == NEVER:
            raise self._error("no character is in this class")
        return part

    def _class_atom(self) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
        char = self._next()
        if char == "\\":
            return self._escape(in_class=True)
        if char == "[" and self._text[self._at : self._at + 1] == ":":
            raise self._error("named classes are not part of the syntax")
        return ((ord(char), ord(char)),), ((ord(char), ord(char)),)

    def _escape(self, in_class: bool) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
        """The characters an escape stands for, and those it could stand for in either language."""
        char = self._next()
        if char in _CLASSES:
            both, any_of_them = _CLASSES[char], _WIDEST[char]
            return (any_of_them, both) if self._wide else (both, any_of_them)
        if char in "123456789" or (char == "k" and not in_class):
            raise self._error("a back reference cannot be held by a grammar")
        if char in "bB" and not in_class:
            raise self._error("a word boundary cannot be held by a grammar")
        if char in "pP":
            raise self._error("Unicode properties are not supported")
        if char == "b":
            code = 0x08
        elif char in _CONTROLS:
            code = _CONTROLS[char]
        elif char in "xu":
            code = self._code_point(char)
        elif char in _PUNCTUATION or char in _ESCAPED_TOO:
            code = ord(char)
        else:
            raise self._error(f"there is no escape \\{char}")
        return ((code, code),), ((code, code),)

    def _code_point(self, kind: str) -> int:
        size = 2 if kind == "x" else 4
        digits = self._text[self._at : self._at + size]
        if kind == "u" and self._take("{"):
            end = self._text.find("}", self._at)
            digits, size = self._text[self._at : max(end, 0)], max(end, 0) - self._at + 1
        try:
            code = int(digits, 16) if digits.isalnum() else -1
        except ValueError:
            code = -1
        if code < 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or (size in (2, 4) and not digits):
            raise self._error("this escape names no character")
        self._at += size
        return code

    # ── the text ──────────────────────────────────────────────────────────────────────────────────

    def _peek(self) -> str:
        return self._text[self._at]

    def _next(self) -> str:
        if self._at == len(self._text):
            raise self._error("the expression ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _error(self, sentence: str) -> BadPattern:
        return BadPattern(f"{sentence} (at character {self._at})")
