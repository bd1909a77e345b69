"""How JSON is spelt here: what stands between values, constants, and strings under patterns and lengths.

Everything is on one line, with one space or none behind a comma and a colon. Models were trained on both
forms and lose their thread when held to the other one; more room than that is room to drown in, and some
models, once they may write white space, write nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from paddock.prompts.grammar import automata
from paddock.prompts.grammar.automata import Machine, TooManyStates
from paddock.prompts.grammar.gbnf import (
    NEVER,
    Chars,
    Either,
    Part,
    Range,
    Ref,
    Repeat,
    Seq,
    Text,
    chars,
    common,
    either,
    one_of,
    optional,
    repeat,
    seq,
    without,
)

#: Characters that stand for themselves between quotes.
PLAIN: tuple[Range, ...] = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0xD7FF), (0xE000, 0x10FFFF))
_HEX: tuple[Range, ...] = ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))
QUOTE = Text('"')

GAP = Ref("gap")
COMMA = seq(Text(","), GAP)
COLON = seq(Text(":"), GAP)

#: Rules that every grammar may use: what may be between values, one character of a string, a whole string.
#: Escapes by number name no halves of surrogate pairs: one alone would be no character.
SHARED_RULES: dict[str, Part] = {
    "gap": optional(Text(" ")),
    "char": either(
        chars(PLAIN),
        seq(
            Text("\\"),
            either(
                chars((ord(c), ord(c)) for c in '"\\/bfnrt'),
                seq(
                    Text("u"),
                    either(
                        seq(chars(((0x30, 0x39), (0x41, 0x43), (0x45, 0x46), (0x61, 0x63), (0x65, 0x66))),
                            repeat(chars(_HEX), 3, 3)),
                        seq(chars(((0x44, 0x44), (0x64, 0x64))), chars(((0x30, 0x37),)),
                            repeat(chars(_HEX), 2, 2)),
                    ),
                ),
            ),
        ),
    ),
    "string": seq(QUOTE, repeat(Ref("char"), 0, None), QUOTE),
}  # fmt: skip


def quoted(text: str) -> str:
    """A string as JSON, in the one way we write it."""
    return json.dumps(text, ensure_ascii=False)


def spelt(ranges: Iterable[Range]) -> Part:
    """Raw characters as they are written: by themselves, or as the one escape that `quoted` uses."""
    ranges = tuple(ranges)
    codes = [code for code in (*range(0x20), 0x22, 0x5C) if any(low <= code <= high for low, high in ranges)]
    marks = [quoted(chr(code))[1:-1] for code in codes]
    short = [(ord(mark[1]), ord(mark[1])) for mark in marks if len(mark) == 2]
    by_number: dict[str, list[Range]] = {}
    for mark in marks:
        if len(mark) > 2:
            by_number.setdefault(mark[1:5], []).append((ord(mark[5]), ord(mark[5])))
    numbered = (seq(Text(begun), chars(last)) for begun, last in by_number.items())
    escapes = either(chars(short), *numbered)
    return either(chars(common(ranges, PLAIN)), seq(Text("\\"), escapes))


def constant(value: Any) -> Part:
    """One value."""
    match value:
        case list():
            found = [part for each in value for part in (COMMA, constant(each))]
            return seq(Text("["), *found[1:], Text("]"))
        case dict():
            found = [
                part
                for name, each in value.items()
                for part in (COMMA, seq(Text(quoted(name)), COLON, constant(each)))
            ]
            return seq(Text("{"), *found[1:], Text("}"))
    return Text(json.dumps(value, ensure_ascii=False))


def constants(values: Iterable[Any]) -> Part:
    """One of these values."""
    parts = [constant(value) for value in values]
    texts = [part.text for part in parts if isinstance(part, Text)]
    return either(
        *((one_of(texts),) if texts else ()), *(part for part in parts if not isinstance(part, Text))
    )


_EVERY = chars(((0, 0xD7FF), (0xE000, 0x10FFFF)))


def of_length(least: int, most: int | None) -> Part:
    """A string of so many characters."""
    if (least, most) == (0, None):
        return Ref("string")
    return seq(QUOTE, repeat(Ref("char"), least, most), QUOTE)


def of_expressions(
    expressions: tuple[Part, ...],
    excluded: tuple[Part, ...],
    length: tuple[int, int | None],
    name: str,
    machine: Callable[[Part], Machine],
) -> tuple[Part, dict[str, Part]]:
    """A string that satisfies every expression and none of the excluded ones, with the rules it needs, which
    begin with `name`. `machine` makes automata. Raises TooManyStates."""
    least, most = length
    if len(expressions) == 1 and not excluded:
        shortest, longest = _lengths(expressions[0])
        fits = most is None or (longest is not None and longest <= most)
        if shortest >= least and fits:
            return seq(QUOTE, _escaped(expressions[0]), QUOTE), {}
    found = automata.product([*map(machine, expressions)], [*map(machine, excluded)], least, most)
    if found is None:
        return NEVER, {}
    classes: dict[Part, str] = {}

    def shared(ranges: tuple[Range, ...]) -> Part:
        """Characters, by a rule of their own where they take long to say: many states speak of the same."""
        part = spelt(ranges)
        return Ref(classes.setdefault(part, f"{name}-c{len(classes)}")) if isinstance(part, Either) else part

    part, rules = found.rules(name, shared)
    return seq(QUOTE, part, QUOTE), {**rules, **{each: written for written, each in classes.items()}}


def _lengths(part: Part) -> tuple[int, int | None]:
    """The fewest and the most characters of an expression."""
    match part:
        case Text(text):
            return len(text), len(text)
        case Chars():
            return 1, 1
        case Seq(parts):
            found = [_lengths(each) for each in parts]
            ends = [most for _, most in found if most is not None]
            return sum(least for least, _ in found), sum(ends) if len(ends) == len(found) else None
        case Either(options):
            found = [_lengths(each) for each in options]
            ends = [most for _, most in found if most is not None]
            longest = max(ends, default=0) if len(ends) == len(found) else None
            return min((least for least, _ in found), default=0), longest
        case Repeat(inner, least, most):
            low, high = _lengths(inner)
            return low * least, None if high is None or most is None else high * most
        case Ref():
            raise TooManyStates


def _escaped(part: Part) -> Part:
    """An expression of raw characters as it is written between quotes."""
    match part:
        case Text(text):
            return Text(quoted(text)[1:-1])
        case Chars() if part == _EVERY:
            return Ref("char")
        case Chars(ranges):
            return spelt(ranges)
        case Seq(parts):
            return seq(*map(_escaped, parts))
        case Either(options):
            return either(*map(_escaped, options))
        case Repeat(inner, least, most):
            return repeat(_escaped(inner), least, most)
        case Ref():
            return part


#: Names are told apart by so many characters. What begins like a longer one is then not written at all.
_TOLD_APART = 40


def other_than(names: Iterable[str]) -> Part:
    """Any string but these. It holds no escapes, so that no other spelling of a name slips through."""
    plain = [name for name in names if quoted(name)[1:-1] == name]
    return seq(QUOTE, _other(frozenset(plain), 0))


def _other(names: frozenset[str], depth: int) -> Part:
    """The rest of a string that must not become one of `names`, and its closing quote."""
    if not names:
        return seq(repeat(chars(PLAIN), 0, None), QUOTE)
    by_first: dict[str, set[str]] = {}
    for name in names - {""}:
        by_first.setdefault(name[0], set()).add(name[1:])
    options: list[Part] = [] if "" in names else [QUOTE]
    for first, rest in by_first.items():
        if depth < _TOLD_APART:
            options.append(seq(Text(first), _other(frozenset(rest), depth + 1)))
    free = without(PLAIN, ((ord(first), ord(first)) for first in by_first))
    options.append(seq(chars(free), repeat(chars(PLAIN), 0, None), QUOTE))
    return either(*options)
