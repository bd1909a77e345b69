"""Ready-made GPU engines: which one fits a machine, and what is said where none does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paddock.engines.gpus import Gpu
from paddock.machine.toolchain import NotPossible
from paddock.machine.wheels import System, look, variant

LINUX = System("Linux", "x86_64", (2, 36), "7.2.4", True)


def card(backend: str = "cuda", driver: str = "575.51.03", capability: str = "8.9") -> Gpu:
    return Gpu(backend, 0, "Some Card", 8 << 30, 7 << 30, driver, capability)


@pytest.mark.parametrize(
    ("backend", "gpu", "chosen"),
    [
        ("cuda", card(), "cu128"),
        ("cuda", card(driver="530.1"), "cu128"),  # its machine code is in the wheel
        ("cuda", card(driver="570.86", capability="9.0"), "cu128"),
        ("cuda", card(driver="580.65", capability="7.5"), "cu132"),
        ("rocm", card("rocm", "", "gfx1100"), "rocm-7.2.4"),
        ("vulkan", card("vulkan", "", ""), "vulkan"),
    ],
)
def test_the_wheel_follows_card_and_driver(backend: str, gpu: Gpu, chosen: str) -> None:
    assert variant(backend, [gpu], LINUX) == chosen


def test_an_older_rocm_gets_the_wheel_made_for_it() -> None:
    assert variant("rocm", [card("rocm")], replace(LINUX, rocm="6.4.1")) == "rocm-6.4.1"


@pytest.mark.parametrize(
    ("backend", "gpus", "here", "missing", "sentence"),
    [
        ("cuda", [], LINUX, "device", "no NVIDIA GPU can be seen"),
        ("cuda", [card("vulkan")], LINUX, "device", "no NVIDIA GPU can be seen"),
        ("cuda", [card(driver="520.61")], LINUX, "driver", "is 520.61, and this engine needs 525"),
        ("cuda", [card(driver="550.2", capability="9.0")], LINUX, "driver", "570 or newer on Some Card"),
        ("cuda", [card(driver="")], LINUX, "driver", "unknown version"),
        ("cuda", [card()], replace(LINUX, glibc=(2, 31)), "glibc", "2.31; 'paddock engine build'"),
        ("rocm", [card("rocm")], replace(LINUX, glibc=None), "glibc", "another C library"),
        ("rocm", [card("rocm")], replace(LINUX, rocm=""), "rocm", "ROCm is not installed"),
        ("rocm", [], LINUX, "device", "amdgpu"),
        ("vulkan", [card("vulkan")], replace(LINUX, vulkan=False), "vulkan", "apt install libvulkan1"),
        ("vulkan", [], LINUX, "device", "mesa-vulkan-drivers"),
        ("cuda", [card()], replace(LINUX, system="Darwin"), "platform", "Linux on x86-64; this is Darwin"),
        ("cuda", [card()], replace(LINUX, machine="aarch64"), "platform", "aarch64"),
    ],
)
def test_what_is_missing_is_named(
    backend: str, gpus: list[Gpu], here: System, missing: str, sentence: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        variant(backend, gpus, here)
    assert refused.value.missing == missing
    assert sentence in str(refused.value)


def test_looking_reads_the_rocm_release_and_survives_its_absence(tmp_path: Path) -> None:
    assert look(tmp_path).rocm == ""
    (tmp_path / "opt/rocm/.info").mkdir(parents=True)
    (tmp_path / "opt/rocm/.info/version").write_text("6.4.1-83\n")
    assert look(tmp_path).rocm == "6.4.1-83"
