"""Calls and their results, tied to each other for templates that insist on it.

Clients leave out what a template may want: the id of a call, the id or the name a result belongs to. What is
missing is filled in from the order of the messages, always the same way, so that a conversation that goes on
renders to a prompt that goes on. Mistral's templates refuse ids that are not nine letters and digits;
for those every id is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from paddock.messages import Message, ToolCall

_SHORT = re.compile(r"[A-Za-z0-9]{9}")


def linked(messages: Sequence[Message], short_ids: bool = False) -> tuple[Message, ...]:
    """`messages` with an id on every call, and with the id and the name of its call on every result."""
    waiting: list[tuple[ToolCall, str]] = []  # calls without a result yet, with the id they were sent under
    count = 0
    found = []
    for message in messages:
        if message.role == "tool":
            message = _answered(message, waiting)
        elif message.tool_calls:
            waiting, calls = [], []
            for call in message.tool_calls:
                count += 1
                named = replace(call, id=_id(call.id, count, short_ids))
                calls.append(named)
                waiting.append((named, call.id))
            message = replace(message, tool_calls=tuple(calls))
        found.append(message)
    return tuple(found)


def _id(given: str, count: int, short: bool) -> str:
    return given if given and (not short or _SHORT.fullmatch(given)) else f"call{count:05}"


def _answered(message: Message, waiting: list[tuple[ToolCall, str]]) -> Message:
    for place, (call, sent_as) in enumerate(waiting):
        same_id = not message.tool_call_id or message.tool_call_id == sent_as
        same_name = message.tool_call_id or not message.tool_name or message.tool_name == call.name
        if same_id and same_name:
            del waiting[place]
            return replace(message, tool_call_id=call.id, tool_name=message.tool_name or call.name)
    return message
