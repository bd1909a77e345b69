"""Calls after a tag that was inferred from a Go template, read by Ollama's lenient rule.

After the tag, or as the whole reply where the tag is a bare bracket, comes JSON, perhaps after the name of
the tool. The arguments are what the object has under `arguments` or `parameters`, or under the tool's name,
even further inside; otherwise they are the object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, call
from paddock.prompts.replies.cursor import Cursor, Wrong, json_value

_BARE = ("{", "[")
_FENCE = "```"
#: Between tag and object there is a name, and little else. What is longer is a text about something.
_LONGEST_TITLE = 200
_OBJECT = re.compile(r"[\[{]")


def grammar(tag: str) -> Grammar:
    """How calls are read that begin with `tag`."""
    closing = _closing(tag)

    def read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
        cursor.literal(tag)
        if tag.endswith(_BARE):  # it belongs to the JSON
            cursor.at -= 1
        title = _title(cursor)
        text = cursor.bracketed("{[")
        value = json_value(text)
        found = [_call(entry, title, text, offered) for entry in _entries(value)]
        if closing:
            cursor.space()
            cursor.optional(closing)
        return found

    return Grammar(read, leading=(tag,)) if tag in _BARE else Grammar(read, marks=(tag,))


def _closing(tag: str) -> str:
    """What may stand after a call, as the other half of the tag."""
    if _FENCE in tag:
        return _FENCE
    return f"</{tag[1:]}" if tag.startswith("<") else ""


def _title(cursor: Cursor) -> str:
    """What stands before the object."""
    place = _OBJECT.search(cursor.text, cursor.at)
    end = place.start() if place else len(cursor.text)
    if end - cursor.at > _LONGEST_TITLE:
        raise Wrong
    title, cursor.at = cursor.text[cursor.at : end], end
    return title


def _entries(value: Any) -> list[Any]:
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Wrong
    return entries


def _call(entry: dict[str, Any], title: str, text: str, offered: Offered) -> ToolCall:
    given = entry.get("name")
    if isinstance(given, str) and (offered is None or given in offered):
        name = given
    else:
        name = _earliest(title, offered) or _earliest(text, offered)
    return call(name, _arguments(entry, name), offered)


def _earliest(text: str, offered: Offered) -> str:
    """The known name that stands first in `text`, the longest where several do."""
    places = [(text.find(name), -len(name), name) for name in offered or () if name and name in text]
    return min(places)[2] if places else ""


def _arguments(entry: dict[str, Any], name: str) -> Any:
    found = _within(entry, name)
    return ({} if entry.get("name") == name else entry) if found is None else found


def _within(value: Any, name: str) -> Any:
    """The arguments somewhere in `value`; None where there are none."""
    if isinstance(value, list):
        return next((found for each in value if (found := _within(each, name)) is not None), None)
    if not isinstance(value, Mapping):
        return None
    if "name" in value:
        for key in ("arguments", "parameters"):
            if isinstance(value.get(key), dict | str):
                return value[key]
    if isinstance(value.get(name), dict):
        return value[name]
    return _within(list(value.values()), name)
