"""What an answer is held to: the grammar that `format` or `grammar` of a request ask for.

Grammars are made before a model is loaded, so that a schema that cannot be held is refused at once, and on a
thread, because an intricate one takes a while. The last ones are kept: whoever asks with a schema asks with
it again.
"""

from __future__ import annotations

import asyncio

import msgspec

from paddock.errors import BadRequest
from paddock.messages import Common, GenerateRequest, Think
from paddock.prompts import grammar
from paddock.prompts.grammar import Grammar, Thought
from paddock.prompts.replies import harmony
from paddock.prompts.replies.formats import Channels, Format, Marked

_KEPT = 64
#: Special tokens that no answer ends with. An engine may spell a grammar's text with them, and would then
#: leave them out of the answer, which would be shorter than the grammar allows.
SPECIAL = (
    "<s>", "<bos>", "<unk>", "<pad>", "[INST]", "[/INST]", "<|begin_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|im_start|>", "<start_of_turn>", "<|start|>", "<|channel|>", "<|message|>",
    "<|constrain|>", "<|user|>", "<|assistant|>", "<|system|>", "<|fim_prefix|>", "<|fim_suffix|>",
    "<|fim_middle|>", "<tool_call>", "</tool_call>", "<think>", "</think>",
)  # fmt: skip


class Constraints:
    """Makes grammars of requests."""

    def __init__(self) -> None:
        self._known: dict[bytes, Grammar] = {}

    async def of(self, request: Common) -> Grammar | None:
        """The grammar of an answer; None where nothing was asked. Raises BadSchema, BadGrammar, and
        BadRequest where both are asked for."""
        if request.grammar and request.format is not None:
            raise BadRequest("format and grammar exclude each other")
        if not request.grammar and request.format is None:
            return None
        key = msgspec.json.encode((request.grammar, request.format))
        if key not in self._known:
            found = await asyncio.to_thread(_made, request)
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return self._known[key]


def _made(request: Common) -> Grammar:
    if request.grammar:
        return grammar.of_text(request.grammar)
    if request.format == "json" or request.format is None:
        return grammar.of_json()
    return grammar.of_schema(request.format)


async def text(
    found: Grammar | None, request: Common, speech: Format, think: Think | None, ending: str
) -> str:
    """The grammar as an engine takes it, behind the thought that the reply to a prompt with this ending may
    begin with; empty for none."""
    if found is None:
        return ""
    return await asyncio.to_thread(_written, found, request, speech, think, ending)


def _written(found: Grammar, request: Common, speech: Format, think: Think | None, ending: str) -> str:
    if isinstance(request, GenerateRequest) and (request.suffix or (request.raw and not think)):
        return found.text
    if isinstance(speech, Channels):
        begun = ending.rpartition(harmony.START)[2]
        header, told, _ = begun.partition(harmony.MESSAGE)
        if not told or "analysis" in header:
            found = grammar.after_thought(found, _CHANNELS, opened=bool(told))
    elif isinstance(speech, Marked) and speech.thoughts is not None and think:
        tags = speech.thoughts
        thought = Thought(tags.opening, tags.closing)
        found = grammar.after_thought(found, thought, opened=tags.opened_by(ending))
    return found.text


_CHANNELS = Thought(
    opening=f"{harmony.CHANNEL}analysis{harmony.MESSAGE}",
    closing=harmony.END,
    between=f"{harmony.START}assistant",
    head=f"{harmony.CHANNEL}final{harmony.MESSAGE}",
)
