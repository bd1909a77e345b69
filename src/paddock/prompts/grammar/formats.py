"""What `format` means, as expressions: each finds only texts that its standard allows.

Where a standard allows more than anybody writes (quoted e-mail addresses, leap seconds, weeks in
durations), the common part is written. A format that is not here is refused, not ignored.
"""

from __future__ import annotations

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}"
_GROUP = "[0-9a-fA-F]{1,4}"


def _ipv6() -> str:
    """All eight groups, or `::` for one or more of them (RFC 4291, section 2.2)."""
    forms = [f"({_GROUP}:){{7}}{_GROUP}", "::"]
    for before in range(8):
        after = 7 - before  # at most, with one group left out
        head = f"{_GROUP}(:{_GROUP}){{{before - 1}}}" if before else ""
        if after and before < 7:
            forms.append(f"{head}::{_GROUP}(:{_GROUP}){{0,{after - 1}}}")
        if before:
            forms.append(f"{head}::")
    return f"({'|'.join(forms)})"


def _date() -> str:
    """RFC 3339 full-date, every day in its month and 29 February in leap years only; no year 0."""
    year = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
    fourth = "(0[48]|[2468][048]|[13579][26])"
    leap = f"([0-9]{{2}}{fourth}|{fourth}00)"
    long = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    short = "(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    february = "02-(0[1-9]|1[0-9]|2[0-8])"
    return f"({year}-({long}|{short}|{february})|{leap}-02-29)"


_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_CLOCK = "([0-9]{1,4}H([0-9]{1,4}M)?([0-9]{1,4}S)?|[0-9]{1,4}M([0-9]{1,4}S)?|[0-9]{1,4}S)"
_DAYS = f"([0-9]{{1,4}}D(T{_CLOCK})?|T{_CLOCK})"
_MONTHS = f"([0-9]{{1,4}}M([0-9]{{1,4}}D)?(T{_CLOCK})?|{_DAYS})"
_DURATION = f"P([0-9]{{1,4}}Y([0-9]{{1,4}}M([0-9]{{1,4}}D)?)?(T{_CLOCK})?|{_MONTHS})"

_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,40}[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,3}}"
_DOMAIN = rf"[a-zA-Z0-9]([a-zA-Z0-9-]{{0,40}}[a-zA-Z0-9])?(\.{_LABEL}){{0,2}}\.[a-zA-Z]{{2,12}}"
_ATOM = "[a-zA-Z0-9_+-]{1,32}"
_EMAIL = rf"{_ATOM}(\.{_ATOM})?@{_DOMAIN}"
_PATH_CHAR = r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})"
#: Below the 2,083 characters that validators of addresses like to allow, so that those need no counting.
_URI = (
    rf"[a-z][a-z0-9+.-]{{1,15}}://{_HOST}(:[1-9][0-9]{{0,3}})?(/({_PATH_CHAR}|/){{0,400}})?"
    rf"(\?({_PATH_CHAR}|[/?]){{0,120}})?(#({_PATH_CHAR}|[/?]){{0,60}})?"
)


def _uuid(version: str = "[0-9a-f]") -> str:
    variant = "[0-9a-f]" if len(version) > 1 else "[89ab]"
    return f"[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-{variant}[0-9a-f]{{3}}-[0-9a-f]{{12}}"


_EXPRESSIONS = {
    "date": _date(),
    "time": _TIME,
    "date-time": f"{_date()}T{_TIME}",
    "duration": _DURATION,
    "uuid": _uuid(),
    **{f"uuid{version}": _uuid(str(version)) for version in range(1, 9)},
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "hostname": _HOST,
    "idn-hostname": _HOST,
    "ipv4": _IPV4,
    "ipv6": _ipv6(),
    "ipvanyaddress": f"({_IPV4}|{_ipv6()})",
    "uri": _URI,
    "iri": _URI,
    "uri-reference": _URI,
    "iri-reference": _URI,
    "json-pointer": "(/([^~/]|~[01])*)*",
}
#: By name, as expressions of a whole text.
EXPRESSIONS = {name: f"^{expression}$" for name, expression in _EXPRESSIONS.items()}
#: Formats that say what a string is for and leave its text alone.
FREE = frozenset(("binary", "byte", "password", "path", "file-path", "directory-path", "text"))
#: Formats of integers, as their least and greatest value.
INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1),
            "uint32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1)}  # fmt: skip
#: Formats of numbers that say how a program keeps them.
NUMBERS = frozenset(("float", "double"))
