"""Grammars as values, and how they are written as GBNF, the notation of llama.cpp.

Both engines read the same text through the same code of llama.cpp, so what is avoided here is avoided once:

- A bound above 2,000 repetitions is silently read as "without end" there, and bounds inside bounds are
  multiplied and refused. So a repetition is only written of something that is one symbol, and a large one
  is made of blocks: `x{0,5000}` becomes some blocks of 64, and a rest below 64.
- A literal that is empty cannot be repeated. Repeating nothing is nothing here.
- Escapes are those that every release reads.

Source of the notation: `grammars/README.md` and `src/llama-grammar.cpp` of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

#: First and last code point, both inclusive.
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of ranges that rise and do not touch."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """What the rule of this name says."""

    name: str


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these. Without any it is what can never be written."""

    options: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`part` at least `least` times and at most `most`; None is without end."""

    part: Part
    least: int
    most: int | None


Part = Text | Chars | Ref | Seq | Either | Repeat

EMPTY = Text("")
NEVER = Either(())

#: The rule where every grammar begins.
ROOT = "root"
#: Characters of Unicode; the halves of surrogate pairs are none.
ALL_CHARS: tuple[Range, ...] = ((0, 0xD7FF), (0xE000, 0x10FFFF))
#: How many repetitions are written in one piece.
BLOCK = 64


@dataclass(frozen=True, slots=True)
class Grammar:
    """Rules by name; `root` is one of them. `text` is the GBNF."""

    rules: Mapping[str, Part]

    @property
    def text(self) -> str:
        """As GBNF, the root first."""
        return "\n".join(_Writing(self.rules).lines()) + "\n"


# ── making parts ──────────────────────────────────────────────────────────────────────────────────


def seq(*parts: Part) -> Part:
    """One after the other, without needless layers."""
    flat: list[Part] = []
    for part in parts:
        for each in part.parts if isinstance(part, Seq) else (part,):
            if each == NEVER:
                return NEVER
            if isinstance(each, Text) and flat and isinstance(flat[-1], Text):
                flat[-1] = Text(flat[-1].text + each.text)
            elif each != EMPTY:
                flat.append(each)
    if not flat:
        return EMPTY
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def either(*options: Part) -> Part:
    """One of these, each named once."""
    flat: dict[Part, None] = {}
    for option in options:
        flat.update(dict.fromkeys(option.options if isinstance(option, Either) else (option,)))
    return next(iter(flat)) if len(flat) == 1 else Either(tuple(flat))


def repeat(part: Part, least: int, most: int | None) -> Part:
    """`part` again and again."""
    if part == EMPTY or most == 0 or (most is not None and most < least):
        return EMPTY if most is None or most >= least else NEVER
    if part == NEVER:
        return NEVER if least else EMPTY
    return part if least == most == 1 else Repeat(part, least, most)


def optional(part: Part) -> Part:
    """`part`, or nothing."""
    return repeat(part, 0, 1)


def chars(ranges: Iterable[Range]) -> Part:
    """One character out of ranges in any order."""
    merged: list[Range] = []
    for low, high in sorted(each for each in ranges if each[0] <= each[1]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    if len(merged) == 1 and merged[0][0] == merged[0][1]:
        return Text(chr(merged[0][0]))
    return Chars(tuple(merged)) if merged else NEVER


def common(left: Iterable[Range], right: Iterable[Range]) -> tuple[Range, ...]:
    """The characters that both have."""
    right = tuple(right)
    both = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple(each for each in both if each[0] <= each[1])


def without(ranges: Iterable[Range], gone: Iterable[Range]) -> tuple[Range, ...]:
    """The characters of `ranges` that are not in `gone`."""
    left = tuple(ranges)
    for low, high in gone:
        left = tuple(
            piece
            for first, last in left
            for piece in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if piece[0] <= piece[1]
        )
    return left


def one_of(texts: Iterable[str]) -> Part:
    """One of these texts. Many are written as a tree, so that an engine follows few of them at a time."""
    texts = tuple(dict.fromkeys(texts))
    if len(texts) <= _FEW:
        return either(*map(Text, texts))
    return _tree(texts, 0)


_DEEPEST_TREE = 40
#: So many alternatives are readable, and cheap for an engine to follow side by side.
_FEW = 16


def _tree(texts: tuple[str, ...], depth: int) -> Part:
    if depth > _DEEPEST_TREE:
        return either(*map(Text, texts))
    shared = 0
    shortest = min(map(len, texts))
    while shared < shortest and len({text[shared] for text in texts}) == 1:
        shared += 1
    begun, rest = texts[0][:shared], [text[shared:] for text in texts]
    by_first: dict[str, list[str]] = {}
    for text in rest:
        by_first.setdefault(text[:1], []).append(text)
    if len(by_first) == 1:
        return Text(texts[0])
    return seq(Text(begun), either(*(_tree(tuple(group), depth + 1) for group in by_first.values())))


def nullable(part: Part, empty: Container[str] = ()) -> bool:
    """Whether a part may be nothing at all; `empty` are the rules that may."""
    match part:
        case Text(text):
            return not text
        case Chars():
            return False
        case Ref(name):
            return name in empty
        case Seq(parts):
            return all(nullable(each, empty) for each in parts)
        case Either(options):
            return any(nullable(each, empty) for each in options)
        case Repeat(inner, least):
            return least == 0 or nullable(inner, empty)


def refs(part: Part) -> Iterator[str]:
    """The rules that a part speaks of."""
    todo = [part]
    while todo:
        match todo.pop():
            case Ref(name):
                yield name
            case Seq(parts) | Either(parts):
                todo += parts
            case Repeat(inner):
                todo.append(inner)
            case _:
                pass


# ── writing ───────────────────────────────────────────────────────────────────────────────────────


class _Writing:
    """The lines of one grammar; repeated groups get rules of their own as they are met."""

    def __init__(self, rules: Mapping[str, Part]) -> None:
        self._rules = rules
        self._taken = set(rules)
        self._added: dict[Part, str] = {}
        self._todo: list[tuple[str, Part]] = []

    def lines(self) -> Iterator[str]:
        rest = [name for name in self._rules if name != ROOT]
        for name in (ROOT, *rest):
            self._todo = [(name, self._rules[name])]
            while self._todo:
                name, part = self._todo.pop(0)
                yield f"{name} ::= {self._options(part, name)}"

    def _options(self, part: Part, rule: str) -> str:
        if isinstance(part, Either):
            return " | ".join(self._sequence(each, rule) for each in part.options)
        return self._sequence(part, rule)

    def _sequence(self, part: Part, rule: str) -> str:
        if isinstance(part, Seq):
            return " ".join(self._atom(each, rule) for each in part.parts)
        return self._atom(part, rule)

    def _atom(self, part: Part, rule: str) -> str:
        match part:
            case Text(text):
                return f'"{"".join(map(_in_text, text))}"'
            case Chars(ranges):
                return f"[{''.join(map(_in_class, ranges))}]"
            case Ref(name):
                return name
            case Repeat():
                return self._repetition(part, rule)
            case _:
                return f"({self._options(part, rule)})"

    def _repetition(self, part: Repeat, rule: str) -> str:
        least, most = part.least, part.most
        if (least, most) == (0, 1):
            return self._atom(part.part, rule) + "?"
        symbol = self._symbol(part.part, rule)
        match least, most:
            case 0, None:
                return symbol + "*"
            case 1, None:
                return symbol + "+"
            case _ if max(least, most or 0) <= BLOCK:
                bounds = f"{least}," if most is None else f"{least}" if least == most else f"{least},{most}"
                return f"{symbol}{{{bounds}}}"
        return f"({self._options(_in_blocks(Ref(symbol), least, most), rule)})"

    def _symbol(self, part: Part, rule: str) -> str:
        """Something that counts as one symbol when it is repeated."""
        if isinstance(part, Ref):
            return part.name
        if isinstance(part, Chars):
            name = self._atom(part, rule)
            return name if len(name) <= BLOCK else self._rule(part, rule)
        return self._rule(part, rule)

    def _rule(self, part: Part, rule: str) -> str:
        if part not in self._added:
            base, number = rule.rstrip("0123456789").removesuffix("-") or rule, 1
            while (name := f"{base}-{number}") in self._taken:
                number += 1
            self._taken.add(name)
            self._added[part] = name
            self._todo.append((name, part))
        return self._added[part]


def _in_blocks(part: Part, least: int, most: int | None) -> Part:
    """The same repetition with no bound above BLOCK, its levels nested through rules."""
    fixed = _exactly(part, least)
    if most is None:
        return seq(fixed, repeat(part, 0, None))
    return seq(fixed, _up_to(part, most - least))


def _exactly(part: Part, count: int) -> Part:
    blocks, rest = divmod(count, BLOCK)
    many = _exactly(repeat(part, BLOCK, BLOCK), blocks) if blocks else EMPTY
    return seq(many, repeat(part, rest, rest))


def _up_to(part: Part, count: int) -> Part:
    """0 to `count`: fewer than all the whole blocks and anything below a block, or all of them and a rest."""
    blocks, rest = divmod(count, BLOCK)
    if not blocks:
        return repeat(part, 0, count)
    block = repeat(part, BLOCK, BLOCK)
    fewer = seq(_up_to(block, blocks - 1), repeat(part, 0, BLOCK - 1))
    return either(fewer, seq(_exactly(block, blocks), repeat(part, 0, rest)))


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def _in_text(char: str) -> str:
    return _ESCAPES.get(char) or (char if char.isprintable() else _by_number(ord(char)))


def _in_class(span: Range) -> str:
    low, high = span
    return _class_char(low) if low == high else f"{_class_char(low)}-{_class_char(high)}"


def _class_char(code: int) -> str:
    char = chr(code)
    if char.isascii() and (char.isalnum() or char in " !#$%&'()*+,./:;<=>?@_`{|}~"):
        return char
    return _by_number(code)


def _by_number(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
