"""Durations in Go's notation: what Go reads, we read, and what it refuses is refused in its words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.durations import InvalidDuration, keep_alive, parse, show


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("+0", 0.0), ("-0", 0.0), ("0s", 0.0), ("5s", 5.0), ("30s", 30.0), ("1478s", 1478.0),
        ("-5s", -5.0), ("+5s", 5.0), ("5.0s", 5.0), ("5.6s", 5.6), ("5.s", 5.0), (".5s", 0.5),
        ("1.004s", 1.004), ("100.00100s", 100.001), ("10ns", 1e-8), ("11us", 1.1e-5), ("12µs", 1.2e-5),
        ("12μs", 1.2e-5),
        ("13ms", 0.013), ("14s", 14.0), ("15m", 900.0), ("16h", 57600.0), ("3h30m", 12600.0),
        ("10.5s4m", 250.5), ("-2m3.4s", -123.4), ("1h2m3s4ms5us6ns", 3723.004005006), ("1m1m", 120.0),
        ("39h9m14.425s", 140954.425), ("0.3333333333333333333h", 1200.0), ("00001h", 3600.0),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("+", 'time: invalid duration "+"'),
        ("s", 'time: invalid duration "s"'),
        (".", 'time: invalid duration "."'),
        (".s", 'time: invalid duration ".s"'),
        ("-.s", 'time: invalid duration "-.s"'),
        ("--5s", 'time: invalid duration "--5s"'),
        ("1m-5s", 'time: unknown unit "m-" in duration "1m-5s"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
        ("2000000h2000000h", 'time: invalid duration "2000000h2000000h"'),
        ("9" * 400 + "s", f'time: invalid duration "{"9" * 400}s"'),
        ("300", 'time: missing unit in duration "300"'),
        ("-300", 'time: missing unit in duration "-300"'),
        ("1h5", 'time: missing unit in duration "1h5"'),
        ("1..s", 'time: missing unit in duration "1..s"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("5S", 'time: unknown unit "S" in duration "5S"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("5 s", 'time: unknown unit " s" in duration "5 s"'),
        ("5s ", 'time: unknown unit "s " in duration "5s "'),
        (" 5s", 'time: invalid duration " 5s"'),
        ("1e3s", 'time: unknown unit "e" in duration "1e3s"'),
        ("for ever", 'time: invalid duration "for ever"'),
        ("inf", 'time: invalid duration "inf"'),
        ("nan", 'time: invalid duration "nan"'),
        ("٣s", r'time: invalid duration "\xd9\xa3s"'),
        ("3日", r'time: unknown unit "\xe6\x97\xa5" in duration "3\xe6\x97\xa5"'),
        ('"5s"', r'time: invalid duration "\"5s\""'),
        ("\\5s\n", r'time: invalid duration "\\5s\x0a"'),
        ("\ud800", r'time: invalid duration "\xed\xa0\x80"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, sentence: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        parse(text)
    assert str(caught.value) == sentence
    assert caught.value.text == text


@given(st.text('0123456789.+-nuµmsh ٣²"', max_size=12))
def test_whatever_is_given_comes_back_finite_or_refused(text: str) -> None:
    try:
        assert math.isfinite(parse(text))
    except InvalidDuration as error:
        assert str(error).startswith("time: ")


@given(st.integers(-(1 << 62), 1 << 62))
def test_what_is_shown_can_be_read_again(nanoseconds: int) -> None:
    assert parse(show(nanoseconds)) * 1e9 == pytest.approx(nanoseconds, rel=1e-12, abs=0.01)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (1, "1ns"), (999, "999ns"), (1_000, "1µs"), (1_100, "1.1µs"), (2_200_000, "2.2ms"),
        (999_999, "999.999µs"), (1_234_567, "1.234567ms"), (3_300_000_000, "3.3s"),
        (59_999_999_999, "59.999999999s"), (60_000_000_000, "1m0s"), (120_500_000_000, "2m0.5s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"), (3_600_000_000_000, "1h0m0s"), (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"), ((1 << 63) - 1, "2562047h47m16.854775807s"),
        (-(1 << 63), "-2562047h47m16.854775808s"), (-1_500_000, "-1.5ms"), (-5, "-5ns"),
        (-60_000_000_000, "-1m0s"),
    ],
)  # fmt: skip
def test_a_duration_is_printed_as_go_prints_it(nanoseconds: int, text: str) -> None:
    assert show(nanoseconds) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5m", 300.0), ("0", 0.0), ("0s", 0.0), ("-1m", math.inf), ("-0", 0.0), (300, 300.0), (0, 0.0),
        (-1, math.inf), (1.5, 1.5), (-0.5, math.inf), (10**400, math.inf), (-(10**400), math.inf),
        (1e300, math.inf),
        (math.inf, math.inf), (math.nan, math.inf),
    ],
)  # fmt: skip
def test_a_keep_alive_is_seconds_or_gos_notation_and_for_ever_when_negative(
    value: str | float, seconds: float
) -> None:
    found = keep_alive(value)
    assert isinstance(found, float)
    assert found == seconds


def test_a_keep_alive_without_a_unit_is_refused() -> None:
    with pytest.raises(InvalidDuration, match=r'^time: missing unit in duration "300"$'):
        keep_alive("300")
