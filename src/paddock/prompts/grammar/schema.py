"""A JSON schema, read and checked before anything is made of it.

Every subschema that the root leads to is looked at once: keywords of the wrong type, references that lead
nowhere, and keywords that a grammar cannot hold are errors that name keyword and place. What is no keyword
is an annotation, as the standard says, unless it looks like a slip of the pen: a misspelt `required` would
silently loosen the answer.

Source: JSON Schema 2020-12, Core and Validation; `definitions`, and `items` as a list, from draft 7.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from paddock.errors import BadSchema

#: Every kind of value, in the order in which they are offered where a schema says nothing.
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")

#: No answer has so many characters, items or members.
FARTHEST = 10**9
_MOST_SCHEMAS = 3_000
_DEEPEST = 100

Schema = bool | Mapping[str, Any]


def _type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(name in TYPES for name in names) and len({*names}) == len(names)


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and value == int(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _schema(value: Any) -> bool:
    return isinstance(value, bool | dict)


def _schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_schema, value))


def _named_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_schema, value.values()))


def _text(value: Any) -> bool:
    return isinstance(value, str)


#: What each keyword must be, and how that is said.
SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "type": (_type, f"must be one of {', '.join(TYPES)}, or a list of them"),
    "properties": (_named_schemas, "must be an object of schemas"),
    "required": (_names, "must be a list of names"),
    "additionalProperties": (_schema, "must be a schema"),
    "propertyNames": (_schema, "must be a schema"),
    "minProperties": (_count, "must be a count"),
    "maxProperties": (_count, "must be a count"),
    "items": (lambda value: _schema(value) or _schemas(value), "must be a schema"),
    "prefixItems": (_schemas, "must be a list of schemas"),
    "additionalItems": (_schema, "must be a schema"),
    "minItems": (_count, "must be a count"),
    "maxItems": (_count, "must be a count"),
    "uniqueItems": (lambda value: isinstance(value, bool), "must be true or false"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "must be a list of values"),
    "const": (lambda value: True, ""),
    "anyOf": (_schemas, "must be a list of schemas"),
    "oneOf": (_schemas, "must be a list of schemas"),
    "allOf": (_schemas, "must be a list of schemas"),
    "$ref": (_text, "must be a text"),
    "$defs": (_named_schemas, "must be an object of schemas"),
    "definitions": (_named_schemas, "must be an object of schemas"),
    "pattern": (_text, "must be a text"),
    "minLength": (_count, "must be a count"),
    "maxLength": (_count, "must be a count"),
    "format": (_text, "must be a text"),
    "minimum": (_number, "must be a number"),
    "maximum": (_number, "must be a number"),
    "exclusiveMinimum": (_number, "must be a number"),
    "exclusiveMaximum": (_number, "must be a number"),
    "multipleOf": (lambda value: _number(value) and value > 0, "must be a number above zero"),
}
#: Keywords that let other schemas apply to the same value.
APPLICATORS = frozenset(("$ref", "allOf", "anyOf", "oneOf"))
_NOT_HELD = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "dependentRequired",
    "dependentSchemas", "dependencies", "patternProperties", "unevaluatedProperties", "unevaluatedItems",
    "$dynamicRef", "$recursiveRef",
)  # fmt: skip
#: What says something about a schema and nothing about values; OpenAPI's and the usual tools' among them.
_ANNOTATIONS = frozenset((
    "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
    "$schema", "$id", "$comment", "$anchor", "$dynamicAnchor", "$vocabulary", "contentEncoding",
    "contentMediaType", "contentSchema", "discriminator", "nullable", "xml", "externalDocs", "strict", "name",
    "id", "propertyOrdering", "markdownDescription", "enumNames", "errorMessage", "order", "items_type",
))  # fmt: skip
_KEYWORDS = dict.fromkeys((*SHAPES, *_NOT_HELD))


class Document:
    """A schema and every subschema that it leads to, by JSON pointer. Raises BadSchema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._schemas: dict[str, Schema] = {}
        todo = [("#", "#")]
        while todo:
            pointer, origin = todo.pop()
            if pointer in self._schemas:
                continue
            if len(self._schemas) >= _MOST_SCHEMAS:
                raise BadSchema(pointer, "", f"more than {_MOST_SCHEMAS} subschemas are too many")
            if pointer.count("/") > 2 * _DEEPEST:
                raise BadSchema(pointer, "", "it is nested too deeply")
            found = self._schemas[pointer] = self._resolve(pointer, origin)
            _check(pointer, found)
            todo += reversed([(next_, pointer) for next_ in self._leads_to(pointer, found)])
        self._refuse_loops()

    def at(self, pointer: str) -> Schema:
        """The subschema at a pointer that was met on the way."""
        return self._schemas[pointer]

    def target(self, pointer: str) -> str | None:
        """Where the reference of a schema leads; None where it has none."""
        found = self._schemas[pointer]
        if isinstance(found, bool) or "$ref" not in found:
            return None
        return _normal(found["$ref"])

    def together(self, pointer: str) -> tuple[str, ...]:
        """What else applies wherever this schema does: its reference and the members of `allOf`."""
        found = self._schemas[pointer]
        if isinstance(found, bool):
            return ()
        target = self.target(pointer)
        every = tuple(f"{pointer}/allOf/{number}" for number in range(len(found.get("allOf", ()))))
        return (*((target,) if target else ()), *every)

    def choices(self, pointer: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The branches of `anyOf` and `oneOf`."""
        found = self._schemas[pointer]
        if not isinstance(found, bool):
            for keyword in ("anyOf", "oneOf"):
                if keyword in found:
                    yield keyword, tuple(f"{pointer}/{keyword}/{n}" for n in range(len(found[keyword])))

    def _leads_to(self, pointer: str, found: Schema) -> Iterator[str]:
        if isinstance(found, bool):
            return
        yield from self.together(pointer)
        for _, branches in self.choices(pointer):
            yield from branches
        for name in found.get("properties", ()):
            yield f"{pointer}/properties/{escaped(name)}"
        for keyword in ("additionalProperties", "propertyNames", "items", "additionalItems"):
            if _schema(found.get(keyword)):
                yield f"{pointer}/{keyword}"
        for keyword in ("prefixItems", "items"):
            if isinstance(found.get(keyword), list):
                yield from (f"{pointer}/{keyword}/{number}" for number in range(len(found[keyword])))

    def _resolve(self, pointer: str, origin: str) -> Schema:
        here: Any = self._root
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, dict) and step in here:
                here = here[step]
            elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            else:
                raise BadSchema(origin, "$ref", f"{pointer} leads nowhere")
        if not _schema(here):
            raise BadSchema(origin, "$ref", f"{pointer} leads to what is no schema")
        return here  # type: ignore[no-any-return]  # a schema, as just checked

    def _refuse_loops(self) -> None:
        """A schema that applies to a value only if it applies to it says nothing."""
        done: set[str] = set()
        for start in self._schemas:
            path: dict[str, None] = {}
            todo = [(start, False)]
            while todo:
                pointer, left = todo.pop()
                if left:
                    path.pop(pointer)
                    done.add(pointer)
                elif pointer in path:
                    raise BadSchema(
                        pointer, "$ref", "it leads back to itself without an object or array between"
                    )
                elif pointer not in done:
                    path[pointer] = None
                    todo.append((pointer, True))
                    branches = (b for _, each in self.choices(pointer) for b in each)
                    todo += ((next_, False) for next_ in (*self.together(pointer), *branches))


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def is_keyword(name: str) -> bool:
    """Whether a member of a schema says something about values."""
    return name in _KEYWORDS and name not in ("$defs", "definitions")


def number(value: Any) -> Decimal:
    """A number of a schema, exactly as the shortest decimal that means it."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def _normal(reference: str) -> str:
    return unquote(reference) if reference.startswith("#") else reference


def _check(pointer: str, found: Schema) -> None:
    if isinstance(found, bool):
        return
    for keyword, value in found.items():
        if keyword in SHAPES:
            fits, sentence = SHAPES[keyword]
            if not fits(value):
                raise BadSchema(pointer, keyword, sentence)
            if keyword.startswith("min") and fits is _count and value > FARTHEST:
                raise BadSchema(pointer, keyword, "no answer is that long")
        elif keyword in _NOT_HELD:
            raise BadSchema(pointer, keyword, "a grammar cannot hold this keyword")
        elif keyword not in _ANNOTATIONS and not keyword.startswith("x-"):
            meant = difflib.get_close_matches(keyword, _KEYWORDS, 1, 0.85) or [
                known for known in _KEYWORDS if known.lower() == keyword.lower()
            ]
            if meant:
                raise BadSchema(pointer, keyword, f'there is no such keyword; did you mean "{meant[0]}"?')
    reference = found.get("$ref", "#")
    if reference != "#" and not reference.startswith("#/"):
        raise BadSchema(pointer, "$ref", f"{reference!r} leads out of the schema; only #/… is followed")
    for keyword in ("enum", "const"):
        if keyword in found and _depth(found[keyword]) > _DEEPEST:
            raise BadSchema(pointer, keyword, "its values are nested too deeply")
    if isinstance(found.get("items"), list) and "prefixItems" in found:
        raise BadSchema(pointer, "items", "must be a schema beside prefixItems")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth
