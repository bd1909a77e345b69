"""The guard against an answer that has got stuck on one token.

Small models fall into such holes and never come out of them. Ollama looks at the text of each token
without the white space around it, and gives up when it has come again more than 30 times in a row; there
the answer just breaks off. Here it ends as if that had been its limit: with a last line that says `length`
and has its figures. A token that comes again with others in between, as in a table, is none of its business.
"""

from __future__ import annotations

import logging
import time

from paddock.engines.runner import End, Piece, Progress

log = logging.getLogger(__name__)

#: How often a token may come again, right after itself.
MOST_REPEATS = 30


class Repetition:
    """Watches the pieces of one answer, whose context window holds `window` tokens."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._last: object = None
        self._repeats = 0
        self._read = Progress(0, 0, 0)
        self._begun = time.monotonic_ns()
        self._written = 0

    def passed(self, piece: Piece) -> Piece:
        """`piece`, or in its place the end of an answer that goes round in a circle of one token."""
        if piece.end is not None:
            return piece
        if piece.progress is not None:
            self._read = piece.progress
            self._begun = time.monotonic_ns()
            return piece
        # Text may be held back for a while, but never the number of the token.
        shown = piece.text.strip() if piece.text else piece.tokens
        self._repeats = self._repeats + 1 if shown == self._last else 0
        self._last = shown
        if self._repeats > MOST_REPEATS:
            log.warning("the answer was ended: %r came %d times in a row", piece.text, self._repeats + 1)
            return Piece(written=self._written, end=self._end())
        self._written = piece.written
        return piece

    def _end(self) -> End:
        in_all = self._read.total + self._written
        return End(
            reason="length",
            prompt_tokens=self._read.total,
            cached_tokens=self._read.cached,
            prompt_ns=self._read.spent,
            output_tokens=self._written,
            output_ns=time.monotonic_ns() - self._begun,
            shifted=max(
                in_all - self._window, 0
            ),  # at least: the engine, which is still writing, has not told
        )
