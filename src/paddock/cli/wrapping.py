"""Word wrap for text that arrives in pieces.

A word is held back until it is complete and then put where it fits, so that nothing already shown ever
has to be taken back: no cursor is moved and the text can be copied as it stands. Japanese breaks between
any two characters, save that a closing mark hangs over the edge instead of opening a line.
"""

from __future__ import annotations

import unicodedata

from paddock.cli.figures import columns, width

MARGIN = 5
_NARROWEST = 10
_NEVER_FIRST = frozenset(
    "、。，．・：；？！゛゜ーヽヾゝゞ々’”）〕］｝〉》」』】°′″℃％ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ…‥"
)
_JOINER = "\u200d"


class Wrapper:
    """Feeds on pieces of text and gives back what may be shown; `flush` gives back the rest."""

    def __init__(self, screen: int) -> None:
        self._screen = max(screen, _NARROWEST + MARGIN)
        self._limit = self._screen - MARGIN
        self._column = 0
        self._gap = ""
        self._word = ""
        self._joined = False

    def feed(self, text: str) -> str:
        return "".join(map(self._take, text))

    def flush(self) -> str:
        return self._place()

    def _take(self, character: str) -> str:
        if character == "\n":
            shown = self._place() + "\n"
            self._column, self._gap = 0, ""
            return shown
        if character in " \t":
            shown = self._place()
            self._gap += character
            return shown
        joined, self._joined = self._joined, character == _JOINER
        if joined or columns(character) == 0:  # belongs to what stands before it
            return self._join(character)
        if columns(character) == 2:
            shown = self._place()
            self._word = character
            return shown + self._place()
        return self._grow(character)

    def _join(self, character: str) -> str:
        if self._word or self._gap:
            self._word += character
            return ""
        return character

    def _grow(self, character: str) -> str:
        self._word += character
        # A word longer than a line is broken; letting it grow would hold the answer back.
        return self._place() if width(self._word) >= self._limit else ""

    def _place(self) -> str:
        word, gap = self._word, self._gap
        if not word:
            return ""
        self._word = self._gap = ""
        across = self._column + width(gap.expandtabs(8)) + width(word)
        hangs = not gap and word in _NEVER_FIRST and across <= self._screen
        if across <= self._limit or self._column == 0 or hangs:
            self._column = across
            return gap + word
        self._column = width(word)
        return "\n" + word


def harmless(text: str) -> str:
    """`text` without control characters: what a model writes must not be able to steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")
