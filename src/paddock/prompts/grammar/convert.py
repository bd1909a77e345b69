"""From a JSON schema to a grammar of the JSON texts that satisfy it.

The texts are on one line (see `strings`), and members come in the order of the schema, because a grammar of
every order would be too large, and the order is what the schema's author wrote them in.

Every kind of value becomes a part; objects, arrays and whatever they refer to become rules, made one after
the other from a list, so that a schema may be deep or recursive. Members that nobody asked for are written
only where the schema asks for such (`additionalProperties`) or names no members at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from paddock.errors import BadGrammar, BadSchema
from paddock.prompts.grammar import numbers, objects, strings
from paddock.prompts.grammar.automata import TooManyStates
from paddock.prompts.grammar.checks import LONGEST, pruned, require_fit
from paddock.prompts.grammar.facts import Facts, Node, same
from paddock.prompts.grammar.gbnf import (
    EMPTY,
    NEVER,
    ROOT,
    Grammar,
    Part,
    Ref,
    Text,
    either,
    optional,
    repeat,
    seq,
)
from paddock.prompts.grammar.objects import Member
from paddock.prompts.grammar.schema import Document, Schema
from paddock.prompts.grammar.ways import Reader

#: Places of an array that have schemas of their own, rules, and alternatives of one value.
_MOST_PLACES = 500
_MOST_RULES = 20_000
_MOST_VALUES = 5_000


def of_schema(schema: Schema) -> Grammar:
    """The grammar of what satisfies a schema. Raises BadSchema where the schema is invalid, holds a keyword
    that a grammar cannot, is too large, or is satisfied by nothing."""
    try:
        return _Conversion(Document(schema)).grammar()
    except RecursionError:
        raise BadSchema("#", "", "it is nested too deeply") from None


def of_json() -> Grammar:
    """The grammar of any JSON object."""
    return of_schema({"type": "object"})


class _Conversion:
    """The rules of one schema while they are made."""

    def __init__(self, document: Document) -> None:
        self._reader = Reader(document)
        self._rules: dict[str, Part] = dict(strings.SHARED_RULES)
        self._parts: dict[Node, Part] = {}
        self._taken = {ROOT, "number", "integer", "boolean", *self._rules}
        self._todo: list[tuple[str, Node]] = []
        self._contradictions: list[str] = []

    def grammar(self) -> Grammar:
        """All of it."""
        root = self._reader.canonical(("#",))
        if self._is_composite(root):
            self._parts[root] = Ref(ROOT)
            self._todo.append((ROOT, root))
        else:
            self._rules[ROOT] = self._value(root)
        while self._todo:
            name, node = self._todo.pop(0)
            self._rules[name] = either(
                *(self._branch(facts, name, node) for facts in self._reader.ways(node))
            )
            self._require_few_rules(node[0] if node else "#")
        rules = pruned(self._rules)
        if rules[ROOT] == NEVER:
            where = self._contradictions[0] if self._contradictions else "#"
            raise BadSchema(where, "", "no finite value satisfies it")
        found = Grammar(rules)
        try:
            require_fit(rules)
        except BadGrammar:
            raise BadSchema("#", "", "its grammar would keep an engine busy for too long") from None
        if len(found.text) > LONGEST:
            raise BadSchema("#", "", f"its grammar is longer than {LONGEST} characters")
        return found

    def _require_few_rules(self, place: str) -> None:
        if len(self._rules) > _MOST_RULES:
            raise BadSchema(place, "", "the schema is too large for a grammar")

    # ── values ────────────────────────────────────────────────────────────────────────────────────

    def _value(self, node: Node) -> Part:
        """A value that satisfies a conjunction: a rule where it may be an object or an array."""
        node = self._reader.canonical(node)
        if node not in self._parts:
            self._parts[node] = self._new_value(node)
        return self._parts[node]

    def _new_value(self, node: Node) -> Part:
        ways = self._reader.ways(node)
        if not ways and node:
            self._contradictions.append(node[0])
        if self._is_composite(node):
            name = self._name(_hint(node))
            self._todo.append((name, node))
            return Ref(name)
        return either(*(self._way(facts, _hint(node)) for facts in ways))

    def _branch(self, facts: Facts, name: str, node: Node) -> Part:
        """One way to satisfy `node`: by a rule of its own where others may use it too."""
        way = self._reader.canonical(facts.way)
        if way != node and self._reader.ways(way) == (facts,) and self._is_composite(way):
            return self._value(way)
        return self._way(facts, name)

    def _is_composite(self, node: Node) -> bool:
        ways = self._reader.ways(node)
        return any(facts.values is None and {"object", "array"} & {*facts.written} for facts in ways)

    def _way(self, facts: Facts, name: str) -> Part:
        try:
            if facts.values is not None:
                found = self._constants(facts)
            else:
                found = either(*(self._kind(facts, kind, name) for kind in facts.written))
        except TooManyStates:
            raise BadSchema(facts.place, "pattern", "with the lengths or formats beside it, it is too large "
                            "for a grammar") from None  # fmt: skip
        except numbers.TooLong:
            raise BadSchema(facts.place, "minimum", "the bounds have too many digits") from None
        if found == NEVER:
            self._contradictions.append(facts.place)
        return found

    def _kind(self, facts: Facts, kind: str, name: str) -> Part:
        match kind:
            case "object":
                return self._object(facts, name)
            case "array":
                return self._array(facts, name)
            case "string":
                return self._string(facts, name)
            case "number":
                return self._shared("number", numbers.number(facts.bounds), facts)
            case "integer":
                return self._shared("integer", numbers.integer(facts.bounds), facts)
            case "boolean":
                return self._rule("boolean", either(Text("true"), Text("false")))
            case _:
                return Text("null")

    def _shared(self, name: str, part: Part, facts: Facts) -> Part:
        """Numbers without bounds are the same everywhere."""
        unbound = facts.bounds == numbers.Bounds()
        return self._rule(name, part) if unbound else part

    def _rule(self, name: str, part: Part) -> Part:
        self._rules.setdefault(name, part)
        return Ref(name)

    def _constants(self, facts: Facts) -> Part:
        """The values of `enum` and `const` that satisfy everything else too."""
        values = [value for value in (facts.values or {}).values() if self._reader.holds(facts, value)]
        if len(values) > _MOST_VALUES:
            raise BadSchema(
                facts.place, "enum", f"more than {_MOST_VALUES} values are too many for a grammar"
            )
        return strings.constants(values)

    def _string(self, facts: Facts, name: str) -> Part:
        least, most = facts.characters
        if most is not None and most < least:
            return NEVER
        if not facts.expressions:
            return strings.of_length(least, most)
        base = self._name(name)
        while any(taken.startswith(f"{base}-") for taken in self._taken):
            base = self._name(name)
        part, rules = strings.of_expressions(
            facts.expressions, facts.excluded, facts.characters, base, self._reader.machine
        )
        self._rules |= rules
        self._require_few_rules(facts.place)
        self._taken |= rules.keys()
        return part

    # ── objects ───────────────────────────────────────────────────────────────────────────────────

    def _object(self, facts: Facts, name: str) -> Part:
        members = [self._member(facts, each, each in facts.required) for each in facts.field_names()]
        rest = facts.other_fields()
        extra: Part = NEVER
        if rest is not None:
            finite = self._allowed_names(facts)
            if finite is not None:
                known = facts.field_names()
                members += [self._member(facts, each, False) for each in finite if each not in known]
            elif self._reader.ways(rest):
                extra = seq(self._other_name(facts), strings.COLON, self._value(rest))
                extra = self._own_rule(f"{name}-other", extra)
        fields = objects.Writing(lambda part: self._own_rule(f"{name}-rest", part))
        inner = fields.members(members, extra, facts.properties, facts.place)
        return seq(Text("{"), inner, Text("}"))

    def _member(self, facts: Facts, name: str, required: bool) -> Member:
        if facts.names and not self._reader.satisfies(facts.names, name):
            return Member(NEVER, required)
        return Member(
            seq(Text(strings.quoted(name)), strings.COLON, self._value(facts.field(name))), required
        )

    def _allowed_names(self, facts: Facts) -> list[str] | None:
        """Every name that `propertyNames` allows, where it lists them."""
        ways = self._reader.ways(facts.names)
        if not facts.names or any(each.values is None for each in ways):
            return None
        names = (
            name for each in ways for name in (each.values or {}).values() if self._reader.holds(each, name)
        )
        return list(dict.fromkeys(name for name in names if isinstance(name, str)))

    def _other_name(self, facts: Facts) -> Part:
        known = facts.field_names()
        if not facts.names and not known:
            return Ref("string")
        if not facts.names:
            if len(known) > 1000:
                raise BadSchema(facts.place, "additionalProperties", "too many names stand beside it")
            return self._own_rule("name", strings.other_than(known))
        if known:
            raise BadSchema(facts.place, "propertyNames", "a grammar cannot hold it beside properties")
        ways = [each for each in self._reader.ways(facts.names) if "string" in each.types]
        return either(
            *(self._string(each, "name") if each.values is None else self._constants(each) for each in ways)
        )

    def _own_rule(self, name: str, part: Part) -> Part:
        name = self._name(name)
        self._rules[name] = part
        return Ref(name)

    # ── arrays ────────────────────────────────────────────────────────────────────────────────────

    def _array(self, facts: Facts, name: str) -> Part:
        places = max((len(each.first) for each in facts.items), default=0)
        least, most = facts.length
        if most is not None and most < least:
            return NEVER
        if most == 0:
            return Text("[]")
        if places > _MOST_PLACES:
            raise BadSchema(
                facts.place, "prefixItems", f"more than {_MOST_PLACES} are too many for a grammar"
            )
        if facts.unique and (most is None or most > 1):
            return self._set(facts, name, places)
        said = any(each.others is not None for each in facts.items)
        if places and not said:  # nobody asked for more
            wanted = max(places, least)
            most = wanted if most is None else min(most, wanted)
        inner = self._more_items(facts, places, least, most)
        for place in range(places - 1, -1, -1):
            if most is not None and place >= most:
                inner = EMPTY
                continue
            before = strings.COMMA if place else EMPTY
            inner = seq(before, self._value(facts.item(place)), inner)
            if place >= least:
                inner = optional(inner)
            if place and place % 20 == 0:
                inner = self._own_rule(f"{name}-rest", inner)
        return seq(Text("["), inner, Text("]"))

    def _more_items(self, facts: Facts, places: int, least: int, most: int | None) -> Part:
        """The items behind those with places of their own."""
        fewest = max(least - places, 0)
        if most is not None and most <= places:
            return EMPTY
        longest = None if most is None else most - places
        item = self._value(facts.item(places))
        if places:
            return repeat(seq(strings.COMMA, item), fewest, longest)
        more = None if longest is None else longest - 1
        some = seq(item, repeat(seq(strings.COMMA, item), max(fewest - 1, 0), more))
        return some if fewest else optional(some)

    def _set(self, facts: Facts, name: str, places: int) -> Part:
        """Different items. A grammar has no memory, so they must be listed values, and come in that order."""
        ways = self._reader.ways(facts.item(0))
        if places or any(each.values is None and {*each.written} - {"boolean", "null"} for each in ways):
            raise BadSchema(
                facts.place,
                "uniqueItems",
                "a grammar cannot hold it, unless the items are an enum",
            )
        found: dict[str, Part] = {}
        for each in ways:
            simple = [v for kind, vs in _LISTED.items() if kind in each.written for v in vs]
            for value in simple if each.values is None else each.values.values():
                if self._reader.holds(each, value):
                    found.setdefault(same(value), strings.constant(value))
        members = [Member(part, False) for part in found.values()]
        items = objects.Writing(lambda part: self._own_rule(f"{name}-rest", part))
        return seq(Text("["), items.members(members, NEVER, facts.length, facts.place), Text("]"))

    # ── names ─────────────────────────────────────────────────────────────────────────────────────

    def _name(self, hint: str) -> str:
        name, number = hint, 1
        while name in self._taken:
            number += 1
            name = f"{hint}-{number}"
        self._taken.add(name)
        return name


_LISTED: dict[str, tuple[Any, ...]] = {"boolean": (True, False), "null": (None,)}


def _hint(node: Node) -> str:
    """A rule's name from the place of its schema."""
    steps: Iterable[str] = reversed(node[-1].split("/")[1:] if node else ())
    skipped = {
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "properties",
        "additionalProperties",
        "$defs",
    }
    for step in steps:
        plain = re.sub("[^A-Za-z0-9]+", "-", step).strip("-")
        if step not in skipped and not step.isdecimal() and plain:
            return plain[:40]
    return "value"
