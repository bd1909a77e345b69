"""Grammars that leave an engine too many ways open at once.

An engine follows every way in which a grammar can go on, side by side. Two rules that begin alike and contain
each other double the ways at every step, and after twenty steps the engine stands still, for everybody who
uses it. Whether a grammar can do that is undecidable; so it is walked here the way an engine does, always on
with the character that most ways allow, and refused if too many are open.
"""

from __future__ import annotations

from collections.abc import Mapping

from paddock.prompts.grammar.gbnf import ROOT, Chars, Either, Part, Ref, Repeat, Seq, Text

#: With so many ways an engine takes a fraction of a second for a token.
_MOST_WAYS = 8_000
_STEPS = 80
#: Characters tried at each step.
_TRIED = 24


def most_ways(rules: Mapping[str, Part]) -> int:
    """How many ways are open at once on such a walk; just above the most that are allowed where it ended
    early."""
    walk = _Walk(rules)
    ways = walk.ready({walk.pushed(rules[ROOT], 0, 0)})
    most = len(ways)
    for _ in range(_STEPS):
        char = walk.favourite(ways)
        if char is None or most > _MOST_WAYS:
            break
        ways = walk.after(ways, char)
        most = max(most, len(ways))
    return most


def is_too_ambiguous(rules: Mapping[str, Part]) -> bool:
    """Whether an engine would be kept busy by the ways that are open at once."""
    return most_ways(rules) > _MOST_WAYS


class _Walk:
    """Ways as stacks that share what is below: a stack is the number of a part, how far it has come, and the
    stack below it. Number 0 is the empty one."""

    def __init__(self, rules: Mapping[str, Part]) -> None:
        self._rules = rules
        self._stacks: list[tuple[Part, int, int]] = [(Text(""), 0, 0)]
        self._numbers: dict[tuple[int, int, int], int] = {}

    def pushed(self, part: Part, come: int, below: int) -> int:
        """The number of a stack; the same for the same stack. Parts are told apart by where they stand."""
        key = (id(part), come, below)
        if key not in self._numbers:
            self._numbers[key] = len(self._stacks)
            self._stacks.append((part, come, below))
        return self._numbers[key]

    def ready(self, stacks: set[int]) -> set[int]:
        """The stacks with a character on top, or empty, that these come to."""
        seen: set[int] = set()
        found: set[int] = set()
        todo = list(stacks)
        while todo and len(found) <= _MOST_WAYS:
            number = todo.pop()
            if number in seen:
                continue
            seen.add(number)
            part, come, below = self._stacks[number]
            match part:
                case Text(text) if number and come == len(text):
                    todo.append(below)
                case Text() | Chars():
                    found.add(number)
                case Ref(name):
                    todo.append(self.pushed(self._rules[name], 0, below))
                case Seq(parts):
                    rest = below if come + 1 == len(parts) else self.pushed(part, come + 1, below)
                    todo.append(self.pushed(parts[come], 0, rest))
                case Either(options):
                    todo += (self.pushed(option, 0, below) for option in options)
                case Repeat(inner, least, most):
                    if come >= least:
                        todo.append(below)
                    if most is None or come < most:
                        counted = min(come + 1, least) if most is None else come + 1
                        todo.append(self.pushed(inner, 0, self.pushed(part, counted, below)))
        return found

    def favourite(self, ways: set[int]) -> str | None:
        """The character that most ways allow; None where all are at their end."""
        tried: dict[str, int] = {}
        for number in ways:
            part, come, _ = self._stacks[number]
            match part:
                case Text(text) if number:
                    tried[text[come]] = tried.get(text[come], 0) + 1
                case Chars(ranges):
                    for low, _ in ranges[:3]:
                        tried[chr(low)] = tried.get(chr(low), 0) + 1
        likely = sorted(tried, key=lambda char: -tried[char])[:_TRIED]
        return max(likely, key=lambda char: sum(self._allows(number, char) for number in ways), default=None)

    def after(self, ways: set[int], char: str) -> set[int]:
        """The ways that are open behind a character."""
        found: set[int] = set()
        for number in ways:
            if self._allows(number, char):
                part, come, below = self._stacks[number]
                found.add(self.pushed(part, come + 1, below) if isinstance(part, Text) else below)
        return self.ready(found)

    def _allows(self, number: int, char: str) -> bool:
        part, come, _ = self._stacks[number]
        match part:
            case Text(text):
                return number > 0 and text[come] == char
            case Chars(ranges):
                return any(low <= ord(char) <= high for low, high in ranges)
        return False
