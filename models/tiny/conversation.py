"""A conversation, and the text it becomes.

`segments` writes in Python what `chat_template.jinja` writes in Jinja, because training must know which
parts of the text are the model's own. `package.py` compares the two on hundreds of conversations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
Segment = tuple[str, bool]

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


def tool_line(tool: Message) -> str:
    function = tool["function"]
    line = "- " + function["name"]
    for key, value in sorted(function.get("parameters", {}).get("properties", {}).items()):
        kind = value.get("type")
        line += f" {key}:{kind if isinstance(kind, str) else 'any'}"
    return line + (f": {function['description']}" if function.get("description") else "")


def system_text(messages: list[Message], tools: list[Message]) -> str | None:
    """What the first system turn says, if there is one."""
    own = messages[0]["content"] if messages[0]["role"] == "system" else None
    if not tools:
        return own
    listed = "\n".join(["Tools:", *map(tool_line, tools)])
    return listed if own is None else f"{own}\n\n{listed}"


def said(message: Message) -> str:
    calls = (call["function"] for call in message.get("tool_calls", ()))
    return (message.get("content") or "") + "".join(
        call_text(call["name"], call["arguments"]) for call in calls
    )


def segments(conversation: Conversation) -> list[Segment]:
    """The text in pieces, each marked true where the model has to write it."""
    messages, pieces = conversation.messages, list[Segment]()
    system = system_text(messages, conversation.tools)
    if system is not None:
        pieces.append((f"<|im_start|>system\n{system}<|im_end|>\n", False))
    rest = messages[1:] if messages[0]["role"] == "system" else messages
    for position, message in enumerate(rest):
        if message["role"] == "assistant":
            pieces.append(("<|im_start|>assistant\n", False))
            if position == len(rest) - 1 and conversation.thought is not None:
                pieces.append(("<think>", False))
                pieces.append((f"{conversation.thought}</think>", True))
            pieces.append((f"{said(message)}<|im_end|>", True))
            pieces.append(("\n", False))
        elif message["role"] == "tool":
            pieces.append(
                (f"<|im_start|>user\n<tool_response>{message['content']}</tool_response><|im_end|>\n", False)
            )
        else:
            pieces.append((f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n", False))
    return pieces
