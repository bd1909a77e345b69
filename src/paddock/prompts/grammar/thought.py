"""A thought before the answer: one grammar for both, so that one pass writes them.

The other way, to let the model write freely until its closing tag and only then hold it to the grammar,
leaves a model that never closes its thought, or answers at once, unconstrained. Here it cannot end before
it has closed the thought and given the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paddock.prompts.grammar.gbnf import (
    ALL_CHARS,
    EMPTY,
    ROOT,
    Either,
    Grammar,
    Part,
    Ref,
    Repeat,
    Seq,
    Text,
    chars,
    either,
    optional,
    repeat,
    seq,
    without,
)

#: What models put around a thought and its tags; more would be room to get lost in.
_SPACE = repeat(chars((ord(char), ord(char)) for char in " \t\r\n"), 0, 4)
_WRITABLE = without(ALL_CHARS, ((0, 0),))


@dataclass(frozen=True, slots=True)
class Thought:
    """What stands around a thought, and what a model writes `between` it and the answer, whose own `head`
    comes even where there was no thought."""

    opening: str
    closing: str
    between: str = ""
    head: str = ""


def after_thought(grammar: Grammar, around: Thought, *, opened: bool) -> Grammar:
    """`grammar` behind a thought. `opened` says that the prompt ended with its opening; otherwise the model
    may think first, or answer at once."""
    answer = _free_name("answer", grammar.rules)
    thought = _free_name("thought", grammar.rules)
    renamed = {
        answer if name == ROOT else name: _renamed(part, answer) for name, part in grammar.rules.items()
    }
    behind = seq(Ref(f"{thought}-0"), _SPACE, Text(around.between))
    first = behind if opened else optional(seq(_SPACE, Text(around.opening), behind))
    root = seq(first, Text(around.head), Ref(answer))
    return Grammar({ROOT: root, **_until(around.closing, thought), **renamed})


def _until(mark: str, name: str) -> dict[str, Part]:
    """Any text up to the first `mark`, as rules: one for each beginning of the mark that has just been
    written (the automaton of Knuth, Morris and Pratt)."""
    rules: dict[str, Part] = {}
    for written in range(len(mark)):
        options: list[Part] = []
        known = dict.fromkeys(mark)
        for char in known:
            seen = mark[:written] + char
            left = next(size for size in range(len(seen), -1, -1) if seen.endswith(mark[:size]))
            options.append(seq(Text(char), EMPTY if left == len(mark) else Ref(f"{name}-{left}")))
        others = without(_WRITABLE, ((ord(char), ord(char)) for char in known))
        rules[f"{name}-{written}"] = either(*options, seq(chars(others), Ref(f"{name}-0")))
    return rules


def _free_name(wanted: str, rules: Mapping[str, Part]) -> str:
    number, name = 1, wanted
    while any(taken == name or taken.startswith(f"{name}-") for taken in rules):
        number += 1
        name = f"{wanted}{number}"
    return name


def _renamed(part: Part, root: str) -> Part:
    """The same part, speaking of `root` where it spoke of the root."""
    match part:
        case Ref(name):
            return Ref(root) if name == ROOT else part
        case Seq(parts):
            return Seq(tuple(_renamed(each, root) for each in parts))
        case Either(options):
            return Either(tuple(_renamed(each, root) for each in options))
        case Repeat(inner, least, most):
            return Repeat(_renamed(inner, root), least, most)
        case _:
            return part
