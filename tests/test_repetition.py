"""The guard against answers that are stuck on one token."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from paddock.engines.runner import End, Piece, Progress
from paddock.service.repetition import MOST_REPEATS, Repetition

ALLOWED = MOST_REPEATS + 1  # the first one is no repeat


def pieces(*texts: str) -> list[Piece]:
    return [Piece(text, (hash(text) % 1000,), number + 1) for number, text in enumerate(texts)]


def ended(told: Iterable[Piece], window: int = 4096) -> End | None:
    """How the guard ended the answer, if it did."""
    guard = Repetition(window)
    for piece in told:
        if end := guard.passed(piece).end:
            return end
    return None


def test_a_token_may_come_again_thirty_times_and_no_more() -> None:
    assert ended(pieces(*["ha"] * ALLOWED)) is None
    end = ended(pieces(*["ha"] * (ALLOWED + 1)))
    assert end is not None
    assert (end.reason, end.output_tokens) == ("length", ALLOWED)


def test_white_space_around_a_token_makes_no_difference() -> None:
    assert ended(pieces(*[" ha", "ha\n"] * 20)) is not None
    assert ended(pieces(*["\n", "\t", " "] * 20)) is not None


def test_other_tokens_in_between_begin_the_count_anew() -> None:
    assert ended(pieces(*["|", "-"] * 500)) is None
    assert ended(pieces(*["ha"] * ALLOWED, "!", *["ha"] * ALLOWED)) is None


def test_text_that_is_held_back_does_not_hide_which_token_it_is() -> None:
    held = [Piece("", (7,), number + 1) for number in range(ALLOWED + 1)]
    assert ended(held) is not None
    assert ended([Piece("", (number,), number + 1) for number in range(100)]) is None


def test_reading_a_prompt_and_ending_are_no_tokens() -> None:
    reading = [Piece(progress=Progress(500, 10, number)) for number in range(100)]
    assert ended([Piece(), *reading]) is None
    end = End("stop", 1, 0, 0, 1, 0, 0)
    assert ended([Piece(end=end)]) == end


def test_its_end_has_the_figures() -> None:
    read = Piece(progress=Progress(500, 100, 500, 7_000_000))
    end = ended([read, *pieces(*["x"] * 100)])
    assert end is not None
    assert (end.prompt_tokens, end.cached_tokens, end.prompt_ns) == (500, 100, 7_000_000)
    assert end.output_ns > 0
    assert end.shifted == 0
    shifted = ended([read, *pieces(*["x"] * 100)], window=512)
    assert shifted is not None
    assert shifted.shifted == 500 + ALLOWED - 512


@given(st.lists(st.sampled_from(["a", " a", "b", "", "\n"]), max_size=120))
def test_it_ends_an_answer_exactly_where_a_run_is_too_long(texts: list[str]) -> None:
    told = pieces(*texts)
    keys = [piece.text.strip() if piece.text else piece.tokens for piece in told]
    runs = [
        end for end in range(ALLOWED, len(keys)) if all(key == keys[end] for key in keys[end - ALLOWED : end])
    ]
    end = ended(told)
    assert (end.output_tokens if end else None) == (runs[0] if runs else None)
