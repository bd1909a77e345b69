"""Everything that is said of one value at once, whichever subschemas say it.

A value is described by a conjunction of subschemas; each function here gathers one thing from all of them,
so that merging `allOf`, references and branches is done keyword by keyword, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from paddock.errors import BadSchema
from paddock.prompts.grammar import formats
from paddock.prompts.grammar.gbnf import Part
from paddock.prompts.grammar.numbers import Bounds
from paddock.prompts.grammar.schema import FARTHEST, TYPES, escaped, number

#: Pointers of subschemas that all apply to one value.
Node = tuple[str, ...]

_IMPLIED = {
    "object": ("properties", "required", "additionalProperties", "propertyNames", "minProperties",
               "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fields:
    """What one subschema says of an object's members. `others` is None where it says nothing of the rest."""

    named: dict[str, str]
    others: str | None


@dataclass(frozen=True, slots=True)
class Items:
    """What one subschema says of an array's items: the first ones by place, and the rest."""

    first: tuple[str, ...]
    others: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """One way to satisfy a conjunction. `types` is what it allows, in order; `written` what we write, which
    is less where a schema speaks of an object's members without saying that it is one."""

    way: Node
    types: tuple[str, ...]
    written: tuple[str, ...]
    values: dict[str, Any] | None  # by the text that is the same for equal ones
    fields: tuple[Fields, ...]
    required: tuple[str, ...]
    names: Node
    properties: tuple[int, int | None]
    items: tuple[Items, ...]
    length: tuple[int, int | None]  # of an array
    unique: bool
    expressions: tuple[Part, ...]
    excluded: tuple[Part, ...]  # expressions that must not hold
    formatted: bool  # one of the expressions is a format, which not every validator asserts
    characters: tuple[int, int | None]
    bounds: Bounds

    @property
    def place(self) -> str:
        """Where it stands, for whoever is told of it."""
        return self.way[0] if self.way else "#"

    def field_names(self) -> tuple[str, ...]:
        """The members that are spoken of, in the schema's order; then those only required."""
        named = dict.fromkeys(name for fields in self.fields for name in fields.named)
        return tuple(dict.fromkeys((*named, *self.required)))

    def field(self, name: str) -> Node:
        """What applies to one member."""
        found = (fields.named.get(name, fields.others) for fields in self.fields)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def other_fields(self) -> Node | None:
        """What applies to members not spoken of; None where nobody asks for such."""
        rest = tuple(dict.fromkeys(fields.others for fields in self.fields if fields.others is not None))
        return rest if rest or not self.field_names() else None

    def item(self, place: int) -> Node:
        """What applies to one item."""
        found = (each.first[place] if place < len(each.first) else each.others for each in self.items)
        return tuple(dict.fromkeys(pointer for pointer in found if pointer is not None))


def same(value: Any) -> str:
    """A text that is equal for equal JSON values: 1 is 1.0, and the order of members is none."""
    match value:
        case bool() | None | str():
            return json.dumps(value)
        case int() | float():
            return str(number(value).normalize() + 0) if value else "0"
        case list():
            return f"[{','.join(map(same, value))}]"
        case _:
            return f"{{{','.join(sorted(f'{json.dumps(k)}:{same(v)}' for k, v in value.items()))}}}"


# ── what single keywords say ──────────────────────────────────────────────────────────────────────


def _named_types(schema: Any) -> tuple[str, ...]:
    found = schema.get("type", TYPES)
    names = (found,) if isinstance(found, str) else tuple(found)
    # Every integer is a number; "number" by itself stands for all of them.
    return tuple(name for name in names if name != "integer" or "number" not in names)


def types_of(schemas: Iterable[Any]) -> tuple[str, ...]:
    """The kinds of value that all schemas allow, in the order of the last that names some."""
    left = _named_types({})
    for schema in schemas:
        named = _named_types(schema)
        both = [name for name in named if name in left]
        if ("integer" in named and "number" in left) or ("number" in named and "integer" in left):
            both.append("integer")
        left = tuple(dict.fromkeys(both))
    return left


def written_types(types: tuple[str, ...], schemas: list[Any]) -> tuple[str, ...]:
    """The kinds to write: those that the keywords speak of, where no schema names any."""
    if any("type" in schema or "enum" in schema or "const" in schema for schema in schemas):
        return types
    implied = [kind for kind, keywords in _IMPLIED.items() if any(k in s for s in schemas for k in keywords)]
    return tuple(kind for kind in types if kind in implied) if implied else types


def values_of(schemas: list[Any]) -> dict[str, Any] | None:
    """The values that every `enum` and `const` lists, by the text that is `same` for equal ones; None
    without any."""
    found: dict[str, Any] | None = None
    for schema in schemas:
        for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
            if values is None:
                continue
            by_text = {same(value): value for value in values}
            found = by_text if found is None else {key: v for key, v in found.items() if key in by_text}
    return found


def fields(pointer: str, schema: Any) -> Fields:
    """What one schema says of members."""
    named = {name: f"{pointer}/properties/{escaped(name)}" for name in schema.get("properties", ())}
    return Fields(named, f"{pointer}/additionalProperties" if "additionalProperties" in schema else None)


def items(pointer: str, schema: Any) -> Items:
    """What one schema says of items, in the words of either draft."""
    keyword, rest = (
        ("items", "additionalItems") if isinstance(schema.get("items"), list) else ("prefixItems", "items")
    )
    first = tuple(f"{pointer}/{keyword}/{number}" for number in range(len(schema.get(keyword, ()))))
    return Items(first, f"{pointer}/{rest}" if rest in schema else None)


def amount(schemas: list[Any], least: str, most: str) -> tuple[int, int | None]:
    """The narrowest range that two keywords give together; an end that no answer comes to is none."""
    low = max((int(schema[least]) for schema in schemas if least in schema), default=0)
    highs = [int(schema[most]) for schema in schemas if most in schema]
    return low, min(highs) if highs and min(highs) <= FARTHEST else None


def bounds(schemas: list[tuple[str, Any]], types: tuple[str, ...]) -> Bounds:
    """The narrowest bounds of all. Raises BadSchema for a multiple that cannot be held."""
    found = Bounds()
    for pointer, schema in schemas:
        for keyword, excluded in (("minimum", False), ("exclusiveMinimum", True)):
            if keyword in schema:
                found = found.within(Bounds(least=number(schema[keyword]), above=excluded))
        for keyword, excluded in (("maximum", False), ("exclusiveMaximum", True)):
            if keyword in schema:
                found = found.within(Bounds(most=number(schema[keyword]), below=excluded))
        if schema.get("format") in formats.INTEGERS:
            low, high = formats.INTEGERS[schema["format"]]
            found = found.within(Bounds(Decimal(low), Decimal(high)))
        if "multipleOf" in schema and not (schema["multipleOf"] == 1 and "number" not in types):
            raise BadSchema(pointer, "multipleOf", "a grammar cannot hold it, except 1 for integers")
    return found


def is_one_of(value: Any, types: tuple[str, ...]) -> bool:
    """Whether a value is of one of these kinds; 1.0 is an integer."""
    match value:
        case bool():
            return "boolean" in types
        case None:
            return "null" in types
        case str():
            return "string" in types
        case list():
            return "array" in types
        case dict():
            return "object" in types
        case _:
            return "number" in types or ("integer" in types and value == int(value))


def is_counted(count: int, allowed: tuple[int, int | None]) -> bool:
    """Whether a count is in a range."""
    return allowed[0] <= count and (allowed[1] is None or count <= allowed[1])


def overlap(left: tuple[int, int | None], right: tuple[int, int | None]) -> bool:
    """Whether two ranges have a count in common."""
    least = max(left[0], right[0])
    return all(most is None or least <= most for most in (left[1], right[1]))
