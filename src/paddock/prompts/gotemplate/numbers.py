"""Floating-point numbers as Go's strconv writes them: shortest digits that read back the same, or a given
precision, in the forms e, f, g, b and x."""

from __future__ import annotations

import math
from decimal import Decimal


def shortest(value: float) -> tuple[str, int]:
    """The fewest digits that identify a finite `value`, and the power of ten of the first one: 1.25e3 gives
    ("125", 3). Zero gives ("0", 0)."""
    sign, digits, exponent = Decimal(repr(abs(value))).as_tuple()
    del sign
    text = "".join(map(str, digits)).lstrip("0")
    if not text or not isinstance(exponent, int):
        return "0", 0
    power = len(text) - 1 + exponent
    return text.rstrip("0"), power


def formatted(value: float, form: str, precision: int) -> str:
    """`value` in form `e`, `f`, `g`, `x` (or upper case) or `b`; precision -1 means as few digits as needed,
    which is the only one for `x` and `b`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    size = abs(value)
    if form in "eE":
        return sign + _exponent(size, form, precision)
    if form == "b":
        fraction, power = math.frexp(size)
        return f"{sign}{int(fraction * 2**53)}p{power - 53:+d}"
    if form in "xX":
        mantissa, _, power_text = size.hex().partition("p")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{sign}{mantissa}p{int(power_text):+03d}"
        return text.upper() if form == "X" else text
    if form in "fF":
        return sign + _plain(size, precision)
    return sign + _general(size, "e" if form == "g" else "E", precision)


def _exponent(size: float, form: str, precision: int) -> str:
    if precision >= 0:
        mantissa, _, power = f"{size:.{precision}e}".partition("e")
        return f"{mantissa}{form}{int(power):+03d}"
    digits, exponent = shortest(size)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}{form}{exponent:+03d}"


def _plain(size: float, precision: int) -> str:
    if precision >= 0:
        return f"{Decimal(size):.{precision}f}"
    digits, exponent = shortest(size)
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits.ljust(exponent + 1, "0")
    fraction = whole[exponent + 1 :]
    return whole[: exponent + 1] + (f".{fraction}" if fraction else "")


def _general(size: float, form: str, precision: int) -> str:
    if precision < 0:
        digits, exponent = shortest(size)
        limit = 6
    else:
        precision = precision or 1
        mantissa, _, power = f"{size:.{precision - 1}e}".partition("e")
        digits, exponent = mantissa.replace(".", "").rstrip("0") or "0", int(power)
        limit = len(digits) if precision > len(digits) >= exponent + 1 else precision
    if exponent < -4 or exponent >= limit:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{digits[0]}{fraction}{form}{exponent:+03d}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits.ljust(exponent + 1, "0")
    fraction = whole[exponent + 1 :]
    return whole[: exponent + 1] + (f".{fraction}" if fraction else "")
