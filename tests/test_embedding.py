"""What becomes of the vectors an engine gives back."""

from __future__ import annotations

import math

import pytest

from paddock.errors import EmbeddingNotFinite
from paddock.service.embedding import cut


@pytest.mark.parametrize(
    ("dimensions", "left"), [(0, (0.6, 0.8)), (1, (1.0,)), (2, (0.6, 0.8)), (9, (0.6, 0.8))]
)
def test_a_vector_is_cut_to_fewer_dimensions_and_made_a_unit_again(
    dimensions: int, left: tuple[float, ...]
) -> None:
    assert cut((0.6, 0.8), dimensions) == left


def test_nothing_is_still_nothing_when_it_is_cut() -> None:
    assert cut((0.0, 1.0), 1) == (0.0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_vector(bad: float) -> None:
    with pytest.raises(EmbeddingNotFinite, match="NaN or Inf"):
        cut((1.0, bad), 1)
