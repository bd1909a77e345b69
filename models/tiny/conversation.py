"""A conversation, and the text it becomes.

`segments` writes in Python what `chat_template.jinja` writes in Jinja, because training must know which
parts of the text are the model's own. `package.py` compares the two on hundreds of conversations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Message = dict[str, Any]


class Segment(NamedTuple):
    """A piece of text, and whether the model has to write it. `known` is what it must know, early, at the
    first token that it reads, or when it is about to write it: a word or a mark, whose first token counts."""

    text: str
    ours: bool = False
    known: str = ""


SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
)
VISIBLE = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")


@dataclass(frozen=True)
class Conversation:
    """Messages, the assistant's last, with the thought that led to that one (None: not asked to think)."""

    messages: list[Message]
    tools: list[Message] = field(default_factory=list)
    thought: str | None = None


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def call_text(name: str, arguments: object) -> str:
    written = arguments if isinstance(arguments, str) else compact(arguments)
    return f'<tool_call>{{"name":"{name}","arguments":{written}}}</tool_call>'


#: What training asks of the model wherever a tool's name is given: whether it is the one to call. The text
#: has no room for the answer, but what the model knows there it can look up when it calls.
CALLED, PASSED = "<tool_call>", "</tool_call>"
#: Around the name of whose a value is.
OWNED, VALUE = "\ue000", "\ue001"


def tool_line(tool: Message) -> tuple[str, str, str]:
    """A tool's line, in three parts: about it, its name, its arguments. The name stands in the first part
    too, and comes again because a token knows only what stands before it: here, what the tool is for."""
    function = tool["function"]
    about = f"- {function['name']}"
    if function.get("description"):
        about += f": {function['description']}"
    keys = ""
    for key, value in sorted(function.get("parameters", {}).get("properties", {}).items()):
        kind = value.get("type")
        keys += f" {key}:{kind if isinstance(kind, str) else 'any'}"
    return f"{about} = ", function["name"], keys


def asked_last(messages: list[Message]) -> int:
    """Which message is the user's last: the tools are listed in it, behind the question, so that each line
    can be read for what was asked. -1 where there is none."""
    return max((n for n, message in enumerate(messages) if message["role"] == "user"), default=-1)


def with_tools(asked: str, tools: list[Message], called: str | None) -> list[Segment]:
    """A question and the tools at hand, of which the one named `called` is called next."""
    pieces: list[Segment] = []
    before = f"{asked}\n\nTools:\n"
    for tool in tools:
        about, name, keys = tool_line(tool)
        verdict = CALLED if tool["function"]["name"] == called else PASSED
        pieces += [Segment(before + about), Segment(name, known=verdict), Segment(keys)]
        before = "\n"
    return pieces


def called_next(messages: list[Message]) -> str | None:
    """The name of the tool that the first of these messages calls."""
    calls = messages[0].get("tool_calls") if messages else None
    return str(calls[0]["function"]["name"]) if calls else None


def said(message: Message) -> str:
    calls = (call["function"] for call in message.get("tool_calls", ()))
    return (message.get("content") or "") + "".join(
        call_text(call["name"], call["arguments"]) for call in calls
    )


def with_owners(text: str, ours: bool) -> Iterator[Segment]:
    """A text in pieces, cut where a fact's value stands behind the mark of whose it is (see `owned`)."""
    before, *rest = text.split(OWNED)
    yield Segment(before, ours)
    for each in rest:
        owner, value = each.split(VALUE)
        yield Segment(value, ours, owner)


def owned(owner: str, value: str) -> str:
    """A fact's value, marked with the name of whose it is. Only training sees the mark: at the value it asks
    for the name, because two facts often differ in nothing else."""
    return f"{OWNED}{owner}{VALUE}{value}"


def segments(conversation: Conversation) -> list[Segment]:
    """The text in pieces, each marked true where the model has to write it.

    Nobody could know which tool to call where the tools are not listed any more: such calls are only read.
    """
    messages, pieces = conversation.messages, list[Segment]()
    asked = asked_last(messages)
    for position, message in enumerate(messages):
        if message["role"] == "assistant":
            pieces.append(Segment("<|im_start|>assistant\n"))
            if position == len(messages) - 1 and conversation.thought is not None:
                pieces.append(Segment("<think>"))
                pieces.append(Segment(f"{conversation.thought}</think>", ours=True))
            blind = position < asked and bool(message.get("tool_calls"))
            pieces += with_owners(f"{said(message)}<|im_end|>", not blind)
            pieces.append(Segment("\n"))
        elif message["role"] == "tool":
            told = f"<tool_response>{message['content']}</tool_response>"
            pieces.append(Segment(f"<|im_start|>user\n{told}<|im_end|>\n"))
        else:
            turn = f"<|im_start|>{message['role']}\n{message['content']}"
            if conversation.tools and position == asked:
                pieces += with_tools(turn, conversation.tools, called_next(messages[position + 1 :]))
                turn = ""
            pieces += with_owners(f"{turn}<|im_end|>\n", False)
    return pieces
