"""Which engine is used: the choice itself, and what lies on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from paddock.engines import installed
from paddock.engines.installed import Installed, NoSuchEngine, bundled, choose, fingerprint
from paddock.engines.processor import Processor

HERE = "x86_64-12345678"
BUNDLED = bundled("2026.1")


def engine(directory: Path, name: str, backend: str = "cpu", **more: str) -> Installed:
    """A compiled engine on disk that passed its test and fits this machine."""
    made = Installed(name, "native", "1", backend, directory / name, processor=HERE, tested="2026-01-01")
    (made.directory / "bin").mkdir(parents=True)
    made.program.write_text("#!/bin/sh\n")
    return replace(made, **more)  # type: ignore[arg-type]


def test_alone_the_bundled_engine_is_used() -> None:
    assert choose([BUNDLED], "", "", HERE, set()).engine is BUNDLED


def test_a_compiled_engine_that_passed_its_test_is_used_by_itself(tmp_path: Path) -> None:
    native = engine(tmp_path, "native-1")
    assert choose([BUNDLED, native], "", "", HERE, set()).engine is native


def test_one_that_never_passed_is_not(tmp_path: Path) -> None:
    untested = engine(tmp_path, "native-1", tested="")
    assert choose([BUNDLED, untested], "", "", HERE, set()).engine is BUNDLED


def test_a_gpu_engine_goes_first_while_its_device_is_there(tmp_path: Path) -> None:
    native, cuda = engine(tmp_path, "native-1"), engine(tmp_path, "cuda-1", "cuda")
    assert choose([BUNDLED, native, cuda], "", "", HERE, {"cuda"}).engine is cuda
    assert choose([BUNDLED, native, cuda], "", "", HERE, set()).engine is native


def test_what_the_user_decided_is_used_although_something_else_is_better(tmp_path: Path) -> None:
    native = engine(tmp_path, "native-1")
    choice = choose([BUNDLED, native], "", "bundled", HERE, set())
    assert choice.engine is BUNDLED
    assert "paddock engine use" in choice.reason


@pytest.mark.parametrize(
    ("processor", "backends", "why"),
    [("arm64-0", {"cuda"}, "another processor"), (HERE, set(), "no cuda device can be seen")],
)
def test_a_decision_this_machine_cannot_follow_is_passed_over_and_said(
    tmp_path: Path, processor: str, backends: set[str], why: str
) -> None:
    cuda = engine(tmp_path, "cuda-1", "cuda")
    choice = choose([BUNDLED, cuda], "", "cuda-1", processor, backends)
    assert choice.engine is BUNDLED
    assert why in choice.reason
    assert "cuda-1" in choice.reason


def test_an_engine_whose_program_is_gone_is_passed_over(tmp_path: Path) -> None:
    native = engine(tmp_path, "native-1")
    native.program.unlink()
    choice = choose([BUNDLED, native], "", "native-1", HERE, set())
    assert choice.engine is BUNDLED
    assert "is missing" in choice.reason


def test_the_environment_overrules_everything_and_a_wrong_name_there_is_an_error(tmp_path: Path) -> None:
    native = engine(tmp_path, "native-1", tested="")
    assert choose([BUNDLED, native], "native-1", "bundled", HERE, set()).engine is native
    with pytest.raises(NoSuchEngine, match=r"'nativ'.*bundled, native-1"):
        choose([BUNDLED, native], "nativ", "", HERE, set())


def test_a_forgotten_decision_does_no_harm() -> None:
    assert choose([BUNDLED], "", "native-that-was", HERE, set()).engine is BUNDLED


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    made = replace(engine(installed.directory(tmp_path), "native-1"), made="2026-01-01T00:00:00+00:00")
    installed.record(made)
    assert installed.listed(tmp_path) == [made]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"kind": "bundled"}', '{"kind": 3}', "\x00"])
def test_a_broken_record_is_no_engine_and_no_error(tmp_path: Path, content: str) -> None:
    installed.record(engine(installed.directory(tmp_path), "native-1"))
    other = installed.directory(tmp_path) / "broken" / "engine.json"
    other.parent.mkdir()
    other.write_text(content)
    assert [each.name for each in installed.listed(tmp_path)] == ["native-1"]


def test_looking_makes_no_directory(tmp_path: Path) -> None:
    assert installed.listed(tmp_path / "home") == []
    assert installed.decided(tmp_path / "home") == ""
    assert not (tmp_path / "home").exists()


def test_a_decision_is_kept_and_taken_back(tmp_path: Path) -> None:
    installed.decide(tmp_path, "native-1")
    assert installed.decided(tmp_path) == "native-1"
    installed.decide(tmp_path, "")
    installed.decide(tmp_path, "")
    assert installed.decided(tmp_path) == ""


@pytest.mark.parametrize("written", ["../../etc", "a b", "", "\n", "Ä"])
def test_a_decision_that_is_no_name_counts_as_none(tmp_path: Path, written: str) -> None:
    installed.decide(tmp_path, "x")
    (installed.directory(tmp_path) / "in-use").write_text(written)
    assert installed.decided(tmp_path) == ""


def test_what_an_engine_is_can_be_read_by_people(tmp_path: Path) -> None:
    installed.record(engine(tmp_path, "native-1"))
    told = json.loads((tmp_path / "native-1" / "engine.json").read_text())
    assert told["backend"] == "cpu"
    assert "directory" not in told  # it may be moved with its home


def test_a_fingerprint_changes_with_instructions_and_with_nothing_else() -> None:
    def of(*features: str, cores: int = 2, name: str = "Some CPU") -> str:
        return fingerprint(Processor(name, "x86_64", cores, cores, frozenset(features)))

    assert of("avx2", "avx512f") != of("avx2")
    assert of("avx2") == of("avx2", "hypervisor", "tsc_adjust", cores=64, name="Other")
    assert of("avx2").startswith("x86_64-")
