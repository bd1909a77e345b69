"""Schemas for tests: made at random with values that satisfy them, and such as clients really send."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from paddock.prompts.grammar.schema import SHAPES

NAMES = ("a", "b", "name", "kind", "größe", 'q"', "x/y", "ab", "abc")
WORDS = ("red", "green", "blue", "", 'say "hi"', "back\\slash", "日本", "tab\t", "re")
PATTERNS = {
    "^[a-z]{2,4}[0-9]$": ("ab1", "wxyz9"),
    "^(foo|bar)+$": ("foo", "barfoo"),
    "b.d": ("bad", "a bed here"),
    "^\\d{3}-\\d{4}$": ("555-1234",),
    "^A|Z$": ("A1", "nope Z"),
    '^[^"\\\\]*$': ("plain", ""),
    "^\\w+\\s\\w+$": ("two words",),
    "^.{0,3}$": ("", "abc"),
}
FORMATS = {
    "date": ("2024-02-29", "1999-12-31"),
    "time": ("23:59:59Z", "08:30:00.25+02:00"),
    "date-time": ("2024-02-29T00:00:00Z",),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000",),
    "email": ("ann.b@example.com",),
    "ipv4": ("127.0.0.1", "255.255.255.255"),
    "ipv6": ("::1", "2001:db8:0:0:0:0:0:1", "fe80::1:2"),
    "hostname": ("example.com",),
    "uri": ("https://example.com/a/b?q=1#top",),
    "duration": ("P1DT2H", "PT5S", "P1Y2M"),
}
#: A schema and some values that satisfy it, each in the order of the schema.
Made = tuple[Any, tuple[Any, ...]]


def _integers(low: int | None, high: int | None, left: int, right: int) -> Made:
    schema: dict[str, Any] = {"type": "integer"}
    low, high = (low, high) if low is None or high is None or low <= high else (high, low)
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    inside = [n for n in (low, high, left, right, 0) if n is not None]
    return schema, tuple(n for n in inside if (low is None or n >= low) and (high is None or n <= high))


def _numbers(low: float | None, high: float | None, exclude: bool, others: list[float]) -> Made:
    schema: dict[str, Any] = {"type": "number"}
    low, high = (low, high) if low is None or high is None or low <= high else (high, low)
    if low is not None:
        schema["exclusiveMinimum" if exclude else "minimum"] = low
    if high is not None:
        schema["maximum"] = round(high + 1, 2) if exclude and low is not None and high == low else high
        high = schema["maximum"]
    inside = [n for n in (low, high, *others) if n is not None]
    return schema, tuple(
        n for n in inside
        if (low is None or n > low or (n == low and not exclude)) and (high is None or n <= high)
    )  # fmt: skip


def _strings(low: int, high: int | None, texts: list[str]) -> Made:
    schema: dict[str, Any] = {"type": "string"}
    if low:
        schema["minLength"] = low
    if high is not None:
        schema["maxLength"] = low + high
    shortest = [(text + "x" * low)[: None if high is None else low + high] for text in texts]
    return schema, tuple(shortest)


_small = st.integers(-2000, 2000)
_cents = st.integers(-500_00, 500_00).map(lambda cents: cents / 100)
_texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=2)

_scalars: st.SearchStrategy[Made] = st.one_of(
    st.builds(_integers, st.none() | _small, st.none() | _small, _small, _small),
    st.builds(_numbers, st.none() | _cents, st.none() | _cents, st.booleans(), st.lists(_cents, max_size=3)),
    st.builds(_strings, st.integers(0, 5), st.none() | st.integers(0, 70), _texts),
    st.sampled_from([({"type": "boolean"}, (True, False)), ({"type": "null"}, (None,))]),
    st.sampled_from([({"pattern": p, "type": "string"}, texts) for p, texts in PATTERNS.items()]),
    st.sampled_from([({"type": "string", "format": f}, texts) for f, texts in FORMATS.items()]),
    st.lists(st.sampled_from([*WORDS, 1, 2.5, None, True, [1, "x"], {"k": []}]), min_size=1, max_size=5)
    .map(lambda values: ({"enum": values}, tuple(values))),
    st.sampled_from(WORDS).map(lambda word: ({"const": word}, (word,))),
)  # fmt: skip


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Made]) -> Made:
    members = draw(st.dictionaries(st.sampled_from(NAMES), inner, max_size=5))
    required = [name for name in members if draw(st.booleans())]
    schema: dict[str, Any] = {"type": "object", "properties": {n: s for n, (s, _) in members.items()}}
    if required:
        schema["required"] = required
    values: list[Any] = []
    for _ in range(2):
        written = {}
        for name, (_, good) in members.items():
            if good and (name in required or draw(st.booleans())):
                written[name] = draw(st.sampled_from(good))
        if all(name in written for name in required):
            values.append(written)
    match draw(st.sampled_from(["", "", "closed", "more", "any", "counted"])):
        case "closed":
            schema["additionalProperties"] = False
        case "any":
            schema["additionalProperties"] = True
            values = [value | {"zz": [1, {"y": None}]} for value in values]
        case "more":
            other, good = draw(inner)
            schema["additionalProperties"] = other
            values += [value | {"other": good[0], "abcd": good[0]} for value in values if good]
        case "counted":
            schema["minProperties"] = draw(st.integers(0, len(members)))
            schema["maxProperties"] = draw(st.integers(schema["minProperties"], len(members)))
            low, high = schema["minProperties"], schema["maxProperties"]
            values = [value for value in values if low <= len(value) <= high]
    return schema, tuple(values)


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Made]) -> Made:
    item, good = draw(inner)
    if draw(st.integers(0, 3)):
        low = draw(st.integers(0, 4))
        schema: dict[str, Any] = {"type": "array", "items": item, "minItems": low}
        high = low + 6
        if draw(st.booleans()):
            schema["maxItems"] = high = low + draw(st.integers(0, 4))
        values = [list(good[:1]) * size for size in {low, high, min(low + 1, high)} if good or not size]
        return schema, tuple(values)
    first = draw(st.lists(inner, min_size=1, max_size=3))
    schema = {
        "type": "array",
        "prefixItems": [s for s, _ in first],
        "items": draw(st.sampled_from([False, item])),
    }
    if draw(st.booleans()):
        schema["minItems"] = len(first)
    whole = [good[0] for _, good in first if good]
    return schema, ((whole,) if len(whole) == len(first) else ())


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Made]) -> Made:
    branches = draw(st.lists(inner, min_size=1, max_size=3))
    return {"anyOf": [s for s, _ in branches]}, tuple(v for _, good in branches for v in good)


#: Schemas inside the honoured part, and values that satisfy them.
made: st.SearchStrategy[Made] = st.recursive(
    _scalars, lambda inner: st.one_of(_objects(inner), _arrays(inner), _unions(inner)), max_leaves=8
)

_PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "email": {"type": "string", "format": "email"},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
#: Schemas in the forms that people and their tools send.
SUCH_AS_SENT: list[Any] = [
    _PERSON,
    {"type": "array", "items": _PERSON, "minItems": 1, "maxItems": 3},
    {
        "type": "object",
        "properties": {"sentiment": {"type": "string", "enum": ["good", "bad", "neither"]}},
        "required": ["sentiment"],
    },
    {
        "type": "object",
        "properties": {
            "temperature": {"type": "number", "minimum": -90, "maximum": 60},
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["temperature", "unit"],
    },
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"tag": {"type": "string", "maxLength": 8}},
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}}},
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}},
        "required": ["a"],
    },
    {
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2},
                },
                "required": ["value"],
            }
        },
        "$ref": "#/$defs/tree",
    },
    {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "explanation": {"type": "string", "maxLength": 30},
                        "output": {"type": "string", "maxLength": 10},
                    },
                    "required": ["explanation", "output"],
                    "additionalProperties": False,
                },
            },
            "final": {"type": "string"},
        },
        "required": ["steps", "final"],
        "additionalProperties": False,
    },
    {
        "oneOf": [
            {
                "type": "object",
                "properties": {"type": {"const": "circle"}, "r": {"type": "number"}},
                "required": ["type", "r"],
            },
            {
                "type": "object",
                "properties": {"type": {"const": "square"}, "side": {"type": "number"}},
                "required": ["type", "side"],
            },
        ],
        "discriminator": {"propertyName": "type"},
    },
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {
        "type": "object",
        "properties": {"phone": {"type": "string", "pattern": r"^\+?[0-9]{2,4}( [0-9]{2,4}){1,3}$"}},
        "required": ["phone"],
    },
    {
        "type": "object",
        "properties": {
            "point": {
                "type": "array",
                "prefixItems": [{"type": "number"}, {"type": "number"}],
                "minItems": 2,
                "maxItems": 2,
            }
        },
        "required": ["point"],
    },
    {
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "id": {"type": "string", "format": "uuid"},
        },
        "required": ["when", "id"],
    },
    {"type": "string", "enum": [f"option {n}" for n in range(40)]},
    {"type": "boolean"},
    {
        "type": "array",
        "items": {"type": "string", "enum": ["red", "green", "blue"]},
        "uniqueItems": True,
        "minItems": 1,
    },
    {
        "allOf": [
            {"$ref": "#/$defs/named"},
            {"properties": {"size": {"type": "integer"}}, "required": ["size"]},
        ],
        "$defs": {
            "named": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 1}},
                "required": ["name"],
            }
        },
    },
    {"type": "object", "properties": {"data": {}}, "required": ["data"]},
    {
        "type": "object",
        "properties": {"n": {"type": ["integer", "null"], "exclusiveMinimum": 0}},
        "required": ["n"],
    },
    {"type": "string", "maxLength": 12, "pattern": "^[^\\n]+$"},
]


# ── anything at all ───────────────────────────────────────────────────────────────────────────────

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 20) | st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "string", "integer", "object", "array", "#", "#/$defs/a", "(a|b)*c", "email", "a"]),
    st.text(max_size=4),
)
#: JSON in which the words of schemas stand in the wrong places, mostly.
scrambled = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SHAPES, "a", "b"]), inner, max_size=5)
    ),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict))

_TYPES = st.sampled_from(["string", "integer", "object", "array", "number", "null", "boolean"])
_COUNTS = st.integers(0, 6)
_NUMBERS = st.integers(-20, 20) | st.floats(-20, 20)


def _mixed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    members = st.dictionaries(st.sampled_from(["a", "b", "c", '"', "ab"]), inner, max_size=3)
    counts = {f"{end}{what}": _COUNTS for end in ("min", "max") for what in ("Properties", "Items", "Length")}
    bounds = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBERS)
    return st.fixed_dictionaries(
        {},
        optional=counts
        | bounds
        | {
            "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
            "properties": members,
            "required": st.lists(st.sampled_from(["a", "b", "z"]), unique=True, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "prefixItems": several,
            "uniqueItems": st.booleans(),
            "enum": st.lists(_LEAVES, min_size=1, max_size=4),
            "const": _LEAVES,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b"]),
            "$defs": st.fixed_dictionaries({"a": inner, "b": inner}),
            "pattern": st.sampled_from([*PATTERNS, "^a+$", "(a|b)*c", "z"]),
            "format": st.sampled_from([*FORMATS, "int32", "password"]),
        },
    )


#: Schemas in the right form whose keywords come together at random: most of them say strange things.
mixed: st.SearchStrategy[Any] = st.recursive(st.booleans() | _mixed(st.just({})), _mixed, max_leaves=6)
