"""The ways in which a value can satisfy everything that is said of it.

A value is described by a conjunction: a tuple of pointers that all apply to it. `Reader.ways` follows
references and `allOf`, takes one branch of every `anyOf` and `oneOf`, and so turns a conjunction into the
ways in which it can be satisfied. Since the parts of a conjunction are places of a finite document, so are
the conjunctions met, and recursion ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paddock.errors import BadSchema
from paddock.prompts.grammar import formats
from paddock.prompts.grammar.automata import Budget, Machine, TooManyStates
from paddock.prompts.grammar.facts import (
    Facts,
    Node,
    amount,
    bounds,
    fields,
    is_counted,
    is_one_of,
    items,
    overlap,
    same,
    types_of,
    values_of,
    written_types,
)
from paddock.prompts.grammar.gbnf import Part
from paddock.prompts.grammar.patterns import BadPattern, Pattern, pattern
from paddock.prompts.grammar.schema import APPLICATORS, Document, is_keyword, number

#: Steps that reading one schema may take; far beyond what people write, and below a second.
_MOST_STEPS = 100_000
_DEEPEST_COMPARISON = 4
_DEEPEST_NESTING = 20


class Reader:
    """Reads the ways and the facts of conjunctions."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._steps = 0
        self._exclusive: set[tuple[str, ...]] = set()
        self._ways: dict[Node, tuple[Facts, ...]] = {}
        self._under_way: set[Node] = set()
        self._expressions: dict[str, Pattern] = {}
        self._machines: dict[Part, Machine] = {}
        self._budget = Budget()

    def ways(self, node: Node) -> tuple[Facts, ...]:
        """Every way to satisfy a conjunction; none where it is a contradiction."""
        if node not in self._ways:
            if len(self._under_way) > _DEEPEST_NESTING:
                raise BadSchema(node[0], "", "the schema is too intricate for a grammar")
            self._under_way.add(node)
            flat = (tuple(filter(self._says, way)) for way in self._expand(node, (), ()))
            self._ways[node] = tuple(found for way in flat for found in self._facts(way))
            self._under_way.discard(node)
        return self._ways[node]

    def _says(self, pointer: str) -> bool:
        """Whether a schema says anything itself, instead of pointing to others."""
        schema = self._document.at(pointer)
        return isinstance(schema, bool) or any(
            is_keyword(each) and each not in APPLICATORS for each in schema
        )

    def canonical(self, node: Node) -> Node:
        """The same conjunction without schemas that only refer to others."""
        found: dict[str, None] = {}
        for pointer in node:
            while (schema := self._document.at(pointer)) and not isinstance(schema, bool):
                target = self._document.target(pointer)
                if target is None or any(is_keyword(each) for each in schema if each != "$ref"):
                    break
                pointer = target
            if schema is not True and schema != {}:
                found[pointer] = None
        return tuple(found)

    def _spend(self, place: str) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise BadSchema(place, "", "the schema is too large for a grammar")

    # ── ways ──────────────────────────────────────────────────────────────────────────────────────

    def _expand(self, todo: Node, flat: Node, groups: tuple[tuple[str, str, Node], ...]) -> list[Node]:
        at = self._document.at
        while todo:
            pointer, todo = todo[0], todo[1:]
            self._spend(pointer)
            if at(pointer) is False:
                return []
            if pointer in flat or at(pointer) is True:
                continue
            flat = (*flat, pointer)
            todo = (*self._document.together(pointer), *todo)
            groups += tuple((pointer, keyword, each) for keyword, each in self._document.choices(pointer))
        if not groups:
            return [flat]
        (pointer, keyword, branches), *rest = groups
        found: list[Node] = []
        for number_, branch in enumerate(branches):
            ways = self._expand((branch,), flat, tuple(rest))
            if keyword == "oneOf":
                self._require_exclusive(pointer, ways, branches, number_)
            found += ways
        return found

    def _require_exclusive(self, pointer: str, ways: list[Node], branches: Node, mine: int) -> None:
        """Whatever is written for one branch of `oneOf` must satisfy no other."""
        for way in ways:
            for number_, other in enumerate(branches):
                if number_ == mine or (*way, other) in self._exclusive:
                    continue
                for left in self._facts(way):
                    if not all(self._apart(left, right, 0) for right in self.ways((other,))):
                        raise BadSchema(
                            pointer,
                            "oneOf",
                            f"branches {mine} and {number_} may both hold, which a grammar cannot prevent; "
                            "use anyOf, or a member with a const of its own in each branch",
                        )
                self._exclusive.add((*way, other))

    # ── facts ─────────────────────────────────────────────────────────────────────────────────────

    def _facts(self, way: Node) -> Iterator[Facts]:
        """What one way says; nothing where no kind of value is left."""
        schemas = [
            (pointer, found) for pointer in way if not isinstance(found := self._document.at(pointer), bool)
        ]
        types = types_of(found for _, found in schemas)
        if not types:
            return
        patterns = tuple(self._written_as(schemas)) if "string" in types else ()
        yield Facts(
            way=way,
            types=types,
            written=written_types(types, [found for _, found in schemas]),
            values=values_of([found for _, found in schemas]),
            fields=tuple(fields(pointer, found) for pointer, found in schemas),
            required=tuple(dict.fromkeys(name for _, found in schemas for name in found.get("required", ()))),
            names=tuple(f"{pointer}/propertyNames" for pointer, found in schemas if "propertyNames" in found),
            properties=amount([found for _, found in schemas], "minProperties", "maxProperties"),
            items=tuple(items(pointer, found) for pointer, found in schemas),
            length=amount([found for _, found in schemas], "minItems", "maxItems"),
            unique=any(found.get("uniqueItems", False) for _, found in schemas),
            expressions=tuple(part for each in patterns for part in each.held),
            excluded=tuple(part for each in patterns for part in each.excluded),
            formatted=any("format" in found for _, found in schemas),
            characters=amount([found for _, found in schemas], "minLength", "maxLength"),
            bounds=bounds(schemas, types),
        )

    def _written_as(self, schemas: list[tuple[str, Any]]) -> Iterator[Pattern]:
        seen = set()
        for pointer, found in schemas:
            for keyword in ("pattern", "format"):
                text = found.get(keyword)
                if text is None or (keyword, text) in seen:
                    continue
                seen.add((keyword, text))
                if keyword == "pattern":
                    yield self._expression(pointer, keyword, text)
                elif text in formats.EXPRESSIONS:
                    yield self._expression(pointer, keyword, formats.EXPRESSIONS[text])
                elif (
                    text not in formats.FREE and text not in formats.INTEGERS and text not in formats.NUMBERS
                ):
                    raise BadSchema(pointer, keyword, f'the format "{text}" is not known here')

    def _expression(self, pointer: str, keyword: str, text: str) -> Pattern:
        if text not in self._expressions:
            try:
                self._expressions[text] = pattern(text)
            except BadPattern as error:
                raise BadSchema(pointer, keyword, str(error)) from None
        return self._expressions[text]

    # ── values and differences ────────────────────────────────────────────────────────────────────

    def holds(self, facts: Facts, value: Any, lenient: bool = False) -> bool:
        """Whether a value satisfies one way. `lenient` says yes where that depends on whose regular
        expressions are asked."""
        self._spend(facts.place)
        if not is_one_of(value, facts.types):
            return False
        if facts.values is not None and same(value) not in facts.values:
            return False
        match value:
            case str():
                return self._text_holds(facts, value, lenient)
            case bool() | None:
                return True
            case int() | float():
                return facts.bounds.contains(number(value))
            case list():
                distinct = len({same(each) for each in value}) == len(value)
                return (
                    is_counted(len(value), facts.length)
                    and (distinct or not facts.unique)
                    and all(self.satisfies(facts.item(n), each, lenient) for n, each in enumerate(value))
                )
            case _:
                return (
                    is_counted(len(value), facts.properties)
                    and all(name in value for name in facts.required)
                    and all(self.satisfies(facts.names, name, lenient) for name in value)
                    and all(self.satisfies(facts.field(name), each, lenient) for name, each in value.items())
                )

    def satisfies(self, node: Node, value: Any, lenient: bool = False) -> bool:
        """Whether a value satisfies a conjunction in some way."""
        return any(self.holds(facts, value, lenient) for facts in self.ways(node))

    def _text_holds(self, facts: Facts, text: str, lenient: bool) -> bool:
        if not is_counted(len(text), facts.characters):
            return False
        if lenient and (facts.formatted or not text.isascii()):
            return True
        try:
            held = all(self.machine(each).matches(text) for each in facts.expressions)
            return held and not any(self.machine(each).matches(text) for each in facts.excluded)
        except TooManyStates:
            raise BadSchema(facts.place, "pattern", "it is too large for a grammar") from None

    def machine(self, expression: Part) -> Machine:
        """The automaton of an expression. Raises TooManyStates, as whatever is asked of it does."""
        if expression not in self._machines:
            self._machines[expression] = Machine(expression, self._budget)
        return self._machines[expression]

    def _apart(self, left: Facts, right: Facts, depth: int) -> bool:
        """Whether it is sure that nothing written for `left` satisfies `right`."""
        self._spend(left.place)
        if left.values is not None:
            return not any(
                self.holds(right, v, True) for v in left.values.values() if self.holds(left, v, True)
            )
        if right.values is not None:
            return not any(
                self.holds(left, v, True) for v in right.values.values() if self.holds(right, v, True)
            )
        for kind in left.written:
            if kind not in right.types and not ({kind, *right.types} >= {"number", "integer"}):
                continue
            match kind:
                case "object":
                    apart = self._objects_apart(left, right, depth)
                case "array":
                    apart = not overlap(left.length, right.length) or self._items_apart(left, right, depth)
                case "string":
                    apart = not overlap(left.characters, right.characters)
                case "number" | "integer":
                    apart = left.bounds.apart(right.bounds)
                case _:
                    apart = False
            if not apart:
                return False
        return True

    def _objects_apart(self, left: Facts, right: Facts, depth: int) -> bool:
        if depth > _DEEPEST_COMPARISON or not overlap(left.properties, right.properties):
            return depth <= _DEEPEST_COMPARISON
        telling = sorted(left.required, key=lambda name: not self._is_constant(left.field(name)))
        for name in telling:
            if self._under_way & {left.field(name), right.field(name)}:
                continue
            theirs = self.ways(right.field(name))
            if name in right.required or not theirs:
                mine = self.ways(left.field(name))
                if all(self._apart(a, b, depth + 1) for a in mine for b in theirs):
                    return True
        others = (left.field(name) for name in right.required)
        return any(node not in self._under_way and not self.ways(node) for node in others)

    def _is_constant(self, node: Node) -> bool:
        found = map(self._document.at, node)
        return any(not isinstance(each, bool) and ("const" in each or "enum" in each) for each in found)

    def _items_apart(self, left: Facts, right: Facts, depth: int) -> bool:
        if depth > _DEEPEST_COMPARISON:
            return False
        for place in range(min(left.length[0], right.length[0], 8)):
            mine, theirs = left.item(place), right.item(place)
            if self._under_way & {mine, theirs}:
                continue
            if all(self._apart(a, b, depth + 1) for a in self.ways(mine) for b in self.ways(theirs)):
                return True
        return False
