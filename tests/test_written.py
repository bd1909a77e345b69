"""What an engine tells wrongly while it holds text back, and what is made of it.

The vocabulary here has tokens of one character, of three, and of single bytes, and the engine's part is
played by the rules of llama-server: text is sent once it cannot become a stop word any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.engines.runner import End, Piece
from paddock.messages import Logprob
from paddock.service.written import Written

WORDS = ["a", "b", "c", "abc", "ab", "x", "あ"]
SILENT = len(WORDS)  # the mark of the end: a token without text
BYTES = 100  # the first of 256 tokens of a byte each


class Vocabulary:
    """A runner, as far as tokens and texts go. The shortest way to write a text is the longest token first;
    characters that no token has are bytes."""

    async def tokenize_each(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [self.tokens(text) for text in texts]

    async def detokenize(self, tokens: Sequence[int]) -> str:
        return "".join("<end>" if token == SILENT else WORDS[token] for token in tokens)

    @staticmethod
    def tokens(text: str) -> tuple[int, ...]:
        found: list[int] = []
        while text:
            word = next((w for w in sorted(WORDS, key=len, reverse=True) if text.startswith(w)), "")
            found += [WORDS.index(word)] if word else [BYTES + byte for byte in text[0].encode()]
            text = text[max(len(word), 1) :]
        return tuple(found)


def told(tokens: Sequence[int], stops: Sequence[str] = (), reason: str = "stop", top: int = 0) -> list[Piece]:
    """What llama-server would tell of an answer of these tokens, which ends with the last of them."""
    pieces: list[Piece] = []
    raw, sent = b"", 0
    for number, token in enumerate(tokens, 1):
        own = b"" if token == SILENT else bytes([token - BYTES]) if token >= BYTES else WORDS[token].encode()
        raw += own
        try:
            unsent = raw.decode()[sent:]
        except UnicodeDecodeError:
            continue  # inside a character
        places = [unsent.find(stop) for stop in stops if stop in unsent]
        partly = any(unsent.endswith(stop[:size]) for stop in stops for size in range(1, len(stop)))
        text = unsent[: min(places)] if places else "" if partly and token != SILENT else unsent
        sent += len(text)
        others = tuple(Logprob(word, -1.0, tuple(word.encode()), (), n) for n, word in enumerate(WORDS[:top]))
        logprob = Logprob(text, -0.5, tuple(text.encode()), others, token)
        pieces.append(Piece(text, (token,), number, (logprob,)))
        if places:
            break
    stopped = bool(tokens) and bool(pieces) and any(s in raw.decode(errors="ignore") for s in stops)
    end = End("stop" if stopped else reason, 1, 0, 0, len(tokens), 0, 0, at_stop_word=stopped)  # type: ignore[arg-type]
    return [*pieces, Piece(written=len(tokens), end=end)]


async def heard(
    pieces: Sequence[Piece], stops: Sequence[str] = ()
) -> tuple[str, tuple[Logprob, ...], tuple[int, ...]]:
    """The text, the log-probabilities and the tokens of an answer."""
    runner: Any = Vocabulary()
    written = Written(runner, stops)
    given = [whole for piece in pieces if (whole := await written.feed(piece)) is not None]
    for piece in given:
        assert piece.text or piece.end
    text = "".join(piece.text for piece in given)
    return text, tuple(logprob for piece in given for logprob in piece.logprobs), await written.tokens()


def number(*words: str) -> list[int]:
    return [WORDS.index(word) for word in words]


async def test_without_stop_words_everything_is_passed_on_as_it_is() -> None:
    tokens = [*number("a", "abc"), SILENT]
    text, logprobs, found = await heard(told(tokens))
    assert (text, found) == ("aabc", tuple(tokens))
    assert [logprob.token for logprob in logprobs] == ["a", "abc", ""]


@pytest.mark.parametrize("top", [0, len(WORDS)])
async def test_held_back_tokens_come_with_their_own_text(top: int) -> None:
    tokens = [*number("x", "a", "b", "x"), SILENT]
    pieces = told(tokens, ["abc"], top=top)
    assert [piece.text for piece in pieces] == ["x", "", "", "abx", "", ""]
    text, logprobs, found = await heard(pieces, ["abc"])
    assert (text, found) == ("xabx", tuple(tokens))
    assert [logprob.token for logprob in logprobs] == ["x", "a", "b", "x", ""]
    assert all(bytes(logprob.bytes).decode() == logprob.token for logprob in logprobs)


async def test_the_mark_of_the_end_lets_go_of_text_and_has_none_itself() -> None:
    text, logprobs, _ = await heard(told([*number("a", "b"), SILENT], ["abc"]), ["abc"])
    assert text == "ab"
    assert [logprob.token for logprob in logprobs] == ["a", "b", ""]


async def test_text_held_back_when_the_limit_is_reached_is_told() -> None:
    tokens = number("x", "a", "b")
    text, logprobs, found = await heard(told(tokens, ["abc"], "length"), ["abc"])
    assert (text, found) == ("xab", tuple(tokens))
    assert [logprob.token for logprob in logprobs] == ["x", "a", "b"]


async def test_a_mark_without_text_at_the_limit_stays_without() -> None:
    text, _, found = await heard(told([*number("x"), SILENT], ["abc"], "length"), ["abc"])
    assert (text, found) == ("x", (*number("x"), SILENT))


async def test_a_stop_word_is_no_part_of_what_one_goes_on_from() -> None:
    for tokens in (number("x", "a", "b", "c"), number("x", "abc"), number("x", "ab", "c")):
        assert (await heard(told(tokens, ["abc"]), ["abc"]))[::2] == ("x", tuple(number("x")))
    # The text of its last token begins before it and is cut.
    assert (await heard(told(number("x", "abc"), ["c"]), ["c"]))[::2] == ("xab", tuple(number("x", "ab")))


async def test_the_log_probabilities_of_a_stop_word_are_told_too() -> None:
    _, logprobs, _ = await heard(told(number("x", "a", "b", "c"), ["abc"], top=len(WORDS)), ["abc"])
    assert [logprob.token for logprob in logprobs] == ["x", "a", "b", "c"]


async def test_tokens_that_end_inside_a_character_are_found_again() -> None:
    euro = [BYTES + byte for byte in "€".encode()]
    tokens = [*number("a"), *euro, *number("b"), *euro, *number("abc"), SILENT]
    text, _, found = await heard(told(tokens))
    assert (text, found) == ("a€b€abc", tuple(tokens))


async def test_a_space_that_a_vocabulary_puts_in_front_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    euro = [BYTES + byte for byte in "€".encode()]

    async def spaced(self: Vocabulary, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [(99, *self.tokens(text)) for text in texts]

    monkeypatch.setattr(Vocabulary, "tokenize_each", spaced)
    assert (await heard(told([*number("a"), *euro])))[2] == (*number("a"), *euro)


async def test_a_character_that_the_limit_cuts_is_neither_told_nor_gone_on_from() -> None:
    cut = [BYTES + byte for byte in "€".encode()[:2]]
    assert (await heard(told([*number("a"), *cut], reason="length")))[::2] == ("a", tuple(number("a")))


async def test_only_what_is_certain_is_asked_nothing_about(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def remember(self: Vocabulary, texts: Sequence[str]) -> list[tuple[int, ...]]:
        asked.extend(texts)
        return [self.tokens(text) for text in texts]

    monkeypatch.setattr(Vocabulary, "tokenize_each", remember)
    await heard(told(number("a", "b", "あ")))
    assert asked == []
    await heard(told([*number("a"), *[BYTES + byte for byte in "é".encode()], *number("b")]))
    assert asked == ["é"]


texts = st.lists(st.sampled_from([*range(len(WORDS)), *[BYTES + b for b in "é".encode()]]), max_size=12)


@given(
    texts,
    st.lists(st.sampled_from(["abc", "ca", "xx", "b"]), max_size=2),
    st.sampled_from(["stop", "length"]),
)
async def test_no_text_and_no_log_probability_is_lost_whatever_is_held_back(
    tokens: list[int], stops: list[str], reason: str
) -> None:
    tokens = [*tokens, SILENT] if reason == "stop" else tokens
    raw = b"".join(
        b"" if t == SILENT else bytes([t - BYTES]) if t >= BYTES else WORDS[t].encode() for t in tokens
    )
    try:
        whole = raw.decode()
    except UnicodeDecodeError:
        return  # half characters are told by the engine in a way that cannot be undone
    pieces = told(tokens, stops, reason)
    text, logprobs, _ = await heard(pieces, stops)
    found = [whole.find(stop) for stop in stops if stop in whole]
    assert text == (whole[: min(found)] if found else whole)
    assert len(logprobs) == sum(len(piece.logprobs) for piece in pieces)
    if not found and whole.isascii():
        assert "".join(logprob.token for logprob in logprobs) == whole
