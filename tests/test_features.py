"""The page of features names every one, with tests that exist or a reason why there is none."""

from __future__ import annotations

import re
from pathlib import Path

from paddock.options import LoadOptions, Sampling

HERE = Path(__file__).parent
DIFFERENCES = (HERE.parent / "docs/differences.md").read_text(encoding="utf-8")
PAGE = (HERE.parent / "docs/features.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\S.*?) \| (.*) \|$", PAGE, re.M)


def test_every_feature_of_the_two_calls_has_a_row_and_says_something() -> None:
    features = {int(first): rest for first, rest in ROWS if first.isdecimal()}
    assert list(features) == [*range(14, 54), 152, 153]
    for number, rest in features.items():
        assert len(rest.split("|")[-1].strip()) > 20, number


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", PAGE)
    assert len(named) > 40
    for module, test in named:
        code = (HERE / f"{module}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {test}\(", code, re.M), f"{module}::{test}"


def test_every_difference_says_what_ollama_does_what_paddock_does_and_why() -> None:
    rows = [line for line in DIFFERENCES.splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3, row
        assert all(cells), row


def test_every_option_has_a_row() -> None:
    options = re.findall(r"`(\w+)`", " ".join(first for first, _ in ROWS if first.startswith("`")))
    assert {*LoadOptions.__dataclass_fields__, *Sampling.__dataclass_fields__} <= set(options)
    assert len(options) == len(set(options))
