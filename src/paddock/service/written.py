"""What an engine wrote, put right where it had to hold text back.

An engine sends the text of a token once it is certain. While a stop word may be under way, and inside a
character, it is not, and then llama-server tells of single tokens what is not so:

- a token whose text is held back comes without text, and the next one comes with the text of them all,
  in its log-probabilities too;
- text that is still held back when the limit of the answer is reached never comes;
- a token that ends inside a character is counted and not told;
- the tokens of a stop word are told, although its text is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paddock.engines.runner import Piece, Runner
from paddock.messages import Logprob


class Written:
    """Takes the pieces of one answer as they come, and gives them out so that text, tokens and
    log-probabilities belong together. `stops` are the stop words of the request."""

    def __init__(self, runner: Runner, stops: Sequence[str]) -> None:
        self._runner = runner
        self._stops = tuple(filter(None, stops))
        self._held: list[Piece] = []
        self._given: list[Piece] = []
        self._counts: list[int] = []  # tokens of each piece given out, those included that were not told
        self._written = 0

    async def feed(self, piece: Piece) -> Piece | None:
        """`piece` with everything that was held back until now; None while nothing can be said. The end
        always comes. Raises EngineError."""
        if not piece.text and piece.end is None:
            if piece.tokens:
                self._held.append(piece)
            return None
        if self._held:
            piece = await self._joined(piece)
        self._counts.append(piece.written - self._written)
        self._written = piece.written
        self._given.append(piece)
        return piece

    async def tokens(self) -> tuple[int, ...]:
        """The tokens of what was given out, for whoever wants to go on from there: without a stop word, and
        with those that end inside a character. Raises EngineError."""
        unsure = [
            number
            for number, piece in enumerate(self._given)
            if self._counts[number] != len(piece.tokens) or self._cut(number)
        ]
        found = await self._runner.tokenize_each([self._given[number].text for number in unsure])
        again = dict(zip(unsure, found, strict=True))
        tokens: list[int] = []
        for number, piece in enumerate(self._given):
            tokens += self._likely(number, again[number]) if number in again else piece.tokens
        return tuple(tokens)

    async def _joined(self, piece: Piece) -> Piece:
        held, self._held = self._held, []
        text, at_stop_word = piece.text, piece.end is not None and piece.end.at_stop_word
        if piece.end is not None and piece.end.reason == "length":
            text = await self._kept(held)
        whole = replace(
            piece,
            text=text,
            tokens=(*(token for each in held for token in each.tokens), *piece.tokens),
            written=max(piece.written, held[-1].written),
        )
        before = [logprob for each in held for logprob in each.logprobs]
        if self._stops and before and (text or at_stop_word):  # or it is a mark that has no text
            return replace(whole, logprobs=await self._spelled(before, piece.logprobs, whole))
        return replace(whole, logprobs=(*before, *piece.logprobs))

    async def _kept(self, held: Sequence[Piece]) -> str:
        """The text of tokens that wait for the rest of a stop word, now that it will not come."""
        if not self._stops:
            return ""
        text = await self._runner.detokenize([token for piece in held for token in piece.tokens])
        beginnings = tuple(stop[:size] for stop in self._stops for size in range(1, len(stop)))
        # Anything else has no text at all, like a mark that is only for the model.
        return text if text.endswith(beginnings) else ""

    async def _spelled(
        self, before: Sequence[Logprob], last: Sequence[Logprob], whole: Piece
    ) -> tuple[Logprob, ...]:
        """Log-probabilities of tokens whose text was held back, each with the text of its own token."""
        spelled = [await self._own(logprob) for logprob in before]
        known = "".join(logprob.token for logprob in spelled)
        if not last:
            return tuple(spelled)
        if whole.text.startswith(known):
            return (*spelled, _with_text(last[0], whole.text[len(known) :]), *last[1:])
        return (*spelled, *[await self._own(logprob) for logprob in last])

    async def _own(self, logprob: Logprob) -> Logprob:
        for other in logprob.top:
            if other.id == logprob.id:
                return replace(logprob, token=other.token, bytes=other.bytes)
        return _with_text(logprob, await self._runner.detokenize([logprob.id]))

    def _cut(self, number: int) -> bool:
        """Whether a stop word was cut off this piece. It is the last one, or it is the one before where
        there is nothing left of the stop word to tell at the end."""
        end = self._given[-1].end
        if end is None or not end.at_stop_word:
            return False
        return number == len(self._given) - (1 if self._given[-1].tokens else 2)

    def _likely(self, number: int, found: tuple[int, ...]) -> tuple[int, ...]:
        """Of the tokens `found` for the text of a piece those that were most likely written. Some
        vocabularies put a space before a text, which is one token more."""
        known, count = self._given[number].tokens, self._counts[number]
        if not self._cut(number) and known and len(found) > count and found[-len(known) :] == known:
            return found[len(found) - count :]
        return found


def _with_text(logprob: Logprob, text: str) -> Logprob:
    return replace(logprob, token=text, bytes=tuple(text.encode()))
