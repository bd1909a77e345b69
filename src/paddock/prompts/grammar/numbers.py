"""Numbers between bounds, digit by digit.

Integers are exact. Other numbers are written as plain decimals, with as many digits as a double surely
tells apart (15), so a bound that excludes itself does so for whoever reads the text as a double too. Numbers
without any bound may have an exponent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from paddock.prompts.grammar.gbnf import EMPTY, NEVER, Part, Text, chars, either, optional, repeat, seq

#: Decimal digits that a double holds, whichever they are.
_DIGITS = 15
#: Longest number that is written, in digits; a bound beyond it is refused.
_LONGEST = 40

_ANY_DIGIT = chars(((0x30, 0x39),))
_LEADING = chars(((0x31, 0x39),))
_MINUS = Text("-")


class TooLong(Exception):
    """A bound has more digits than any number that is written."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest value; `above` and `below` say that the bound itself is excluded."""

    least: Decimal | None = None
    most: Decimal | None = None
    above: bool = False
    below: bool = False

    def contains(self, value: Decimal) -> bool:
        """Whether a number is within."""
        if self.least is not None and (value < self.least or (self.above and value == self.least)):
            return False
        return self.most is None or value < self.most or (value == self.most and not self.below)

    def within(self, other: Bounds) -> Bounds:
        """What is within both."""
        least, above = self.least, self.above
        if other.least is not None and (
            least is None or other.least > least or (other.least == least and other.above)
        ):
            least, above = other.least, other.above
        most, below = self.most, self.below
        if other.most is not None and (
            most is None or other.most < most or (other.most == most and other.below)
        ):
            most, below = other.most, other.below
        return Bounds(least, most, above, below)

    def apart(self, other: Bounds) -> bool:
        """Whether no number is within both."""
        both = self.within(other)
        if both.least is None or both.most is None or both.least < both.most:
            return False
        return both.least > both.most or both.above or both.below


def integer(bounds: Bounds) -> Part:
    """Integers within bounds. Where there is none, up to 15 digits, or somewhat more than the other bound
    has. Raises TooLong."""
    least, most = _whole(bounds)
    if least is None and most is None:
        return either(Text("0"), seq(optional(_MINUS), _LEADING, repeat(_ANY_DIGIT, 0, _DIGITS - 1)))
    far = 10 ** max(_DIGITS, len(str(abs(least or 0))) + 1, len(str(abs(most or 0))) + 1) - 1
    return _between(-far if least is None else least, far if most is None else most)


def number(bounds: Bounds) -> Part:
    """Numbers within bounds. Raises TooLong."""
    if bounds.least is None and bounds.most is None:
        whole = either(Text("0"), seq(_LEADING, repeat(_ANY_DIGIT, 0, _DIGITS - 1)))
        fraction = optional(seq(Text("."), repeat(_ANY_DIGIT, 1, _DIGITS + 2)))
        sign = optional(chars(((0x2B, 0x2B), (0x2D, 0x2D))))
        exponent = optional(seq(chars(((0x45, 0x45), (0x65, 0x65))), sign, repeat(_ANY_DIGIT, 1, 2)))
        return seq(optional(_MINUS), whole, fraction, exponent)
    known = [bound.copy_abs() for bound in (bounds.least, bounds.most) if bound is not None]
    if any(bound >= 10**_LONGEST for bound in known):
        raise TooLong
    size = max(len(str(int(bound))) for bound in known)
    places = max(_DIGITS - size, 0)
    with localcontext() as context:
        context.prec = 4 * _LONGEST
        far = Decimal(10) ** max(_DIGITS, size + 1)
        least, most = _scaled(bounds, places, int(far * 10**places) - 1)
    low = _decimals(max(least, 0), most, places) if most >= 0 else NEVER
    high = _decimals(max(-most, 0), -least, places) if least < 0 else NEVER
    return either(low, seq(_MINUS, high))


def _whole(bounds: Bounds) -> tuple[int | None, int | None]:
    least, most = bounds.least, bounds.most
    if any(bound is not None and bound.copy_abs() >= 10**_LONGEST for bound in (least, most)):
        raise TooLong
    low = None if least is None else int(least.to_integral_value(ROUND_CEILING))
    high = None if most is None else int(most.to_integral_value(ROUND_FLOOR))
    if low is not None and bounds.above and low == least:
        low += 1
    if high is not None and bounds.below and high == most:
        high -= 1
    return low, high


def _scaled(bounds: Bounds, places: int, far: int) -> tuple[int, int]:
    """The bounds in units of the last decimal place, both included."""
    unit = 10**places
    shifted = Bounds(
        None if bounds.least is None else bounds.least * unit,
        None if bounds.most is None else bounds.most * unit,
        bounds.above,
        bounds.below,
    )
    least, most = (
        None if bound is None else int(bound.to_integral_value(rounding))
        for bound, rounding in ((shifted.least, ROUND_CEILING), (shifted.most, ROUND_FLOOR))
    )
    if least is not None and shifted.above and least == shifted.least:
        least += 1
    if most is not None and shifted.below and most == shifted.most:
        most -= 1
    return -far if least is None else least, far if most is None else most


# ── digits ────────────────────────────────────────────────────────────────────────────────────────


def _between(least: int, most: int) -> Part:
    """All integers from `least` to `most`."""
    if least > most:
        return NEVER
    if least < 0:
        below = seq(_MINUS, _naturals(max(-most, 1), -least))
        return either(below, _naturals(0, most)) if most >= 0 else below
    return _naturals(least, most)


def _naturals(least: int, most: int) -> Part:
    """All integers from `least` to `most`, neither of them negative: a piece for each number of digits."""
    if least > most:
        return NEVER
    low, high = str(least), str(most)
    if len(low) == len(high):
        return _digits(low, high)
    first = _digits(low, "9" * len(low))
    middle = range(len(low) + 1, len(high))
    any_between = (
        seq(_LEADING, repeat(_ANY_DIGIT, middle.start - 1, middle.stop - 2)) if len(middle) else NEVER
    )
    return either(first, any_between, _digits("1" + "0" * (len(high) - 1), high))


def _digits(low: str, high: str) -> Part:
    """Digits from `low` to `high`, which are equally long."""
    if not low:
        return EMPTY
    first, last = low[0], high[0]
    if low.strip("0") == "" and high.strip("9") == "":
        return repeat(_ANY_DIGIT, len(low), len(low))
    if first == last:
        return seq(Text(first), _digits(low[1:], high[1:]))
    rest = len(low) - 1
    start, end = ord(first), ord(last)
    options: list[Part] = []
    if low[1:].strip("0"):
        options.append(seq(Text(first), _digits(low[1:], "9" * rest)))
        start += 1
    top: Part = EMPTY
    if high[1:].strip("9"):
        top = seq(Text(last), _digits("0" * rest, high[1:]))
        end -= 1
    if start <= end:
        options.append(seq(chars(((start, end),)), repeat(_ANY_DIGIT, rest, rest)))
    return either(*options, *(() if top == EMPTY else (top,)))


def _decimals(least: int, most: int, places: int) -> Part:
    """Decimals from `least` to `most` in units of the last of `places`; neither is negative."""
    if least > most:
        return NEVER
    unit = 10**places
    (low, low_rest), (high, high_rest) = divmod(least, unit), divmod(most, unit)
    lowest, highest = str(low_rest).zfill(places), str(high_rest).zfill(places)
    if not places:
        return _between(low, high)
    if low == high:
        return seq(Text(str(low)), _fraction(lowest, highest))
    return either(
        seq(Text(str(low)), _fraction(lowest, "9" * places)),
        seq(_naturals(low + 1, high - 1), _fraction("0" * places, "9" * places)),
        seq(Text(str(high)), _fraction("0" * places, highest)),
    )


def _fraction(low: str, high: str) -> Part:
    """A point and digits from `low` to `high`; trailing zeros may be missing, and so may the point."""
    written = seq(Text("."), _rest(low, high, first=True))
    return written if low.strip("0") else optional(written)


def _rest(low: str, high: str, first: bool = False) -> Part:
    """Digits of a fraction from `low` to `high`, equally long, of which the last ones may be left out
    where they are zeros; the first one may not."""
    if not low:
        return EMPTY
    size = len(low)
    if not low.strip("0") and not high.strip("9"):
        return repeat(_ANY_DIGIT, 1 if first else 0, size)
    if not high.strip("0"):
        return repeat(Text("0"), 1 if first else 0, size)
    start, end = ord(low[0]), ord(high[0])
    if start == end:
        found = seq(Text(low[0]), _rest(low[1:], high[1:]))
    else:
        options: list[Part] = []
        if low[1:].strip("0"):
            options.append(seq(Text(low[0]), _rest(low[1:], "9" * (size - 1))))
            start += 1
        last: list[Part] = []
        if high[1:].strip("9"):
            last.append(seq(Text(high[0]), _rest("0" * (size - 1), high[1:])))
            end -= 1
        if start <= end:
            options.append(seq(chars(((start, end),)), repeat(_ANY_DIGIT, 0, size - 1)))
        found = either(*options, *last)
    return found if first or low.strip("0") else optional(found)
