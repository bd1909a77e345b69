"""From the text of a Go template to its tokens.

Text between actions becomes one token, trimmed where a neighbouring action has a trim marker; comments
leave nothing behind. Space inside actions is no token but a mark on the one after it, because `.a.b` and
`.a .b` differ.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from paddock.errors import TemplateError

#: Characters of a template. The longest ones that models bring have some 20,000.
MAX_SOURCE = 1 << 17


class Kind(enum.Enum):
    """What a token is."""

    TEXT = "text"
    OPEN = "{{"
    CLOSE = "}}"
    FIELD = "field"  # .Name
    VARIABLE = "variable"  # $name, or $ alone
    IDENTIFIER = "identifier"
    KEYWORD = "keyword"
    BOOL = "bool"
    NUMBER = "number"
    CHAR = "character"
    STRING = "string"
    RAW_STRING = "raw string"
    DOT = "."
    NIL = "nil"
    PIPE = "|"
    LEFT_PAREN = "("
    RIGHT_PAREN = ")"
    DECLARE = ":="
    ASSIGN = "="
    COMMA = ","
    OTHER = "character of no meaning"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it begins (characters from the start), and whether space stands before it."""

    kind: Kind
    text: str
    at: int
    spaced: bool = False


_KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)
_WORDS = {"nil": Kind.NIL, "true": Kind.BOOL, "false": Kind.BOOL} | dict.fromkeys(_KEYWORDS, Kind.KEYWORD)
_SINGLE = {"|": Kind.PIPE, "=": Kind.ASSIGN, ",": Kind.COMMA}
_SPACE = " \t\r\n"
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"\w*")
_QUOTED = {
    '"': re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'),
    "'": re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"),
    "`": re.compile(r"`[^`]*`"),
}
_QUOTED_KIND = {'"': Kind.STRING, "'": Kind.CHAR, "`": Kind.RAW_STRING}
_QUOTED_NAME = {'"': "quoted string", "'": "character constant", "`": "raw quoted string"}
# One real or imaginary number; which spellings are numbers at all is for the parser to say.
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*)"
    r"(?:\.[0-9a-fA-F_]*)?(?:(?<![xX])[eEpP][+-]?[0-9_]*)?i?"
)
#: What may follow a field, a variable or a name.
_TERMINATORS = frozenset(_SPACE + ".,|:()")


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a template, the last one END. Raises TemplateError."""
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"the template is longer than {MAX_SOURCE} characters", 1, 1)
    return _Lexer(source).run()


def error_at(source: str, at: int, problem: str) -> TemplateError:
    """The error for the place `at`."""
    line_start = source.rfind("\n", 0, at) + 1
    return TemplateError(problem, source.count("\n", 0, at) + 1, at - line_start + 1)


class _Lexer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._parens = 0

    def run(self) -> Iterator[Token]:
        source, trimmed = self._source, False
        while True:
            opening = source.find("{{", self._at)
            text = source[self._at :] if opening < 0 else source[self._at : opening]
            start = self._at + (len(text) - len(text.lstrip(_SPACE)) if trimmed else 0)
            text = text.lstrip(_SPACE) if trimmed else text
            if opening < 0:
                if text:
                    yield Token(Kind.TEXT, text, start)
                yield Token(Kind.END, "", len(source))
                return
            trims = source.startswith("-", opening + 2) and source[opening + 3 : opening + 4] in tuple(_SPACE)
            text = text.rstrip(_SPACE) if trims else text
            if text:
                yield Token(Kind.TEXT, text, start)
            self._at = opening + (4 if trims else 2)
            if source.startswith("/*", self._at):
                trimmed = self._comment(opening)
            else:
                yield Token(Kind.OPEN, "{{", opening)
                yield from self._action(opening)
                trimmed = self._close() or False

    def _comment(self, opening: int) -> bool:
        end = self._source.find("*/", self._at)
        if end < 0:
            raise error_at(self._source, opening, "unclosed comment")
        self._at = end + 2
        trimmed = self._close()
        if trimmed is None:
            raise error_at(self._source, end, "comment ends before closing delimiter")
        return trimmed

    def _close(self) -> bool | None:
        """Step over the closing delimiter: whether it trims, None where there is none."""
        source, at = self._source, self._at
        if source.startswith("}}", at):
            self._at += 2
            return False
        if source[at : at + 1] in tuple(_SPACE) and source.startswith("-}}", at + 1):
            self._at += 4
            return True
        return None

    def _closes(self, at: int) -> bool:
        source = self._source
        return source.startswith("}}", at) or (
            source[at : at + 1] in tuple(_SPACE) and source.startswith("-}}", at + 1)
        )

    def _action(self, opening: int) -> Iterator[Token]:
        """The tokens up to the closing delimiter, which stays where it is, and its CLOSE."""
        source, spaced, self._parens = self._source, False, 0
        while not self._closes(self._at):
            at = self._at
            if at >= len(source):
                raise error_at(source, opening, "unclosed action")
            if source[at] in _SPACE:
                spaced = True
                # A blank before `-}}` belongs to the delimiter, so blanks are taken one at a time.
                self._at += 1
                continue
            kind, end = self._next(at)
            self._at = end
            yield Token(kind, source[at:end], at, spaced)
            spaced = False
        if self._parens:
            raise error_at(source, self._at, "unclosed left paren")
        yield Token(Kind.CLOSE, "}}", self._at, spaced)

    def _next(self, at: int) -> tuple[Kind, int]:
        source = self._source
        char, following = source[at], source[at + 1 : at + 2]
        if char in _SINGLE:
            return _SINGLE[char], at + 1
        if char == ":":
            if following != "=":
                raise error_at(source, at, "expected :=")
            return Kind.DECLARE, at + 2
        if char in _QUOTED:
            found = _QUOTED[char].match(source, at)
            if found is None:
                raise error_at(source, at, f"unterminated {_QUOTED_NAME[char]}")
            return _QUOTED_KIND[char], found.end()
        if char == "$":
            return Kind.VARIABLE, self._word(at + 1)
        if char == "." and following not in tuple("0123456789"):
            end = self._word(at + 1)
            return (Kind.DOT if end == at + 1 else Kind.FIELD), end
        if char in "+-.0123456789":
            return Kind.NUMBER, self._number(at)
        if _is_word(char):
            end = self._word(at)
            return _WORDS.get(source[at:end], Kind.IDENTIFIER), end
        if char in "()":
            self._parens += 1 if char == "(" else -1
            if self._parens < 0:
                raise error_at(source, at, "unexpected right paren")
            return (Kind.LEFT_PAREN if char == "(" else Kind.RIGHT_PAREN), at + 1
        if char.isascii() and char.isprintable():
            return Kind.OTHER, at + 1
        raise error_at(source, at, f"unrecognized character in action: U+{ord(char):04X}")

    def _word(self, at: int) -> int:
        """The end of a word, checked: something that separates it must follow."""
        found = _WORD.match(self._source, at)
        end = found.end() if found else at
        following = self._source[end : end + 1]
        if following and following not in _TERMINATORS and not self._closes(end):
            raise error_at(self._source, end, f"bad character U+{ord(following):04X} {following!r}")
        return end

    def _number(self, at: int) -> int:
        source = self._source
        found = _NUMBER.match(source, at)
        end = found.end() if found else at
        if source[end : end + 1] in ("+", "-"):  # a complex number: real part, then imaginary
            second = _NUMBER.match(source, end)
            if second and second[0].endswith("i"):
                end = second.end()
        if _is_word(source[end : end + 1]) or end == at:
            raise error_at(source, at, f"bad number syntax: {source[at : end + 1]!r}")
        return end


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum()
