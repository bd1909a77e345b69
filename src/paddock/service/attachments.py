"""Pictures and recordings on their way into a prompt: allowed, placed, weighed, and given to the engine.

While a prompt is made, a medium is a tag in its text. In the tokens of the finished prompt it is as many
NO_TOKENs as the engine will need for it, so whoever counts tokens counts media too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from paddock.engines.dialect import Mixed
from paddock.engines.runner import Runner
from paddock.errors import BadField, BadRequest, InvalidMedia, Unsupported
from paddock.messages import Medium, Message
from paddock.prompts import placing
from paddock.service.subjects import Subject

#: Stands among tokens where the engine reads a medium.
NO_TOKEN = -1
#: Bytes that an engine may take to decode what one prompt shows; it holds all of it at once.
MOST_UNPACKED = 2 << 30
_ABILITIES = {"image": "vision", "audio": "audio"}


@dataclass(frozen=True, slots=True)
class Attachments:
    """The media of one request, by the numbers in their tags; the last `asked` of them belong to the question
    itself."""

    media: tuple[Medium, ...] = ()
    asked: int = 0
    secret: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    def shown(self, text: str) -> str:
        """A tagged text for people to read."""
        return placing.untagged(text, self.secret) if self.media else text


@dataclass(frozen=True, slots=True)
class Read:
    """What the engine will read: `tokens` and, where there are media among them, how to send it. `text` is
    all of it for people, empty where only the tokens are known."""

    tokens: tuple[int, ...]
    text: str
    mixed: Mixed | None = None


def require(subject: Subject, media: Iterable[Medium]) -> None:
    """Raises Unsupported where the model's files say that it cannot take one of `media` in."""
    for ability in sorted({_ABILITIES[medium.kind] for medium in media}):
        if ability not in subject.abilities:
            raise Unsupported(f"{subject.model.name.full} does not support {ability}", ability)


def in_messages(messages: Sequence[Message]) -> tuple[tuple[Message, ...], Attachments]:
    """The messages with their media as tags."""
    if not any(message.media for message in messages):
        return tuple(messages), Attachments()
    attached = Attachments()
    said, media = placing.tagged(messages, attached.secret)
    return said, replace(attached, media=media, asked=len(messages[-1].media))


def in_raw(prompt: str, media: tuple[Medium, ...]) -> tuple[str, Attachments]:
    """A raw prompt with its media as tags."""
    attached = Attachments(media, len(media))
    return placing.tagged_prompt(prompt, len(media), attached.secret) if media else prompt, attached


async def read(text: str, attached: Attachments, runner: Runner, context: Sequence[int] = ()) -> Read:
    """What the engine reads for a tagged text after the tokens of `context`.

    Raises BadField for a medium that the engine cannot decode, Unsupported where it has no projector for
    one or the model's template no place, and BadRequest for too many large ones and for a prompt that ends
    with a medium, which would abort the engine.
    """
    parts = list(placing.parts(text, attached.secret)) if attached.media else []
    places = [part for part in parts if isinstance(part, int)]
    if attached.asked and max(places, default=-1) < len(attached.media) - attached.asked:
        raise Unsupported("the template of this model has no place for what the question shows", "vision")
    used = [attached.media[place] for place in places]
    if not used:
        tokens = await runner.tokenize(text, special=not context)
        return Read((*context, *tokens), "" if context else text)
    _require_senses(used, runner)
    if (unpacked := sum(medium.unpacked for medium in used)) > MOST_UNPACKED:
        raise BadRequest(
            f"the pictures and recordings of this prompt take {unpacked >> 20} MiB when they are decoded; at "
            f"most {MOST_UNPACKED >> 20} MiB can be read at once"
        )
    several = {medium.digest: medium for medium in used}  # a conversation may show one twice
    weighed = await asyncio.gather(*(_weigh(medium, runner) for medium in several.values()))
    weights = dict(zip(several, weighed, strict=True))
    pieces: list[str | int] = []
    for part in parts:
        pieces += [part] if isinstance(part, str) else [NO_TOKEN] * weights[attached.media[part].digest]
    tokens = await runner.tokenize(pieces, special=not context)
    if tokens[-1] == NO_TOKEN:
        raise BadRequest("the prompt ends with a picture or a recording; some text has to follow it")
    # Only as text can a context stand before a medium; the engine puts BOS there again.
    before = (await runner.detokenize(context)).removeprefix(runner.abilities.bos) if context else ""
    marker = runner.abilities.marker
    sent = before + "".join(part if isinstance(part, str) else marker for part in parts)
    return Read((*context, *tokens), before + attached.shown(text), Mixed(sent, tuple(used)))


def _require_senses(media: Sequence[Medium], runner: Runner) -> None:
    kinds = {medium.kind for medium in media}
    for kind, able in (("image", runner.abilities.vision), ("audio", runner.abilities.audio)):
        if kind in kinds and not able:
            ability = _ABILITIES[kind]
            raise Unsupported(f"the engine found no projector for {ability} with this model", ability)


async def _weigh(medium: Medium, runner: Runner) -> int:
    try:
        return await runner.weigh(medium)
    except InvalidMedia as error:
        raise BadField(medium.field, f"invalid value for {medium.field}: {error}") from error
