"""Tool definitions and tool calls as Go templates see them.

A definition prints as JSON, whole, with the keys that Ollama knows in Ollama's order and all others after
them in their own. Numbers become floats, as all numbers of JSON do in Go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paddock.messages import ToolCall
from paddock.prompts.gotemplate.values import JsonList, JsonMap, Names, Record

_TOOL = ("type", "items", "function")
_FUNCTION = ("name", "description", "parameters")
_PARAMETERS = ("type", "$defs", "items", "required", "properties")
_PROPERTY = ("anyOf", "type", "items", "description", "enum", "properties", "required")


def definitions(tools: Sequence[Mapping[str, Any]]) -> JsonList:
    """The value of `.Tools`."""
    return JsonList(_tool(tool) for tool in tools)


def calls(made: Sequence[ToolCall]) -> tuple[Record, ...]:
    """The value of a message's `.ToolCalls`."""
    return tuple(
        Record(
            "api.ToolCall",
            {
                "ID": call.id,
                "Function": Record(
                    "api.ToolCallFunction",
                    {"Index": call.index, "Name": call.name, "Arguments": arguments(call.arguments)},
                ),
            },
        )
        for call in made
    )


def arguments(made: Mapping[str, Any]) -> JsonMap:
    """The arguments of a call: a map that prints as JSON in its own order."""
    return JsonMap((name, plain(value)) for name, value in made.items())


def plain(value: Any) -> Any:
    """A JSON value as Go's decoder makes it: every number a float. Objects keep the order of their keys."""
    match value:
        case bool():
            return value
        case int():
            return _float(value)
        case list() | tuple():
            return [plain(each) for each in value]
        case Mapping():
            return JsonMap((str(name), plain(each)) for name, each in value.items())
        case _:
            return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _tool(tool: Mapping[str, Any]) -> Record:
    function = tool.get("function")
    inside = _function(function) if isinstance(function, Mapping) else None
    fields = {"Type": tool.get("type") or "", "Items": plain(tool.get("items")), "Function": inside}
    shown = JsonMap(_ordered(tool, _TOOL))
    if inside is not None:
        shown["function"] = inside
    return Record("api.Tool", fields, shown)


def _function(function: Mapping[str, Any]) -> Record:
    parameters = function.get("parameters")
    inside = _parameters(parameters) if isinstance(parameters, Mapping) else None
    shown = JsonMap(_ordered(function, _FUNCTION))
    if inside is not None:
        shown["parameters"] = inside
    fields = {
        "Name": function.get("name") or "",
        "Description": function.get("description") or "",
        "Parameters": inside if inside is not None else _parameters({}),
    }
    return Record("api.ToolFunction", fields, shown)


def _parameters(schema: Mapping[str, Any]) -> Record:
    properties = _properties(schema)
    shown = JsonMap(_ordered(schema, _PARAMETERS))
    if "properties" in shown and properties is not None:
        shown["properties"] = properties
    fields = {
        "Type": _name_of(schema.get("type")),
        "Defs": plain(schema.get("$defs")),
        "Items": plain(schema.get("items")),
        "Required": plain(schema.get("required")),
        "Properties": properties,
    }
    return Record("api.ToolFunctionParameters", fields, shown)


def _property(schema: Mapping[str, Any]) -> Record:
    choices = schema.get("anyOf")
    known = isinstance(choices, list | tuple) and all(isinstance(each, Mapping) for each in choices)
    inside = tuple(_property(each) for each in choices or ()) if known else None
    properties = _properties(schema)
    shown = JsonMap(_ordered(schema, _PROPERTY))
    if inside is not None:
        shown["anyOf"] = inside
    if "properties" in shown and properties is not None:
        shown["properties"] = properties
    fields = {
        "AnyOf": inside,
        "Type": _names(schema.get("type")),
        "Items": plain(schema.get("items")),
        "Description": schema.get("description") or "",
        "Enum": plain(schema.get("enum")),
        "Properties": properties,
        "Required": plain(schema.get("required")),
    }
    return Record("api.ToolProperty", fields, shown)


def _properties(schema: Mapping[str, Any]) -> JsonMap | None:
    found = schema.get("properties")
    if not isinstance(found, Mapping):
        return None
    return JsonMap(
        (str(name), _property(each) if isinstance(each, Mapping) else plain(each))
        for name, each in found.items()
    )


def _ordered(schema: Mapping[str, Any], known: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for name in (*known, *(name for name in schema if name not in known)):
        if name in schema:
            yield name, plain(schema[name])


def _name_of(type_: Any) -> str:
    return type_ if isinstance(type_, str) else ""


def _names(type_: Any) -> Names:
    if isinstance(type_, str):
        return Names((type_,))
    return Names(str(each) for each in type_) if isinstance(type_, list | tuple) else Names()
