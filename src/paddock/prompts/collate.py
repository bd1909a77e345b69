"""Which messages a model sees, and which tokens, when not all of them fit.

Pure functions. Whoever shortens a prompt is told by how much, because no prompt is shortened silently.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from paddock.messages import Message, Think


def conversation(
    stored: Sequence[Message], asked: Sequence[Message], system: str | None
) -> tuple[Message, ...]:
    """The model's stored messages before those of the request, and its system prompt before all, unless
    the request begins with one of its own."""
    opening = () if not system or (asked and asked[0].role == "system") else (Message("system", system),)
    return (*opening, *stored, *asked)


def goes_on(messages: Sequence[Message]) -> bool:
    """Whether the last message is an answer that was begun, to be gone on with word for word."""
    last = messages[-1] if len(messages) > 1 else Message("")
    return last.role == "assistant" and bool(last.content) and not last.tool_calls


_THOUGHT = re.compile(r"<think>.*?</think>\n*", re.DOTALL)


def without_old_thoughts(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The thoughts that are part of an answer's text taken out of all answers before the last question:
    what Qwen 3 and DeepSeek-R1 were trained to see."""
    users = [number for number, message in enumerate(messages) if message.role == "user"]
    last = users[-1] if users else 0
    return tuple(
        replace(message, content=_THOUGHT.sub("", message.content))
        if number < last and message.role == "assistant"
        else message
        for number, message in enumerate(messages)
    )


def template_values(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as the variables that chat templates expect (the shape of OpenAI's API)."""
    return [_template_value(message) for message in messages]


def _template_value(message: Message) -> dict[str, Any]:
    value: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        value["reasoning_content"] = message.thinking
    if message.tool_calls:
        value["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_name:
        value["name"] = message.tool_name
    if message.tool_call_id:
        value["tool_call_id"] = message.tool_call_id
    return value


def tool_values(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tools as templates expect them, which also ask for the type that many clients leave out."""
    return [{"type": "function", **tool} for tool in tools]


def template_variables(think: Think | None) -> dict[str, Any]:
    """What a chat template is told about thinking; nothing where the model cannot think."""
    if think is None:
        return {}
    effort = {"reasoning_effort": think} if isinstance(think, str) else {}
    return {"enable_thinking": bool(think), **effort}


def without_oldest(messages: Sequence[Message], drop: int) -> tuple[Message, ...]:
    """`messages` less the `drop` oldest; system messages among those come back in front."""
    kept = [message for message in messages[:drop] if message.role == "system"]
    return (*kept, *messages[drop:])


def beginnings(messages: Sequence[Message]) -> tuple[int, ...]:
    """How many of the oldest messages may be dropped. What is left begins with a user's turn, because
    templates refuse an answer without its question, and it is never nothing: without a second user's turn
    only the last message stays."""
    turns = tuple(number for number, message in enumerate(messages) if number and message.role == "user")
    return (0, *(turns or range(max(len(messages) - 1, 1), len(messages))))


async def fewest_dropped(choices: Sequence[int], fits: Callable[[int], Awaitable[bool]]) -> int:
    """The least of `choices`, in rising order, that fits; the last where none does. `fits` is asked about
    log2 as many times."""
    low, high = 0, len(choices) - 1
    while low < high:
        middle = (low + high) // 2
        if await fits(choices[middle]):
            high = middle
        else:
            low = middle + 1
    return choices[low]


def drop_middle(tokens: tuple[int, ...], window: int, keep: int) -> tuple[int, ...]:
    """`tokens` cut to leave room for an answer in `window`: the first `keep` stay, and so do the last ones.
    Never more than half a window is kept of the beginning; a negative `keep` asks for as much as that.

    The length that is aimed at is Ollama's: half of what is not kept is left free for the answer.
    """
    keep = window // 2 if keep < 0 else min(keep, window // 2)
    target = window - max((window - keep) // 2, 1)
    if len(tokens) <= target:
        return tokens
    return (*tokens[:keep], *tokens[len(tokens) - (target - keep) :])
