"""GPUs: what drivers and kernels report, which of it an engine would see, and in which order.

No GPU is needed: reports are recorded or written by hand, and small libraries in C stand where those of the
drivers would, so that the child program that asks them is tested whole.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.engines import amd, hardware, launch, probe
from paddock.engines.gpus import (
    Gpu,
    from_nvml,
    from_smi,
    from_sysctl,
    from_vulkan,
    numbered,
    usable,
    visible,
)
from paddock.engines.processor import parse_sysctl

DEVICES = Path(__file__).parent / "data" / "devices"
MB = 1 << 20
GB = 1 << 30
UUIDS = ["GPU-8932f937-d72c", "GPU-8932aaaa-0000", "GPU-1f0c3e55-0000"]


# ── which ones an engine sees ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mask", "seen"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        ("-1", ()),
        ("0", (0,)),
        ("2,1", (2, 1)),
        (" 2 , 0 ", (2, 0)),
        ("0,2,-1,1", (0, 2)),
        ("0,3,1", (0,)),
        ("0,x,1", (0,)),
        ("1,,0", (1,)),
        ("1,1,0", (1,)),
        ("GPU-1f0c3e55-0000", (2,)),
        ("GPU-1f", (2,)),
        ("GPU-1f,0", (2, 0)),
        ("GPU-8932", ()),  # two begin so
        ("GPU-8932a,GPU-8932f", (1, 0)),
        ("GPU-", ()),
        ("gpu-1f0c", ()),
        ("MIG-8932f937", ()),
        ("NoDevFiles", ()),
        ("all", ()),
        ("٣", ()),
        ("9" * 400, ()),
    ],
)
def test_a_mask_names_gpus_by_number_or_by_the_beginning_of_their_identity(
    mask: str | None, seen: tuple[int, ...]
) -> None:
    assert visible(UUIDS, mask) == seen


@given(st.text(alphabet="0123456789,-GPUabcdef x", max_size=20), st.integers(0, 5))
def test_no_mask_shows_what_is_not_there_nor_anything_twice(mask: str, count: int) -> None:
    seen = visible([f"GPU-{n}abcdef" for n in range(count)], mask)
    assert len(set(seen)) == len(seen)
    assert all(0 <= place < count for place in seen)


def test_behind_a_mask_gpus_are_counted_from_zero() -> None:
    cards = [Gpu("cuda", n, f"card {n}", GB) for n in range(3)]
    assert [(gpu.index, gpu.name) for gpu in numbered(cards, (2, 0))] == [(0, "card 2"), (1, "card 0")]


DISCRETE = Gpu("vulkan", 1, "a card", 8 * GB, 7 * GB)
INTEGRATED = Gpu("vulkan", 0, "part of the processor", 16 * GB, 8 * GB, unified=True)
CUDA = Gpu("cuda", 0, "a card", 8 * GB, 7 * GB)


@pytest.mark.parametrize(
    ("backend", "seen", "used"),
    [
        ("cuda", (CUDA, DISCRETE), (CUDA,)),
        ("vulkan", (CUDA, DISCRETE), (DISCRETE,)),
        ("vulkan", (INTEGRATED, DISCRETE), (DISCRETE,)),
        ("vulkan", (INTEGRATED,), (INTEGRATED,)),
        ("rocm", (CUDA, DISCRETE), ()),
        ("cpu", (CUDA, DISCRETE), ()),
        ("cuda", (), ()),
    ],
)
def test_an_engine_uses_the_gpus_of_its_backend_and_integrated_ones_only_for_want_of_others(
    backend: str, seen: tuple[Gpu, ...], used: tuple[Gpu, ...]
) -> None:
    assert usable(seen, backend) == used


# ── nvidia-smi ────────────────────────────────────────────────────────────────────────────────────


def smi(name: str = "") -> str:
    return (DEVICES / f"nvidia-smi{name}.csv").read_text()


def test_cards_are_read_from_nvidia_smi() -> None:
    first, second, third = from_smi(smi(), None)
    assert first == Gpu(
        "cuda", 0, "NVIDIA GeForce RTX 4090", 24564 * MB, 23028 * MB, "550.54.15", "8.9", unified=False
    )
    assert (second.name, third.total) == ("NVIDIA RTX A2000, 12GB", 81559 * MB)


def test_a_mask_applies_to_nvidia_smi_which_does_not_know_it() -> None:
    found = from_smi(smi(), "GPU-1f,0")
    assert [(gpu.index, gpu.capability) for gpu in found] == [(0, "9.0"), (1, "8.9")]


def test_a_card_without_memory_of_its_own_has_the_machines() -> None:
    (found,) = from_smi(smi("-gb10"), None)
    assert (found.name, found.total, found.free, found.unified) == ("NVIDIA GB10", 0, None, True)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "No devices were found\n", "NVIDIA-SMI has failed because it couldn't communicate", "a, b\n"],
)
def test_what_is_no_list_of_cards_has_none(text: str) -> None:
    assert from_smi(text, None) == ()


# ── the reports of the child program ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("report", ["", "\n", '{"error": "no library"}', "noise", "[1", "{}", '"gpus"'])
def test_a_report_without_gpus_has_none_and_the_log_knows_why(
    report: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert from_nvml(report, None) is None
    assert from_vulkan(report, None) == ()
    assert bool(caplog.text) == bool(report.strip())


def test_a_driver_without_devices_is_not_a_missing_driver() -> None:
    assert from_nvml('{"gpus": []}', None) == ()


def seen_by_vulkan(*kinds: str, uuids: str = "", supported: bool = True) -> str:
    """A report of one device a kind; `uuids` has a letter for each."""
    listed = [
        {
            "index": n,
            "name": f"{kind} {n}",
            "type": kind,
            "api": "1.3.230",
            "supported": supported,
            "total": GB,
            "free": None,
            "driver": "mesa",
            "uuid": uuids[n] if uuids else str(n),
        }
        for n, kind in enumerate(kinds)
    ]
    return "a layer says hello\n" + json.dumps({"gpus": listed}) + "\n"


@pytest.mark.parametrize(
    ("report", "mask", "names"),
    [
        (seen_by_vulkan("cpu"), None, []),
        (seen_by_vulkan("integrated", "discrete", "cpu"), None, ["integrated 0", "discrete 1"]),
        (seen_by_vulkan("discrete", "discrete", uuids="aa"), None, ["discrete 0"]),
        (seen_by_vulkan("discrete", "discrete", uuids="ab"), None, ["discrete 0", "discrete 1"]),
        (seen_by_vulkan("virtual", "other"), None, []),
        (seen_by_vulkan("virtual", "discrete"), "1,0", ["discrete 1", "virtual 0"]),
        (seen_by_vulkan("discrete", "discrete"), "1", ["discrete 1"]),
        (seen_by_vulkan("discrete"), "", []),
        (seen_by_vulkan("discrete"), "7", []),
        (seen_by_vulkan("discrete", "discrete"), "1 x 0", ["discrete 1"]),
        (seen_by_vulkan("discrete", supported=False), None, []),
    ],
)
def test_vulkan_devices_that_an_engine_would_use_are_found(
    report: str, mask: str | None, names: list[str]
) -> None:
    found = from_vulkan(report, mask)
    assert [gpu.name for gpu in found] == names
    assert [gpu.index for gpu in found] == list(range(len(names)))
    assert all(gpu.unified == gpu.name.startswith("integrated") for gpu in found)


# ── Metal ─────────────────────────────────────────────────────────────────────────────────────────


def mac(**changes: str) -> dict[str, str]:
    facts = dict(parse_sysctl((DEVICES / "sysctl-m2.txt").read_text()))
    return facts | {name.replace("__", "."): value for name, value in changes.items()}


def test_a_mac_computes_in_two_thirds_of_its_memory() -> None:
    (found,) = from_sysctl(mac(), "arm64")
    assert found == Gpu("metal", 0, "Apple M2 Max", 32 * GB * 2 // 3, None, "macOS 14.5", unified=True)
    assert found.total // MB == 21845  # what Metal itself recommends on such a machine


@pytest.mark.parametrize(
    ("memory", "limit", "share"),
    [
        (8, "0", 8 * GB * 2 // 3), (36, "0", 27 * GB), (64, "0", 48 * GB), (128, "0", 96 * GB),
        (128, "114688", 112 * GB), (16, "99999999", 16 * GB), (16, "", 16 * GB * 2 // 3),
    ],
)  # fmt: skip
def test_a_larger_mac_gives_more_and_the_user_may_say_how_much(memory: int, limit: str, share: int) -> None:
    facts = mac(hw__memsize=str(memory * GB), iogpu__wired_limit_mb=limit)
    (found,) = from_sysctl(facts, "arm64")
    assert found.total == share


def test_a_mac_with_another_processor_has_no_gpu_for_engines() -> None:
    facts = parse_sysctl((DEVICES / "sysctl-intel.txt").read_text())
    assert from_sysctl(facts, "x86_64") == ()
    assert from_sysctl({}, "arm64") == ()


def test_the_gpu_of_a_mac_has_no_more_than_the_machine_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def facts(*branches: str) -> Mapping[str, str]:
        assert {"machdep.cpu", "hw.memsize", "iogpu", "kern.osproductversion"} == set(branches)
        return mac(hw__memsize=str(1 << 50))

    monkeypatch.setattr(hardware, "sysctl", facts)
    monkeypatch.setattr(hardware.platform, "machine", lambda: "arm64")  # type: ignore[attr-defined]
    (found,) = hardware.devices({}, tmp_path, "darwin")
    here = hardware.memory(tmp_path)
    assert (found.backend, found.total, found.unified) == ("metal", here.total, True)
    assert found.free is not None
    assert abs(found.free - here.available) < GB


# ── AMD ───────────────────────────────────────────────────────────────────────────────────────────


def card(root: Path, number: int, slot: str, **files: str) -> None:
    """An AMD card as amdgpu shows it, with 16 GiB of which 1 is in use."""
    device = root / f"sys/class/drm/card{number}/device"
    (device / f"drm/renderD{128 + number}").mkdir(parents=True)
    shown = {
        "vendor": "0x1002", "device": "0x744c", "revision": "0xc8", "uevent": f"PCI_SLOT_NAME={slot}",
        "mem_info_vram_total": str(16 * GB), "mem_info_vram_used": str(GB),
        "mem_info_gtt_total": str(30 * GB), "mem_info_gtt_used": str(2 * GB),
    } | files  # fmt: skip
    for name, text in shown.items():
        (device / name).write_text(text + "\n")


def node(root: Path, number: int, minor: int, version: int) -> None:
    """A node of KFD's topology; a processor has version 0."""
    folder = root / f"sys/class/kfd/kfd/topology/nodes/{number}"
    folder.mkdir(parents=True)
    text = f"simd_count 4\ngfx_target_version {version}\ndrm_render_minor {minor}\n"
    folder.joinpath("properties").write_text(text)


@pytest.fixture
def radeons(tmp_path: Path) -> Path:
    """Two cards that KFD numbers against the order of the bus, connectors, another vendor, an old driver."""
    card(tmp_path, 0, "0000:03:00.0", unique_id="aaaa1111", product_name="Radeon RX 7900 XTX")
    card(tmp_path, 1, "0000:83:00.0", unique_id="bbbb2222")
    (tmp_path / "sys/class/drm/card0-DP-1").mkdir()
    card(tmp_path, 2, "0000:01:00.0", vendor="0x10de")
    card(tmp_path, 3, "0000:02:00.0")
    (tmp_path / "sys/class/drm/card3/device/mem_info_vram_total").unlink()
    node(tmp_path, 0, 0, 0)
    node(tmp_path, 1, 129, 90402)
    node(tmp_path, 2, 128, 110000)
    (tmp_path / "sys/module/amdgpu").mkdir(parents=True)
    (tmp_path / "sys/module/amdgpu/version").write_text("6.10.5\n")
    ids = tmp_path / "usr/share/libdrm/amdgpu.ids"
    ids.parent.mkdir(parents=True)
    ids.write_text("1.0.0\n744C,\tC7,\tSome other\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n")
    return tmp_path


def test_amds_cards_are_numbered_as_the_compute_driver_does(radeons: Path) -> None:
    first, second = amd.look({}, radeons)
    assert (first.index, first.name, first.capability) == (0, "AMD Radeon RX 7900 XTX", "gfx942")
    assert second == Gpu("rocm", 1, "Radeon RX 7900 XTX", 16 * GB, 15 * GB, "6.10.5", "gfx1100")


@pytest.mark.parametrize(
    ("environ", "targets"),
    [
        ({}, ["gfx942", "gfx1100"]),
        ({"ROCR_VISIBLE_DEVICES": "1"}, ["gfx1100"]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-aaaa1111"}, ["gfx1100"]),
        ({"ROCR_VISIBLE_DEVICES": "1,0", "HIP_VISIBLE_DEVICES": "1"}, ["gfx942"]),
        ({"HIP_VISIBLE_DEVICES": "1"}, ["gfx1100"]),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "0"}, ["gfx942"]),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "0"}, ["gfx1100"]),
        ({"GPU_DEVICE_ORDINAL": "1"}, ["gfx1100"]),
        ({"HIP_VISIBLE_DEVICES": ""}, ["gfx942", "gfx1100"]),
    ],
)
def test_amds_masks_are_applied_one_after_the_other(
    radeons: Path, environ: Mapping[str, str], targets: list[str]
) -> None:
    found = amd.look(environ, radeons)
    assert [gpu.capability for gpu in found] == targets
    assert [gpu.index for gpu in found] == list(range(len(targets)))


def test_without_the_compute_driver_cards_are_listed_by_their_place(tmp_path: Path) -> None:
    card(tmp_path, 0, "0000:83:00.0", product_name="far")
    card(tmp_path, 1, "0000:03:00.0", product_name="near")
    found = amd.look({}, tmp_path)
    assert [(gpu.name, gpu.capability, gpu.index) for gpu in found] == [("near", "", 0), ("far", "", 1)]


def test_a_card_nobody_knows_is_called_by_its_numbers(tmp_path: Path) -> None:
    card(tmp_path, 0, "0000:03:00.0")
    (found,) = amd.look({}, tmp_path)
    assert found.name == "AMD GPU 744C:C8"


def test_a_processor_with_graphics_computes_in_the_machines_memory(tmp_path: Path) -> None:
    card(tmp_path, 0, "0000:c4:00.0")
    node(tmp_path, 1, 128, 110501)
    (found,) = amd.look({}, tmp_path)
    assert (found.capability, found.unified) == ("gfx1151", True)
    assert (found.total, found.free) == (46 * GB, 43 * GB)


def test_a_machine_without_amds_driver_has_none(tmp_path: Path) -> None:
    assert amd.look({}, tmp_path) == ()


# ── libraries that stand where those of drivers would ─────────────────────────────────────────────


def compiled(source: str, library: str, directory: Path) -> Path:
    """The directory with a shared library made from one of our C files."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler: in CI the stand-ins for driver libraries must be tested")
        pytest.skip("no C compiler to make a stand-in for a driver library")
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(directory / library)]
    subprocess.run([*command, str(DEVICES / source)], check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("shared libraries are found through LD_LIBRARY_PATH on Linux only")
    directory = compiled("nvml.c", "libnvidia-ml.so.1", tmp_path_factory.mktemp("drivers"))
    return compiled("vulkan.c", "libvulkan.so.1", directory)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with the device files of an NVIDIA driver."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Variables that the stand-ins read; the filter of what children may see lets them through."""
    extra: dict[str, str] = {}
    plain = launch.inherited
    monkeypatch.setattr(launch, "inherited", lambda environ: plain(environ) | extra)
    yield extra


def devices(machine: Path, libraries: Path, **environ: str) -> tuple[Gpu, ...]:
    return hardware.devices({"LD_LIBRARY_PATH": str(libraries)} | environ, machine, "linux")


def test_a_driver_is_asked_by_a_child_and_answers_for_every_card(machine: Path, libraries: Path) -> None:
    found = usable(devices(machine, libraries), "cuda")
    assert found == (
        Gpu("cuda", 0, "NVIDIA GeForce RTX 4090", 24 * GB, 23 * GB, "580.126.09", "8.9"),
        Gpu("cuda", 1, "NVIDIA H200", 141 * GB, 140 * GB, "580.126.09", "9.0"),
    )


def test_a_card_in_the_machines_memory_has_what_the_machine_has(machine: Path, libraries: Path) -> None:
    (found,) = usable(devices(machine, libraries, CUDA_VISIBLE_DEVICES="GPU-333"), "cuda")
    here = hardware.memory(machine)
    assert (found.name, found.unified, found.total) == ("NVIDIA GB10", True, here.total)
    assert found.free is not None
    assert 0 < found.free <= here.total


def test_a_mask_decides_which_cards_are_seen_and_in_which_order(machine: Path, libraries: Path) -> None:
    found = devices(machine, libraries, CUDA_VISIBLE_DEVICES="1,GPU-111")
    assert [(gpu.index, gpu.name[7:]) for gpu in usable(found, "cuda")] == [
        (0, "H200"),
        (1, "GeForce RTX 4090"),
    ]
    assert usable(devices(machine, libraries, CUDA_VISIBLE_DEVICES="-1"), "cuda") == ()


def test_a_card_that_fell_off_the_bus_leaves_the_others(
    machine: Path, libraries: Path, told: dict[str, str]
) -> None:
    told["NVML_LOST"] = "1"
    found = usable(devices(machine, libraries), "cuda")
    assert [gpu.name for gpu in found] == ["NVIDIA H200"]


@pytest.mark.parametrize(
    ("how", "why"),
    [("NVML_REFUSE", "nvmlInit_v2 failed with code 18"), ("NVML_CRASH", "failed with status -6")],
)
def test_a_broken_driver_is_as_good_as_none_and_the_log_says_why(
    machine: Path, libraries: Path, told: dict[str, str], caplog: pytest.LogCaptureFixture, how: str, why: str
) -> None:
    caplog.set_level(logging.DEBUG)
    told[how] = "1"
    assert usable(devices(machine, libraries), "cuda") == ()
    assert why in caplog.text


def test_a_driver_that_hangs_is_given_up_and_the_others_are_heard(
    machine: Path, libraries: Path, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told["NVML_HANG"] = "1"
    monkeypatch.setattr(hardware, "ask", lambda *commands, **more: probe.ask(*commands, **more, seconds=3))
    begun = time.monotonic()
    found = devices(machine, libraries)
    assert time.monotonic() - begun < 20
    assert usable(found, "cuda") == ()
    assert usable(found, "vulkan")


def test_without_the_library_nvidia_smi_is_asked(machine: Path) -> None:
    smi_program = machine / "bin" / "nvidia-smi"
    smi_program.parent.mkdir()
    report = DEVICES / "nvidia-smi.csv"
    wanted = "--query-gpu=index,uuid,driver_version,compute_cap,memory.total,memory.free,name"
    smi_program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "{wanted} --format=csv,noheader,nounits" ] && cat {report}\n'
    )
    smi_program.chmod(0o755)
    environ = {"PATH": f"{smi_program.parent}:/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "2"}
    if usable(hardware.devices({"PATH": "/nowhere"}, machine, "linux"), "cuda"):
        pytest.skip("this machine has the real library")
    (found,) = usable(hardware.devices(environ, machine, "linux"), "cuda")
    assert (found.name, found.driver) == ("NVIDIA H100 80GB HBM3", "550.54.15")


def test_with_neither_library_nor_program_there_is_no_cuda(machine: Path) -> None:
    found = hardware.devices({"PATH": "/nowhere", "CUDA_VISIBLE_DEVICES": ""}, machine, "linux")
    assert usable(found, "cuda") == ()


def test_vulkan_is_asked_for_names_memory_and_drivers(machine: Path, libraries: Path) -> None:
    found = [gpu for gpu in devices(machine, libraries) if gpu.backend == "vulkan"]
    here = hardware.memory(machine)
    assert found[0] == Gpu("vulkan", 0, "Some Radeon", 8 * GB, 6 * GB, "radv Mesa 25.0", "1.3.230")
    integrated = found[1]
    assert (integrated.name, integrated.unified) == ("Some Iris", True)
    assert integrated.total == min(24 * GB, here.total)
    assert len(found) == 2  # neither the old driver nor the processor that plays GPU


def test_a_card_that_two_backends_see_is_listed_for_each(machine: Path, libraries: Path) -> None:
    assert {gpu.backend for gpu in devices(machine, libraries)} == {"cuda", "vulkan"}


def test_no_driver_is_ever_loaded_into_this_process(machine: Path, libraries: Path) -> None:
    devices(machine, libraries)
    assert str(libraries) not in Path("/proc/self/maps").read_text()
