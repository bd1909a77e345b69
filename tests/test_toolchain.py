"""What is compiled for which machine, and what is said where a better engine is one command away."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from paddock import settings
from paddock.engines import hardware
from paddock.engines.gpus import Gpu
from paddock.engines.hardware import Hardware, Memory
from paddock.engines.installed import Choice, Installed, bundled
from paddock.engines.processor import Processor
from paddock.machine import compiling, engines, toolchain
from paddock.machine.toolchain import NotPossible, Toolchain, recipe

GIB = 1 << 30
TOOLS = Toolchain("/usr/bin/c++", "/usr/bin/cmake", "/usr/bin/ninja")
WITH_NVCC = Toolchain("/usr/bin/c++", "/usr/bin/cmake", "/usr/bin/ninja", "/usr/local/bin/nvcc")


def machine(*gpus: Gpu, features: str = "avx2 avx512f", cores: int = 4, free: int = 32 * GIB) -> Hardware:
    processor = Processor("Some CPU", "x86_64", cores, cores, frozenset(features.split()))
    return Hardware(Memory(64 * GIB, free), processor, gpus)


def card(backend: str = "cuda", capability: str = "9.0", unified: bool = False) -> Gpu:
    return Gpu(backend, 0, "Some Card", 8 * GIB, 7 * GIB, "575", capability, unified)


# ── what is compiled ──────────────────────────────────────────────────────────────────────────────


def test_without_a_gpu_the_processors_own_instructions_are_compiled() -> None:
    made = recipe(machine(), TOOLS, "Linux")
    assert made.backend == "cpu"
    assert "-DGGML_NATIVE=ON" in made.flags
    assert not any("CUDA" in flag for flag in made.flags)


def test_nothing_is_fetched_from_elsewhere_while_compiling() -> None:
    assert {"-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_OPENSSL=OFF"} <= set(
        toolchain.FLAGS
    )


def test_cuda_wants_both_a_compiler_and_a_device() -> None:
    assert recipe(machine(card()), TOOLS, "Linux").backend == "cpu"
    assert recipe(machine(), WITH_NVCC, "Linux").backend == "cpu"
    made = recipe(machine(card(), card(capability="8.9"), card()), WITH_NVCC, "Linux")
    assert made.backend == "cuda"
    assert "-DCMAKE_CUDA_ARCHITECTURES=89;90" in made.flags  # those that are present, each once


def test_metal_is_compiled_on_a_mac() -> None:
    assert recipe(machine(card("metal", "")), TOOLS, "Darwin").backend == "metal"


def test_another_processor_or_flag_makes_another_name_and_nothing_else_does() -> None:
    name = recipe(machine(), TOOLS, "Linux").name
    assert recipe(machine(cores=2, free=GIB), TOOLS, "Linux").name == name
    assert recipe(machine(features="avx2"), TOOLS, "Linux").name != name
    assert recipe(machine(card()), WITH_NVCC, "Linux").name != name


@pytest.mark.parametrize(
    ("cores", "free", "jobs"), [(4, 32 * GIB, 4), (64, 16 * GIB, 11), (8, GIB, 1), (1, 32 * GIB, 1)]
)
def test_memory_bounds_how_many_compilers_run(cores: int, free: int, jobs: int) -> None:
    assert toolchain.jobs(machine(cores=cores, free=free)) == jobs


def test_a_cmake_that_is_too_old_counts_as_missing(tmp_path: Path) -> None:
    for name, said in (("c++", ""), ("cmake", "cmake version 3.10.2")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / name).chmod(0o755)
    found = toolchain.found({"PATH": str(tmp_path)})
    assert (found.compiler, found.cmake, found.ninja) == (str(tmp_path / "c++"), "", "")


# ── unpacking ─────────────────────────────────────────────────────────────────────────────────────


def package(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """An archive of files, and of links where the content is None."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_only_llama_cpps_own_tree_is_unpacked(tmp_path: Path) -> None:
    path = package(
        tmp_path / "p.tar.gz",
        ("x-1/setup.py", b"no"),
        ("x-1/vendor/llama.cpp/CMakeLists.txt", b"yes"),
        ("x-1/vendor/llama.cpp/src/a.cpp", b"yes"),
        ("x-1/vendor/llama.cpp/link", None),
    )
    tree = compiling.unpack(path, tmp_path / "tree")
    assert sorted(str(each.relative_to(tree)) for each in tree.rglob("*")) == [
        "CMakeLists.txt",
        "src",
        "src/a.cpp",
    ]


@pytest.mark.parametrize("name", ["../../escaped", "a/../../../escaped"])
def test_a_package_that_would_write_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = package(tmp_path / "p.tar.gz", (f"x-1/vendor/llama.cpp/{name}", b"bad"))
    with pytest.raises(NotPossible, match="is not the package it should be"):
        compiling.unpack(path, tmp_path / "deep" / "tree")
    assert not list(tmp_path.rglob("escaped"))


def test_a_package_without_the_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match=r"p\.tar\.gz does not hold llama\.cpp"):
        compiling.unpack(package(tmp_path / "p.tar.gz", ("x-1/README", b"")), tmp_path / "tree")


# ── advice ────────────────────────────────────────────────────────────────────────────────────────

BUNDLED = Choice(bundled("1"), "")


@pytest.fixture
def compiler(tmp_path: Path) -> dict[str, str]:
    """An environment in which a compiler is found."""
    (tmp_path / "c++").write_text("#!/bin/sh\n")
    (tmp_path / "c++").chmod(0o755)
    return {"PATH": str(tmp_path)}


def test_a_processor_that_can_do_more_is_told_of_the_build(compiler: dict[str, str]) -> None:
    said = engines.advice(compiler, machine(), BUNDLED)
    assert "AVX-512" in said
    assert "'paddock engine build'" in said


def test_where_nothing_is_gained_or_nothing_can_be_done_nothing_is_said(
    compiler: dict[str, str], tmp_path: Path
) -> None:
    native = Choice(Installed("native-1", "native", "1", "cpu", tmp_path), "")
    named = Choice(Installed("llama-server", "named", "", "cpu", tmp_path), "")
    assert engines.advice(compiler, machine(features="avx2"), BUNDLED) == ""
    assert engines.advice({"PATH": "/nowhere"}, machine(), BUNDLED) == ""
    assert engines.advice(compiler, machine(), native) == ""
    assert engines.advice(compiler, machine(card()), named) == ""


@pytest.mark.parametrize("backend", ["cuda", "vulkan", "rocm"])
def test_an_idle_gpu_is_named_with_the_command_that_uses_it(
    compiler: dict[str, str], backend: str, tmp_path: Path
) -> None:
    native = Choice(Installed("native-1", "native", "1", "cpu", tmp_path), "")
    for chosen in (BUNDLED, native):
        said = engines.advice(compiler, machine(card(backend)), chosen)
        assert said.startswith("Some Card is idle")
        assert f"'paddock engine install {backend}'" in said


def test_a_gpu_that_two_backends_see_is_recommended_its_own(compiler: dict[str, str]) -> None:
    said = engines.advice(compiler, machine(card("vulkan"), card("cuda")), BUNDLED)
    assert "install cuda" in said


def test_a_gpu_inside_the_processor_is_not_called_idle(compiler: dict[str, str]) -> None:
    assert "idle" not in engines.advice(compiler, machine(card("vulkan", unified=True)), BUNDLED)


def test_advice_is_given_once_and_again_when_it_changes(
    compiler: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings.read({"HOME": str(tmp_path / "home")})
    monkeypatch.setattr(hardware, "survey", machine)
    assert "'paddock engine build'" in engines.advice_once(chosen, compiler)
    assert engines.advice_once(chosen, compiler) == ""
    monkeypatch.setattr(hardware, "survey", lambda: machine(card()))
    assert "'paddock engine install cuda'" in engines.advice_once(chosen, compiler)
    assert engines.advice_once(chosen, compiler) == ""


def test_advice_that_cannot_be_remembered_is_given_all_the_same(
    compiler: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    chosen = settings.read({"HOME": str(tmp_path), "PADDOCK_HOME": str(tmp_path / "file")})
    monkeypatch.setattr(hardware, "survey", machine)
    assert engines.advice_once(chosen, compiler)
    assert engines.advice_once(chosen, compiler)
