"""Harmony, the format of gpt-oss: a reply is messages in channels.

    <|channel|>analysis<|message|>…<|end|>
    <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>
    <|start|>assistant<|channel|>final<|message|>…<|return|>

`analysis` is thought. Everything else is answer, unless its header names a recipient: that is a call. The
header is whatever stands before `<|message|>`; the recipient may stand in its role or in its channel. Source:
OpenAI, "OpenAI Harmony Response Format" (`docs/format.md` of the `harmony` repository).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from paddock.prompts.replies.calls import Offered, call, overlap
from paddock.prompts.replies.cursor import Wrong, json_value
from paddock.prompts.replies.said import Said

START, CHANNEL, MESSAGE, CONSTRAIN = "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"
END, CALL, RETURN = "<|end|>", "<|call|>", "<|return|>"
PRESERVED = (START, CHANNEL, MESSAGE, CONSTRAIN, END, CALL, RETURN)

#: With what a message ends. The last two begin the next one, and stay.
_END = re.compile("|".join(map(re.escape, (END, CALL, RETURN, START, CHANNEL))))
#: With what a header begins; the one that the prompt has begun goes on with any of the last four.
_HEADS = (START, CHANNEL, MESSAGE, CONSTRAIN, " to=", "to=")
_RECIPIENT = re.compile(r"(?:^|[\s>])to=([^\s<]+)")
_CHANNEL_NAME = re.compile(re.escape(CHANNEL) + r"\s*(\w*)")
#: What a header may consist of, as far as nothing of the reply is lost when it breaks off.
_MARK = re.compile(r"<(?:\|\w*(?:\|>?)?)?|\s+")
_WORDS = frozenset({"assistant", "analysis", "commentary", "final", "json"})
_THOUGHT = "analysis"
_NAMESPACE = "functions."


@dataclass(frozen=True, slots=True)
class _Header:
    """The header of a message; `text` is the whole of it."""

    text: str = ""

    @property
    def tool(self) -> str:
        """The function that is called, "" where none is."""
        found = _RECIPIENT.search(self.text)
        return found[1].removeprefix(_NAMESPACE) if found else ""

    @property
    def is_thought(self) -> bool:
        """Whether the message is in the channel for thoughts."""
        found = _CHANNEL_NAME.search(self.text)
        return found is not None and found[1] == _THOUGHT


class HarmonySplitter:
    """Takes a reply in channels apart. `prompt` may end inside a header, or inside a message, of the
    assistant's; usually it ends where a header is to go on."""

    def __init__(self, offered: Offered, prompt: str = "") -> None:
        self._offered = offered
        self._text = ""  # not yet told
        self._header: _Header | None = None  # of the message that is being read
        self._count = 0
        begun = prompt.rpartition(START)[2] if START in prompt else ""
        header, mark, told = begun.partition(MESSAGE)
        if mark and not _END.search(told):
            self._header = _Header(header + mark)
        elif CHANNEL in header and not mark:
            self._text = header[header.index(CHANNEL) :]

    def feed(self, text: str) -> Said:
        self._text += text
        return self._advance(ended=False)

    def flush(self) -> Said:
        return self._advance(ended=True)

    def _advance(self, ended: bool) -> Said:
        said = Said()
        while self._header is not None or self._begin(ended):
            header = self._header
            assert header is not None
            found = _END.search(self._text)
            if found is None and header.tool and not ended:
                break
            text = self._taken(found, ended)
            said += self._told(header, text, found)
            if found is None:
                break
        if ended and self._text:
            said += self._broken_off()
        return said

    def _begin(self, ended: bool) -> bool:
        """Whether a message has begun: its header is whole, or it has none."""
        start = self._text.lstrip()
        if start.startswith(_HEADS) or self._text.startswith(_HEADS):
            header, mark, rest = self._text.partition(MESSAGE)
            if not mark:
                return False
            self._header, self._text = _Header(header + mark), rest
            return True
        if not start or (not ended and any(head.startswith((start, self._text)) for head in _HEADS)):
            return False
        self._header = _Header()
        return True

    def _taken(self, found: re.Match[str] | None, ended: bool) -> str:
        """As much of the message as certainly belongs to it."""
        if found is not None:
            rest = found.start() if found[0] in (START, CHANNEL) else found.end()
            text, self._text = self._text[: found.start()], self._text[rest:]
            self._header = None
            return text
        unsure = 0 if ended else max(overlap(self._text, mark) for mark in PRESERVED)
        sure = len(self._text) - unsure
        text, self._text = self._text[:sure], self._text[sure:]
        return text

    def _told(self, header: _Header, text: str, found: re.Match[str] | None) -> Said:
        if header.is_thought and not header.tool:
            return Said(thinking=text)
        if not header.tool:
            return Said(content=text)
        try:
            made = call(header.tool, json_value(text) if text.strip() else {}, self._offered)
        except Wrong:
            ending = found[0] if found is not None and found[0] not in (START, CHANNEL) else ""
            return Said(content=header.text + text + ending)
        self._count += 1
        return Said(tool_calls=(replace(made, index=self._count - 1),))

    def _broken_off(self) -> Said:
        """A header that never became whole. It is not worth telling, unless somebody was called in it."""
        text, self._text = self._text, ""
        *words, last = [word for word in _MARK.split(text) if word] or [""]
        bare = _WORDS.issuperset(words) and any(word.startswith(last) for word in _WORDS)
        return Said(content="" if bare else text)
