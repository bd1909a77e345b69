"""What makes a grammar unfit, found before an engine sees it.

An engine looks for left recursion by visiting every path of leftmost rules, one by one, and knows of rules
that may be empty only in part: a rule that it misses makes it run until memory ends, a few dozen rules that
share each other keep it busy for hours, and a rule that is not there, or a root that never ends, is found
out late or never. All of that is decided here, exactly and in a time that is linear in the size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paddock.errors import BadGrammar
from paddock.prompts.grammar.ambiguity import is_too_ambiguous
from paddock.prompts.grammar.gbnf import (
    NEVER,
    ROOT,
    Chars,
    Either,
    Part,
    Ref,
    Repeat,
    Seq,
    Text,
    either,
    nullable,
    refs,
    repeat,
    seq,
)

#: Visits of rules that an engine may need before it begins; a visit is well under a microsecond.
_MOST_VISITS = 1_000_000
#: Characters of a grammar as it is sent to an engine.
LONGEST = 400_000


def pruned(rules: Mapping[str, Part]) -> dict[str, Part]:
    """The rules that the root needs, without what can never end."""
    productive = _fixpoint(rules, _ends)
    left = {name: _without_dead(part, productive) for name, part in rules.items()}
    return reachable(left)


def reachable(rules: Mapping[str, Part]) -> dict[str, Part]:
    """The rules that the root needs, in order."""
    needed, todo = {ROOT}, [ROOT]
    while todo:
        new = {*refs(rules[todo.pop()])} - needed
        needed |= new
        todo += new
    return {name: part for name, part in rules.items() if name in needed}


def require_fit(rules: Mapping[str, Part]) -> None:
    """Raises BadGrammar for a root that is missing or never ends, rules that are not there, left recursion,
    and rules that an engine would take too long over."""
    if ROOT not in rules:
        raise BadGrammar('there is no rule "root"')
    for name, part in rules.items():
        for other in refs(part):
            if other not in rules:
                raise BadGrammar(f'rule "{name}" speaks of "{other}", which is not there')
    if ROOT not in _fixpoint(rules, _ends):
        raise BadGrammar('what "root" describes never ends')
    _require_visitable(rules)
    if is_too_ambiguous(rules):
        raise BadGrammar(
            "it leaves too many ways open at once, which an engine would have to follow side by side"
        )


def _fixpoint(rules: Mapping[str, Part], test: object) -> set[str]:
    """The names for which `test` is true once it is true of what they need."""
    assert callable(test)
    users: dict[str, list[str]] = {}
    for name, part in rules.items():
        for other in set(refs(part)):
            users.setdefault(other, []).append(name)
    found: set[str] = set()
    todo = list(rules)
    while todo:
        name = todo.pop()
        if name not in found and test(rules[name], found):
            found.add(name)
            todo += users.get(name, ())
    return found


def _ends(part: Part, known: set[str]) -> bool:
    """Whether a part has a text that ends, if the known rules have."""
    match part:
        case Ref(name):
            return name in known
        case Seq(parts):
            return all(_ends(each, known) for each in parts)
        case Either(options):
            return any(_ends(each, known) for each in options)
        case Repeat(inner, least):
            return least == 0 or _ends(inner, known)
        case Text() | Chars():
            return True


def _without_dead(part: Part, productive: set[str]) -> Part:
    match part:
        case Ref(name):
            return part if name in productive else NEVER
        case Seq(parts):
            return seq(*(_without_dead(each, productive) for each in parts))
        case Either(options):
            return either(*(_without_dead(each, productive) for each in options))
        case Repeat(inner, least, most):
            return repeat(_without_dead(inner, productive), least, most)
        case Text() | Chars():
            return part


# ── left recursion ────────────────────────────────────────────────────────────────────────────────


def _require_visitable(rules: Mapping[str, Part]) -> None:
    """Depth first over leftmost rules, counting the visits of an engine that remembers nothing."""
    empty = _fixpoint(rules, nullable)
    visits: dict[str, int] = {}
    total = 0
    for start in rules:
        path: dict[str, None] = {}
        todo = [(start, False)]
        while todo:
            name, left = todo.pop()
            leading = tuple(_leading(rules[name], empty))
            if left:
                path.pop(name)
                visits[name] = 1 + sum(times * visits[other] for other, times in leading)
                total += visits[name]
                if total > _MOST_VISITS:
                    raise BadGrammar(f'the rules below "{name}" share each other too often for an engine')
            elif name in path:
                raise BadGrammar(
                    f'rule "{name}" begins with itself (left recursion), which an engine cannot follow'
                )
            elif name not in visits:
                path[name] = None
                todo.append((name, True))
                todo += ((other, False) for other, _ in leading)


def _leading(part: Part, empty: set[str]) -> Iterator[tuple[str, int]]:
    """The rules that a part may begin with, and how often an engine comes by each."""
    match part:
        case Ref(name):
            yield name, 1
        case Seq(parts):
            for each in parts:
                yield from _leading(each, empty)
                if not nullable(each, empty):
                    return
        case Either(options):
            for each in options:
                yield from _leading(each, empty)
        case Repeat(inner, least, most):
            again = 1
            if nullable(inner, empty):
                if most is None:
                    raise BadGrammar("something that may be empty is repeated without end")
                again = max(most, least)
            yield from ((name, times * again) for name, times in _leading(inner, empty))
        case Text() | Chars():
            return
