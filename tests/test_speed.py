"""How fast engines are said to be: the arithmetic, with moments that were made up."""

from __future__ import annotations

import pytest

from paddock.engines.runner import End
from paddock.engines.speed import Stream, together


def stream(*moments: float, tokens: int = 0) -> Stream:
    return Stream(moments, End("length", 16, 0, 1, tokens or len(moments), 1, 0))


def test_streams_are_counted_while_all_of_them_are_written() -> None:
    # Both run from 2.0 to 4.0: four tokens of the first fall after 2.0, two of the second.
    early, late = stream(0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0), stream(2.0, 3.0, 4.0, 5.0)
    assert together([early, late]) == pytest.approx((4 + 2) / 2.0)


def test_the_wait_for_the_first_token_is_not_counted() -> None:
    assert together([stream(100.0, 101.0), stream(100.0, 101.0)]) == pytest.approx(2.0)


def test_a_piece_of_several_tokens_counts_as_several() -> None:
    assert together([stream(0.0, 1.0, 2.0, tokens=6)]) == pytest.approx(2 * 2 / 2.0)


def test_streams_that_never_ran_side_by_side_have_no_figure() -> None:
    assert together([stream(0.0, 1.0), stream(2.0, 3.0)]) == 0.0
