"""Where pictures and recordings stand in a prompt.

Templates know text only, so a tag stands for each medium from here until the prompt is sent. Where the text
of a message says `[img]`, its media stand there, in order; the others stand before the text. A tag holds a
secret of the request, so that nobody can write one into a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from paddock.messages import Medium, Message

_HERE = re.compile(r"\[img\]")
_NUMBERED = re.compile(r"\[img(?:-([0-9]{1,4}))?\]")


def tagged(messages: Sequence[Message], secret: str) -> tuple[tuple[Message, ...], tuple[Medium, ...]]:
    """The messages with their media in their texts as tags, and the media by their numbers."""
    media: list[Medium] = []
    said = []
    for message in messages:
        tags = [_tag(len(media) + number, secret) for number in range(len(message.media))]
        media += message.media
        said.append(replace(message, content=_placed(tags, message.content)))
    return tuple(said), tuple(media)


def _placed(tags: Sequence[str], content: str) -> str:
    left = iter(tags)
    content = _HERE.sub(lambda here: next(left, here[0]), content)
    return "".join(left) + content


def tagged_prompt(prompt: str, count: int, secret: str) -> str:
    """A raw prompt with tags for `count` media. Who writes a prompt may also number them, as in `[img-0]`."""
    named = {int(found[1]) for found in _NUMBERED.finditer(prompt) if found[1]}
    left = (number for number in range(count) if number not in named)

    def put(here: re.Match[str]) -> str:
        number = int(here[1]) if here[1] else next(left, count)
        return _tag(number, secret) if number < count else here[0]

    text = _NUMBERED.sub(put, prompt)
    return "".join(_tag(number, secret) for number in left) + text


def parts(text: str, secret: str) -> Iterator[str | int]:
    """`text` cut at its tags: texts, maybe empty, and between two of them the number of a medium."""
    for place, part in enumerate(re.split(_pattern(secret), text)):
        yield int(part) if place % 2 else part


def untagged(text: str, secret: str) -> str:
    """`text` for people: `[img-0]` where a tag stands."""
    return re.sub(_pattern(secret), r"[img-\1]", text)


def _tag(number: int, secret: str) -> str:
    return f"[img-{number}-{secret}]"


def _pattern(secret: str) -> str:
    return rf"\[img-([0-9]+)-{re.escape(secret)}\]"
