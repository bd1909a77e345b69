"""What a grammar allows, without an engine: texts drawn from it, and whether a text is one of its own.

Both work on rules read back from the GBNF text, so what is examined is what an engine gets.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from paddock.prompts.grammar.checks import require_fit
from paddock.prompts.grammar.gbnf import Chars, Either, Grammar, Part, Ref, Repeat, Seq, Text
from paddock.prompts.grammar.reading import _Reader

#: Beyond so many characters a drawing takes the shortest way to an end.
LONG = 400


def rules_of(text: str) -> Mapping[str, Part]:
    rules = _Reader(text).rules()
    require_fit(rules)
    return rules


class Drawing:
    """Draws texts of a grammar at random."""

    def __init__(self, grammar: Grammar, seed: int) -> None:
        self._rules = rules_of(grammar.text)
        self._random = random.Random(seed)
        self._depths = self._shortest()
        self._size = 0

    def draw(self) -> str:
        self._size = 0
        return self._drawn(self._rules["root"])

    def _drawn(self, part: Part) -> str:
        hurry = self._size > LONG
        match part:
            case Text(text):
                self._size += len(text)
                return text
            case Chars(ranges):
                self._size += 1
                low, high = self._random.choice(ranges)
                return chr(self._random.choice((low, high, self._random.randint(low, high))))
            case Ref(name):
                return self._drawn(self._rules[name])
            case Seq(parts):
                return "".join(map(self._drawn, parts))
            case Either(options):
                if hurry:
                    return self._drawn(min(options, key=lambda each: self._depth(each, self._depths)))
                return self._drawn(self._random.choice(options))
            case Repeat(inner, least, most):
                longest = least + 4 if most is None else most
                extremes = (
                    least,
                    min(longest, least + 3),
                    min(longest, 80),
                    self._random.randint(least, min(longest, least + 8)),
                )
                count = least if hurry else self._random.choice(extremes)
                return "".join(self._drawn(inner) for _ in range(max(count, least)))

    def _shortest(self) -> dict[str, float]:
        """How many rules deep the shallowest end of each rule is."""
        depths = dict.fromkeys(self._rules, float("inf"))
        changed = True
        while changed:
            changed = False
            for name, part in self._rules.items():
                depth = 1 + self._depth(part, depths)
                if depth < depths[name]:
                    depths[name], changed = depth, True
        return depths

    def _depth(self, part: Part, depths: Mapping[str, float]) -> float:
        match part:
            case Ref(name):
                return depths[name]
            case Seq(parts):
                return max((self._depth(each, depths) for each in parts), default=0)
            case Either(options):
                return min((self._depth(each, depths) for each in options), default=float("inf"))
            case Repeat(inner, least, _):
                return self._depth(inner, depths) if least else 0
            case _:
                return 0


class Recognition:
    """Follows a text through a grammar with sets of stacks, as an engine does."""

    def __init__(self, grammar: Grammar) -> None:
        self._rules = rules_of(grammar.text)

    def accepts(self, text: str) -> bool:
        stacks = self._ready({(self._rules["root"],)})
        for char in text:
            stacks = self._ready({after for stack in stacks for after in self._after(stack, char)})
            if not stacks:
                return False
        return () in stacks

    @staticmethod
    def _after(stack: tuple[Part, ...], char: str) -> list[tuple[Part, ...]]:
        match stack:
            case (*below, Text(text)) if text.startswith(char):
                return [(*below, Text(text[1:]))]
            case (*below, Chars(ranges)) if any(low <= ord(char) <= high for low, high in ranges):
                return [tuple(below)]
        return []

    def _ready(self, stacks: set[tuple[Part, ...]]) -> set[tuple[Part, ...]]:
        """The stacks with a character on top, or empty, that these come to."""
        seen: set[tuple[Part, ...]] = set()
        ready = set()
        todo = list(stacks)
        while todo:
            stack = todo.pop()
            if stack in seen:
                continue
            seen.add(stack)
            match stack:
                case (*below, Text("")):
                    todo.append(tuple(below))
                case () | (*_, Text() | Chars()):
                    ready.add(stack)
                case (*below, Ref(name)):
                    todo.append((*below, self._rules[name]))
                case (*below, Seq(parts)):
                    todo.append((*below, *reversed(parts)))
                case (*below, Either(options)):
                    todo += [(*below, option) for option in options]
                case (*below, Repeat(inner, least, most)):
                    if least == 0:
                        todo.append(tuple(below))
                    rest = Repeat(inner, max(least - 1, 0), None if most is None else most - 1)
                    if most != 0:
                        todo.append((*below, rest, inner))
        return ready


def bounds(part: Part) -> list[int]:
    """Every bound of a repetition in a part."""
    match part:
        case Repeat(inner, least, most):
            return [least, most or 0, *bounds(inner)]
        case Seq(parts) | Either(parts):
            return [bound for each in parts for bound in bounds(each)]
    return [0]


def lengths(part: Part, rules: Mapping[str, Part], far: int) -> set[int]:
    """How many characters a part may have, up to `far`."""
    match part:
        case Text(text):
            return {len(text)}
        case Chars():
            return {1}
        case Ref(name):
            return lengths(rules[name], rules, far)
        case Either(options):
            return {size for each in options for size in lengths(each, rules, far)}
        case Seq(parts):
            sums = {0}
            for each in parts:
                sums = {a + b for a in sums for b in lengths(each, rules, far) if a + b <= far}
            return sums
        case Repeat(inner, least, most):
            once, sums, found = lengths(inner, rules, far), {0}, set()
            for count in range((far if most is None else most) + 1):
                found |= sums if count >= least else set()
                sums = {a + b for a in sums for b in once if a + b <= far}
            return found
