"""JSON schemas as grammars, without an engine: whatever a grammar can write satisfies its schema."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from grammars import Drawing, Recognition
from paddock.errors import BadSchema
from paddock.prompts.grammar import of_json, of_schema
from paddock.prompts.grammar.gbnf import Grammar
from paddock.prompts.grammar.numbers import Bounds, integer, number
from schemas import SUCH_AS_SENT, made, mixed, scrambled

SPELLINGS = ((", ", ": "), (",", ":"))


def validator(schema: Any) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def require_all_valid(schema: Any, draws: int, seed: int = 1) -> None:
    judge, drawing = validator(schema), Drawing(of_schema(schema), seed)
    for _ in range(draws):
        text = drawing.draw()
        judge.validate(json.loads(text))
        assert text.isprintable() or any(ord(char) > 0x7E for char in text)  # on one line


def accepts(schema: Any, value: Any) -> bool:
    recognition = Recognition(of_schema(schema))
    found = {
        recognition.accepts(json.dumps(value, ensure_ascii=False, separators=spelling))
        for spelling in SPELLINGS
    }
    assert len(found) == 1
    return found.pop()


# ── the two promises ──────────────────────────────────────────────────────────────────────────────


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(made)
def test_whatever_is_drawn_satisfies_the_schema_and_what_satisfies_it_can_be_written(made: Any) -> None:
    schema, values = made
    try:
        grammar = of_schema(schema)
    except BadSchema as error:
        assert "no finite value" in str(error)
        assert values == ()
        return
    judge, drawing, recognition = validator(schema), Drawing(grammar, 1), Recognition(grammar)
    for _ in range(10):
        judge.validate(json.loads(drawing.draw()))
    for value in values:
        judge.validate(value)
        assert recognition.accepts(json.dumps(value, ensure_ascii=False))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(mixed)
def test_keywords_in_any_company_are_held_or_refused(schema: Any) -> None:
    try:
        grammar = of_schema(schema)
    except BadSchema as error:
        assert error.pointer.startswith("#")
        return
    judge, drawing = validator(schema), Drawing(grammar, 1)
    for _ in range(5):
        value = json.loads(drawing.draw())
        with contextlib.suppress(RecursionError):  # the judge's, where a schema is deep and recursive
            judge.validate(value)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scrambled)
def test_what_is_no_schema_is_refused_and_nothing_else_happens(scrambled: Any) -> None:
    with contextlib.suppress(BadSchema):
        of_schema(scrambled)


@pytest.mark.parametrize("schema", SUCH_AS_SENT, ids=lambda schema: json.dumps(schema)[:60])
def test_schemas_such_as_are_sent_write_nothing_else(schema: Any) -> None:
    require_all_valid(schema, 40)


def test_any_object_is_written_for_json() -> None:
    drawing, recognition = Drawing(of_json(), 1), Recognition(of_json())
    for _ in range(100):
        assert isinstance(json.loads(drawing.draw()), dict)
    assert recognition.accepts('{"a": [1, -2.5e+10, "x\\n\\u00e9日", null, true], "b": {"c": {}}}')
    assert recognition.accepts('{"a":[],"b":{"c":{}}}')
    assert not recognition.accepts("[]")
    assert not recognition.accepts('{"a":  1}')
    assert not recognition.accepts('{"a": 1}\n')


# ── clients ───────────────────────────────────────────────────────────────────────────────────────


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(min_length=1, max_length=20)
    owner: Person | None = None


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="as in the passport")
    email: str | None = None
    score: float = Field(gt=0, lt=1)
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    colours: set[Colour] = Field(default_factory=set, max_length=2)
    born: date
    seen: datetime
    id: UUID
    code: str = Field(pattern=r"^[A-Z]{3}-\d+$", max_length=10)
    place: tuple[float, float]
    by_colour: dict[Colour, int] = {}
    tags: dict[str, str] = Field(default_factory=dict, min_length=1)
    friend: Person | None = None


def test_what_pydantic_makes_of_classes_is_held_and_read_back() -> None:
    schema = Person.model_json_schema()
    require_all_valid(schema, 60)
    drawing = Drawing(of_schema(schema), 2)
    for _ in range(60):
        Person.model_validate_json(drawing.draw())


def test_an_address_as_pydantic_asks_for_it_is_held() -> None:
    class Link(BaseModel):
        page: HttpUrl

    require_all_valid(Link.model_json_schema(), 40)
    page = "https://example.com/a-rather-long-path/" + "x" * 300 + "?q=%20y&z=/#top"
    assert accepts(Link.model_json_schema(), {"page": page})


def test_what_the_openai_package_makes_of_classes_is_held() -> None:
    from openai.lib._pydantic import to_strict_json_schema

    class Step(BaseModel):
        explanation: str
        colour: Colour | None

    class Steps(BaseModel):
        steps: list[Step]
        answer: int

    require_all_valid(to_strict_json_schema(Steps), 60)


# ── what is honoured, case by case ────────────────────────────────────────────────────────────────

NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
            "required": ["v"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["string", "null"]}, ["", None], [1, True]),
        ({"type": "integer"}, [0, -7, 10**15 - 1], [1.5, True]),
        ({"const": {"a": [1, "x"]}}, [{"a": [1, "x"]}], [{"a": [1]}]),
        ({"enum": [1, "1", None], "type": ["integer", "null"]}, [1, None], ["1"]),
        ({"type": "object"}, [{}, {"a": {"b": []}}], [[], 1]),
        (
            {"type": "object", "properties": {"a": {}, "b": {}}},
            [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 2}],
            [{"c": 1}, {"b": 1, "a": 1}],
        ),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
            [{"a": "x", "b": 1}, {"ab": 1, "": 2}],
            [{"b": "x"}],
        ),
        ({"type": "object", "required": ["z"]}, [{"z": 1}], [{}, {"y": 1}]),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "maxProperties": 0}, [{}], [{"a": None}]),
        (
            {
                "type": "object",
                "additionalProperties": {"type": "null"},
                "minProperties": 1,
                "maxProperties": 2,
            },
            [{"a": None}, {"a": None, "b": None}],
            [{}, {"a": None, "b": None, "c": None}],
        ),
        (
            {"type": "object", "propertyNames": {"enum": ["x", "y"]}},
            [{}, {"x": 1}, {"x": 1, "y": 2}],
            [{"z": 1}],
        ),
        ({"type": "object", "propertyNames": {"pattern": "^k\\d$"}}, [{"k1": 1, "k2": 2}], [{"k": 1}]),
        ({"type": "array"}, [[], [1, "x", [None]]], [{}]),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
            [[True], [True, False]],
            [[], [True, True, True], [1]],
        ),
        (
            {"prefixItems": [{"type": "null"}, {"type": "boolean"}]},
            [[], [None], [None, True]],
            [[True], [None, True, 1]],
        ),
        (
            {"prefixItems": [{"type": "null"}], "items": {"type": "integer"}, "minItems": 2},
            [[None, 1], [None, 1, 2]],
            [[None], [None, None]],
        ),
        ({"items": [{"type": "null"}], "additionalItems": False}, [[], [None]], [[None, 1]]),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
            [[], ["a"], ["a", "b"]],
            [["a", "a"]],
        ),
        (NODE, [{"v": 1}, {"v": 1, "next": {"v": 2, "next": {"v": 3}}}], [{}, {"v": 1, "next": {}}]),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                    {"properties": {"a": {"minimum": 5}, "b": {}}, "required": ["b"]},
                ]
            },
            [{"a": 5, "b": 1}],
            [{"a": 4, "b": 1}, {"a": 5}],
        ),
        (
            {
                "type": "object",
                "properties": {"a": {}, "b": {}},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
            [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}],
            [{}],
        ),
        ({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 4}]}, [3, 4], [1.5]),
        ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, ["a", "b"], ["c"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "日本語"], ["a", "abcd"]),
        ({"type": "string", "maxLength": 200}, ["", "x" * 199, "x" * 200], ["x" * 201]),
        ({"type": "string", "minLength": 100}, ["x" * 100, "x" * 300], ["x" * 99]),
        ({"type": "string", "pattern": "^[a-c]+$"}, ["abc"], ["", "abd", "ab "]),
        ({"type": "string", "pattern": "b"}, ["b", 'a"b\\', "xbx"], ["", "ac"]),
        (
            {"type": "string", "pattern": "^[a-c]+$", "minLength": 2, "maxLength": 4},
            ["ab", "aabb"],
            ["a", "aaaaa"],
        ),
        (
            {"allOf": [{"type": "string", "pattern": "^a"}, {"pattern": "z$"}]},
            ["az", "abz"],
            ["a", "z", "za"],
        ),
        (
            {"type": "string", "format": "date"},
            ["2024-02-29", "2000-02-29"],
            ["2023-02-29", "1900-02-29", "2024-2-1"],
        ),
        ({"type": "string", "format": "ipv4"}, ["0.0.0.0", "192.168.1.255"], ["256.1.1.1", "1.1.1"]),
        ({"type": "integer", "format": "int32"}, [2**31 - 1, -(2**31)], [2**31]),
        ({"type": "integer", "minimum": -12, "exclusiveMaximum": 305}, [-12, -1, 0, 99, 304], [-13, 305]),
        ({"type": "integer", "minimum": 10**20}, [10**20, 10**21 + 1], [10**20 - 1]),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 2.5}, [0.1, 1, 2.5, 0.0001], [0, 2.51, -1]),
        ({"type": "integer", "multipleOf": 1}, [3], [3.5]),
        ({"minimum": 3}, [3, 4.5], [2, "x"]),
        ({"properties": {"a": {}}}, [{"a": 1}], ["text"]),
        ({}, [1, "x", [{}], None], []),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_keywords_are_honoured(schema: Any, good: list[Any], bad: list[Any]) -> None:
    Draft202012Validator.check_schema(schema if "additionalItems" not in schema else {})
    assert [value for value in good if not accepts(schema, value)] == []
    assert [value for value in bad if accepts(schema, value)] == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", ["12.5", "-0.1", "+7"], ["", ".", "-", "1.2.3"]),
        (r"^(?=.*\d)(?=.*[a-z]).{4,8}$", ["abc1", "1bcdefgh"], ["abcd", "1234", "a1"]),
        (r"^(?!admin$|root)[a-z\s]{3,8}$", ["adminx", "bob"], ["admin", "admin\n", "rooted"]),
        (r"^(?!.*--)[\w\s-]+$", ["a-b", "a\r-b"], ["a--b", "a\r--b"]),
        (r"^(?!\d)", ["", "x1"], ["1x", "\u0661x"]),
        (r"^(?![^a])", ["", "ab"], ["b"]),
    ],
)
def test_what_is_looked_for_at_the_beginning_is_held(pattern: str, good: list[str], bad: list[str]) -> None:
    schema = {"type": "string", "pattern": pattern, "maxLength": 20}
    assert [text for text in good if not accepts(schema, text)] == []
    assert [text for text in bad if accepts(schema, text)] == []
    require_all_valid(schema, 60)


def test_members_come_in_the_order_of_the_schema() -> None:
    schema = {"type": "object", "properties": {"z": {"const": 1}, "a": {"const": 2}}, "required": ["a", "z"]}
    assert {Drawing(of_schema(schema), seed).draw().replace(" ", "") for seed in range(9)} == {
        '{"z":1,"a":2}'
    }


@given(st.integers(-3000, 3000), st.integers(0, 400), st.integers(-3500, 3500))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_bounds_of_integers_are_exact(low: int, width: int, tried: int) -> None:
    grammar = Grammar({"root": integer(Bounds(Decimal(low), Decimal(low + width)))})
    recognition = Recognition(grammar)
    for value in (tried, low, low - 1, low + width, low + width + 1):
        assert recognition.accepts(str(value)) == (low <= value <= low + width)


@given(st.decimals(-50, 50, places=3), st.integers(0, 9999), st.booleans(), st.booleans(),
       st.decimals(-60, 60, places=4))  # fmt: skip
@settings(deadline=None, max_examples=60, derandomize=True)
def test_bounds_of_numbers_are_exact(
    low: Decimal, width: int, above: bool, below: bool, tried: Decimal
) -> None:
    bounds = Bounds(low, low + Decimal(width) / 1000, above, below)
    assert bounds.least is not None
    assert bounds.most is not None
    part = number(bounds)
    if bounds.apart(bounds):
        return
    recognition, drawing = Recognition(Grammar({"root": part})), Drawing(Grammar({"root": part}), 1)
    for value in (tried, low, bounds.most, low + Decimal("0.0001")):
        assert recognition.accepts(format(value.normalize(), "f")) == bounds.contains(value)
    for _ in range(5):
        text = drawing.draw()
        assert bounds.contains(Decimal(text))
        value_read = float(text)  # as whoever reads it as a double sees it
        assert (float(low) < value_read) if above else (float(low) <= value_read)


# ── what is refused ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        ({"type": "strng"}, "#", "type"),
        ({"type": "object", "requried": ["a"]}, "#", "requried"),
        ({"type": "object", "properties": {"a": {"minlength": 1}}}, "#/properties/a", "minlength"),
        ({"properties": {"a/b~": {"not": {}}}}, "#/properties/a~1b~0", "not"),
        ({"items": {"if": True}}, "#/items", "if"),
        ({"anyOf": [{}, {"contains": {}}]}, "#/anyOf/1", "contains"),
        ({"dependentRequired": {}}, "#", "dependentRequired"),
        ({"patternProperties": {}}, "#", "patternProperties"),
        ({"unevaluatedProperties": False}, "#", "unevaluatedProperties"),
        ({"type": "array", "uniqueItems": True}, "#", "uniqueItems"),
        ({"type": "number", "multipleOf": 0.01}, "#", "multipleOf"),
        ({"type": "array", "minItems": -1}, "#", "minItems"),
        ({"enum": []}, "#", "enum"),
        ({"anyOf": []}, "#", "anyOf"),
        ({"properties": {"a": 5}}, "#", "properties"),
        ({"$ref": "#/$defs/x"}, "#", "$ref"),
        ({"items": {"$ref": "https://example.com/x.json"}}, "#/items", "$ref"),
        (
            {
                "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
                "$ref": "#/$defs/a",
            },
            "#/$defs/a",
            "$ref",
        ),
        ({"type": "string", "pattern": "(a)\\1"}, "#", "pattern"),
        ({"type": "string", "pattern": "a\\b"}, "#", "pattern"),
        ({"type": "string", "pattern": "(a"}, "#", "pattern"),
        ({"type": "string", "pattern": "a{3,1}"}, "#", "pattern"),
        ({"type": "string", "pattern": "x(^a)"}, "#", "pattern"),
        ({"type": "string", "pattern": "\\p{L}"}, "#", "pattern"),
        ({"type": "string", "format": "colour"}, "#", "format"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "#", "oneOf"),
        ({"oneOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]}, "#", "oneOf"),
        ({"type": "object", "minProperties": 2}, "#", "minProperties"),
        (
            {
                "type": "object",
                "properties": {"a": {}},
                "additionalProperties": {},
                "propertyNames": {"maxLength": 3},
            },
            "#",
            "propertyNames",
        ),
        ({"type": "number", "minimum": 1e300}, "#", "minimum"),
        # Nothing satisfies these.
        (False, "#", ""),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "#", ""),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "#", ""),
        ({"type": "string", "enum": [1, 2]}, "#", ""),
        ({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]}, "#", ""),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string", "pattern": "^ab$", "maxLength": 1}},
                "required": ["a"],
            },
            "#/properties/a",
            "",
        ),
        # These would be too large.
        ({"type": "string", "pattern": "^([a-z]+,){50}$", "maxLength": 2000}, "#", "pattern"),
        ({"type": "string", "pattern": "a{1001}"}, "#", "pattern"),
        ({"anyOf": [{"type": "object", "properties": {str(n): {}}} for n in range(3001)]}, None, ""),
        ({"allOf": [{"anyOf": [{"minimum": n}, {"maximum": n}]} for n in range(40)]}, None, ""),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_what_cannot_be_held_is_refused_by_name_and_place(
    schema: Any, pointer: str | None, keyword: str
) -> None:
    with pytest.raises(BadSchema) as refusal:
        of_schema(schema)
    assert refusal.value.keyword == keyword
    assert str(refusal.value).startswith("invalid format: ")
    if pointer is not None:
        assert refusal.value.pointer == pointer
        assert pointer in str(refusal.value)


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"pattern": "(a|b){500}c", "enum": ["ab" * 300 + str(n) for n in range(1000)]}, "pattern"),
        ({"type": "string", "pattern": "^(a|b|c){0,900}(a|b|c){0,900}$", "maxLength": 1000}, "pattern"),
        ({"type": "string", "minLength": 1e308}, "minLength"),
    ],
    ids=["many values", "many states", "no end"],
)
def test_what_would_take_too_long_is_refused(schema: Any, keyword: str) -> None:
    with pytest.raises(BadSchema) as refusal:
        of_schema(schema)
    assert refusal.value.keyword == keyword


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"x" * 300: {"const": 1}}, "additionalProperties": {"const": 2}},
        {"enum": ["a" * size for size in range(500)]},
        {"type": "object", "properties": {"a": {"const": 1}}, "maxProperties": 1e308},
        {
            "oneOf": [
                {"properties": {"k": {"const": n}}, "required": ["k"], "type": "object"} for n in range(60)
            ]
        },
    ],
    ids=["a long name", "texts in texts", "a bound without end", "many branches"],
)
def test_what_is_only_large_is_held(schema: Any) -> None:
    require_all_valid(schema, 20)


def test_a_schema_nested_beyond_reason_is_refused() -> None:
    schema: Any = {"type": "null"}
    for _ in range(400):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadSchema, match="nested too deeply"):
        of_schema(schema)
    value: Any = 1
    for _ in range(400):
        value = [value]
    with pytest.raises(BadSchema, match="nested too deeply"):
        of_schema({"const": value})


def test_words_that_are_no_keywords_are_annotations() -> None:
    plain = {"type": "string", "maxLength": 3}
    noted = plain | {
        "title": "T",
        "description": "D",
        "default": "x",
        "examples": [1],
        "$comment": "c",
        "x-order": 1,
        "deprecated": True,
        "contentMediaType": "text/plain",
        "widget": "area",
    }
    assert of_schema(noted) == of_schema(plain)


# ── what engines need ─────────────────────────────────────────────────────────────────────────────


def test_a_thousand_values_are_written_as_a_tree() -> None:
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzABCD"]
    recognition = Recognition(of_schema({"enum": words}))
    assert all(recognition.accepts(json.dumps(word)) for word in words[::37])
    assert not recognition.accepts('"aku')
    assert not recognition.accepts('"akx"x')


def test_many_optional_members_make_a_short_grammar() -> None:
    members = {f"member{n}": {"type": "integer"} for n in range(300)}
    assert len(of_schema({"type": "object", "properties": members}).text) < 40_000
