"""The documents do what they say: their examples are run, and the two READMEs show the same ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calls import call
from conftest import RunningServer

ROOT = Path(__file__).parent.parent
README, JAPANESE = (ROOT / name for name in ("README.md", "README.ja.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(block: str) -> list[str]:
    """Shell lines without their comments."""
    return [re.split(r"\s+#", line)[0] for line in block.splitlines()]


def test_the_readme_opens_with_the_two_commands() -> None:
    first = commands(blocks(README, "sh")[0])
    assert first == ['scripts/paddock run tiny "こんにちは"', "scripts/test"]


def test_both_readmes_show_the_same_examples() -> None:
    assert blocks(README, "python") == blocks(JAPANESE, "python")
    shells = [[commands(block) for block in blocks(page, "sh")] for page in (README, JAPANESE)]
    assert shells[0] == shells[1]


@pytest.mark.parametrize("page", sorted([README, JAPANESE, ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")]))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_first_curl_is_answered(server: RunningServer) -> None:
    (block,) = (block for block in blocks(README, "sh") if block.startswith("curl"))
    found = re.match(r"curl http://127\.0\.0\.1:11434(\S+) -d '(.*)'\s*$", block, re.S)
    assert found is not None
    answer = call(server.url, "POST", found[1], json.loads(found[2]))
    assert answer.status == 200
    assert "Paris" in answer.text


def test_the_first_python_program_runs(server: RunningServer) -> None:
    (program,) = blocks(README, "python")
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=server.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "42" in ended.stdout.partition("->")[2]


def test_the_changelog_is_about_this_version() -> None:
    from paddock import version

    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert first is not None
    assert first[1] == version()
