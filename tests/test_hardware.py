"""Memory and processor: what of the machine this process may really use, limits of containers included."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from paddock.engines import hardware, processor
from paddock.engines.cgroups import Group, groups
from paddock.engines.hardware import Memory, memory, survey, within_limits
from paddock.engines.probe import ask
from paddock.engines.processor import Processor, apple, cores_of, described, limited, parse_sysctl

DEVICES = Path(__file__).parent / "data" / "devices"
GB = 1 << 30
MACHINE = Memory(64 * GB, 40 * GB)
UNLIMITED_V1 = str((1 << 63) - 4096)


def written(root: Path, files: dict[str, str]) -> Path:
    """`root` with these files below it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def unified(branch: str = "/", point: str = "/sys/fs/cgroup") -> str:
    return f"31 23 0:28 {branch} {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def legacy(controllers: str, branch: str = "/") -> str:
    point = f"/sys/fs/cgroup/{controllers}"
    return f"35 31 0:32 {branch} {point} rw,relatime shared:9 - cgroup cgroup rw,{controllers}\n"


ROOT_MOUNT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


def inside(root: Path, membership: str, mounts: str, **files: str) -> Path:
    """A machine whose process is in `membership`; a keyword `a__b_c` is the file `b.c` in the group `a`."""
    tree = {"proc/self/cgroup": membership, "proc/self/mountinfo": ROOT_MOUNT + mounts}
    return written(root, tree | files)


# ── finding the groups ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("membership", "mounts", "found"),
    [
        ("0::/user.slice/app.scope\n", unified(), ["user.slice/app.scope", "user.slice", ""]),
        ("0::/\n", unified(), [""]),
        ("0::/../../other\n", unified(), [""]),
        ("0::/docker/abc\n", unified("/docker/abc"), [""]),
        ("0::/docker/abc/inner\n", unified("/docker/abc"), ["inner", ""]),
        ("0::/docker/abcdef\n", unified("/docker/abc"), [""]),
        ("4:memory:/a/b\n0::/\n", unified() + legacy("memory"), ["memory/a/b", "memory/a", "memory"]),
        ("4:memory:/docker/abc\n", legacy("memory", "/docker/abc"), ["memory"]),
        ("3:cpu,cpuacct:/x\n0::/y\n", legacy("cpu,cpuacct") + unified(), ["y", ""]),
        ("0::/a b\n", unified("/", "/sys/fs/cgroup"), ["a b", ""]),
        ("", unified(), []),
        ("0::/a\n", "", []),
        ("4:memory:/a\n", unified(), []),
    ],
)
def test_our_own_group_and_every_one_above_it_are_found(
    tmp_path: Path, membership: str, mounts: str, found: list[str]
) -> None:
    root = inside(tmp_path, membership, mounts)
    seen = [group.path.relative_to(root / "sys/fs/cgroup").as_posix() for group in groups("memory", root)]
    assert [path.removeprefix(".") for path in seen] == found


def test_a_tree_mounted_at_a_place_with_a_space_is_found(tmp_path: Path) -> None:
    root = inside(tmp_path, "0::/a\n", unified(point="/my\\040groups"))
    assert [group.path for group in groups("memory", root)] == [root / "my groups/a", root / "my groups"]


def test_each_version_knows_itself(tmp_path: Path) -> None:
    old = inside(tmp_path / "old", "4:cpu,cpuacct:/\n", legacy("cpu,cpuacct"))
    assert [group.unified for group in groups("cpu", old)] == [False]
    assert groups("memory", old) == ()
    new = inside(tmp_path / "new", "0::/\n", unified())
    assert [group.unified for group in groups("cpu", new)] == [True]


def test_a_system_without_control_groups_has_none(tmp_path: Path) -> None:
    assert groups("memory", tmp_path) == ()


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def left(root: Path) -> Memory:
    return within_limits(MACHINE, groups("memory", root))


STAT = "anon 1\nfile 5\ninactive_anon 7\ninactive_file 3221225472\nactive_file 9\n"  # 3 GiB


def test_without_a_limit_the_machine_is_ours(tmp_path: Path) -> None:
    tree = "sys/fs/cgroup/a/memory"
    root = inside(tmp_path, "0::/a\n", unified(), **{f"{tree}.max": "max\n", f"{tree}.current": "99\n"})
    assert left(root) == MACHINE


def test_a_limit_binds_and_page_cache_that_can_go_is_available(tmp_path: Path) -> None:
    tree = "sys/fs/cgroup/memory"
    files = {f"{tree}.max": f"{8 * GB}\n", f"{tree}.current": f"{5 * GB}\n", f"{tree}.stat": STAT}
    root = inside(tmp_path, "0::/\n", unified(), **files)
    assert left(root) == Memory(8 * GB, 6 * GB)


def test_the_limit_of_a_group_above_ours_binds_too(tmp_path: Path) -> None:
    """The pod has a limit, the container in it has none, and others in the pod use most of it."""
    pod = "sys/fs/cgroup/pod/memory"
    files = {
        "sys/fs/cgroup/pod/box/memory.max": "max",
        "sys/fs/cgroup/pod/box/memory.current": str(GB),
        f"{pod}.max": str(10 * GB),
        f"{pod}.current": str(9 * GB),
    }
    root = inside(tmp_path, "0::/pod/box\n", unified(), **files)
    assert left(root) == Memory(10 * GB, GB)


def test_the_tightest_of_several_limits_counts_for_each_figure(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/pod/box/memory.max": str(4 * GB),
        "sys/fs/cgroup/pod/box/memory.current": "0",
        "sys/fs/cgroup/pod/memory.max": str(16 * GB),
        "sys/fs/cgroup/pod/memory.current": str(15 * GB),
    }
    root = inside(tmp_path, "0::/pod/box\n", unified(), **files)
    assert left(root) == Memory(4 * GB, GB)


def test_the_mark_above_which_a_group_is_throttled_is_a_limit(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": str(8 * GB), "sys/fs/cgroup/memory.high": str(6 * GB)}
    assert left(inside(tmp_path, "0::/\n", unified(), **files)).total == 6 * GB


def test_a_limit_beyond_the_machine_is_none(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": str(512 * GB), "sys/fs/cgroup/memory.current": str(500 * GB)}
    assert left(inside(tmp_path, "0::/\n", unified(), **files)) == MACHINE


def test_a_group_past_its_limit_has_nothing_left(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": str(GB), "sys/fs/cgroup/memory.current": str(2 * GB)}
    assert left(inside(tmp_path, "0::/\n", unified(), **files)) == Memory(GB, 0)


def test_the_first_version_says_the_same_in_other_words(tmp_path: Path) -> None:
    tree = "sys/fs/cgroup/memory"
    files = {
        f"{tree}/a/memory.limit_in_bytes": str(8 * GB),
        f"{tree}/a/memory.usage_in_bytes": str(5 * GB),
        f"{tree}/a/memory.stat": f"inactive_file 17\ntotal_inactive_file {3 * GB}\n",
        f"{tree}/memory.limit_in_bytes": UNLIMITED_V1,
        f"{tree}/memory.usage_in_bytes": str(50 * GB),
    }
    root = inside(tmp_path, "9:name=systemd:/\n4:memory:/a\n0::/\n", unified() + legacy("memory"), **files)
    assert left(root) == Memory(8 * GB, 6 * GB)


def test_a_group_that_hides_its_figures_still_has_its_limit(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": str(8 * GB), "sys/fs/cgroup/memory.stat": "nonsense\n"}
    assert left(inside(tmp_path, "0::/\n", unified(), **files)) == Memory(8 * GB, 8 * GB)


def test_a_number_that_is_none_counts_as_not_said(tmp_path: Path) -> None:
    for text in ("max", "", "-1", "4 GB", "٣"):
        (tmp_path / "memory.max").write_text(text)
        found = Group(tmp_path, unified=True).number("memory.max")
        assert found is None or found == 3, text
    assert Group(tmp_path / "nowhere", unified=True).number("memory.max") is None


def test_this_machine_has_memory() -> None:
    here = memory()
    assert 0 < here.available <= here.total


# ── the processor ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("report", "name", "has", "lacks"),
    [
        ("epyc", "AMD EPYC", {"avx2", "avx512_vnni", "avx512_bf16"}, {"amx_tile", "flags"}),
        ("xeon", "Intel(R) Xeon(R) Platinum 8488C", {"amx_tile", "amx_int8", "avx_vnni"}, {"vnmi"}),
        ("laptop", "Intel(R) Core(TM) i5-6200U CPU @ 2.30GHz", {"avx2", "fma"}, {"avx512f"}),
        ("graviton", "", {"asimddp", "i8mm", "sve"}, {"avx2"}),
    ],
)
def test_a_processor_is_read_from_cpuinfo(report: str, name: str, has: set[str], lacks: set[str]) -> None:
    found, features = described((DEVICES / f"cpuinfo-{report}.txt").read_text())
    assert found == name
    assert features >= has
    assert not features & lacks


@pytest.mark.parametrize(
    ("report", "architecture", "words"),
    [
        ("epyc", "x86_64", ("AVX-512",)),
        ("xeon", "x86_64", ("AVX-512", "AVX-VNNI", "AMX")),
        ("laptop", "x86_64", ()),
        ("graviton", "aarch64", ("dot products", "I8MM", "SVE")),
        ("graviton", "arm64", ()),  # as a Mac spells it, where Metal computes
        ("epyc", "riscv64", ()),
    ],
)
def test_what_the_bundled_engine_leaves_unused_is_said_in_words(
    report: str, architecture: str, words: tuple[str, ...]
) -> None:
    name, features = described((DEVICES / f"cpuinfo-{report}.txt").read_text())
    assert Processor(name, architecture, 1, 1, features).beyond_bundled == words


@pytest.mark.parametrize("text", ["", "nonsense", ":\n:", "flags\n", "processor : 0\n\n"])
def test_a_cpuinfo_that_says_nothing_gives_nothing(text: str) -> None:
    assert described(text) == ("", frozenset())


def threads(root: Path, siblings: list[str], file: str = "core_cpus_list") -> Path:
    files = {f"sys/devices/system/cpu/cpu{n}/topology/{file}": f"{t}\n" for n, t in enumerate(siblings)}
    return written(root, files | {"sys/devices/system/cpu/online": f"0-{len(siblings) - 1}\n"})


@pytest.mark.parametrize("file", ["core_cpus_list", "thread_siblings_list"])
def test_threads_of_one_core_count_once(tmp_path: Path, file: str) -> None:
    root = threads(tmp_path, ["0,4", "1,5", "2,6", "3,7"] * 2, file)
    assert cores_of(range(8), root) == 4
    assert cores_of({0, 4}, root) == 1
    assert cores_of({0, 1, 5}, root) == 2


def test_processors_of_which_nothing_is_known_are_cores(tmp_path: Path) -> None:
    assert cores_of(range(3), tmp_path) == 3
    assert cores_of((), tmp_path) == 1


@pytest.mark.parametrize(
    ("granted", "cores"),
    [
        ("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1),
        ("9900000 100000", 8), ("0 100000", 1), ("", 8), ("nonsense", 8), ("100000 0", 8),
    ],
)  # fmt: skip
def test_a_quota_of_processor_time_is_rounded_up_to_cores(tmp_path: Path, granted: str, cores: int) -> None:
    root = inside(tmp_path, "0::/a\n", unified(), **{"sys/fs/cgroup/a/cpu.max": f"{granted}\n"})
    assert limited(8, groups("cpu", root)) == cores


def test_the_quota_of_a_group_above_ours_binds_too(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}
    assert limited(8, groups("cpu", inside(tmp_path, "0::/a/b\n", unified(), **files))) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 3)])
def test_the_first_version_grants_time_in_other_words(tmp_path: Path, quota: str, cores: int) -> None:
    tree = "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs"
    files = {f"{tree}_quota_us": f"{quota}\n", f"{tree}_period_us": "100000\n"}
    root = inside(tmp_path, "5:cpu,cpuacct:/a\n", legacy("cpu,cpuacct"), **files)
    assert limited(8, groups("cpu", root)) == cores


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the affinity of this process")
def test_a_limited_processor_knows_how_many_cores_the_machine_has(tmp_path: Path) -> None:
    root = threads(tmp_path, ["0,4", "1,5", "2,6", "3,7"] * 2)
    inside(root, "0::/\n", unified(), **{"sys/fs/cgroup/cpu.max": "100000 100000"})
    written(root, {"proc/cpuinfo": (DEVICES / "cpuinfo-laptop.txt").read_text()})
    found = processor.look(root, "linux")
    assert (found.cores, found.installed) == (1, 4)
    assert found.name.startswith("Intel(R) Core(TM) i5")


def test_a_processor_of_which_nothing_is_known_has_a_core(tmp_path: Path) -> None:
    found = processor.look(tmp_path)
    assert found.cores >= 1
    assert found.installed >= 1


def test_a_mac_says_the_same_in_other_words() -> None:
    found = apple(parse_sysctl((DEVICES / "sysctl-m2.txt").read_text()), "arm64")
    assert (found.name, found.cores, found.installed) == ("Apple M2 Max", 12, 12)
    assert found.features == {"asimddp", "i8mm"}
    assert found.beyond_bundled == ()


def test_a_mac_is_asked_through_sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*commands: tuple[str, ...]) -> tuple[str, ...]:
        assert [command[0] for command in commands] == ["/usr/sbin/sysctl"] * len(commands)
        return ((DEVICES / "sysctl-m2.txt").read_text(), *("",) * (len(commands) - 1))

    monkeypatch.setattr(processor, "ask", answer)
    assert processor.look(tmp_path, "darwin").name == "Apple M2 Max"


def test_an_older_mac_has_intels_features_in_linuxs_words() -> None:
    found = apple(parse_sysctl((DEVICES / "sysctl-intel.txt").read_text()), "x86_64")
    assert found.cores == 8
    assert found.features >= {"avx", "avx2", "avx512f", "avx512_vnni", "fma"}
    assert found.beyond_bundled == ("AVX-512",)


def test_a_mac_that_says_nothing_has_a_core() -> None:
    assert apple({}, "arm64") == Processor("", "arm64", 1, 1)


# ── questions to child programs ───────────────────────────────────────────────────────────────────


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program)


def test_children_are_asked_at_once_and_answer_in_order() -> None:
    begun = time.monotonic()
    waits = "import time; time.sleep(0.7); print({})"
    assert ask(*(python(waits.format(n)) for n in (1, 2, 3))) == ("1\n", "2\n", "3\n")
    assert time.monotonic() - begun < 2.0


def test_a_child_that_hangs_is_given_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    begun = time.monotonic()
    assert ask(python("import time; time.sleep(60)"), python("print('here')"), seconds=2) == ("", "here\n")
    assert time.monotonic() - begun < 10
    assert "did not answer in time" in caplog.text


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/nowhere/nvidia-smi",), "cannot ask /nowhere/nvidia-smi: No such file"),
        (python("import sys; print('half'); sys.exit('the driver is broken')"), "the driver is broken"),
        (python("import os; os.abort()"), "failed with status -6"),
    ],
)
def test_a_child_that_fails_says_nothing_and_the_log_says_why(
    command: tuple[str, ...], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert ask(command) == ("",)
    assert why in caplog.text


def test_a_child_sees_only_what_it_is_given() -> None:
    program = python("import os; print(sorted(n for n in os.environ if not n.startswith('LC_')))")
    assert ask(program, environ={"CUDA_VISIBLE_DEVICES": "0"}) == ("['CUDA_VISIBLE_DEVICES']\n",)


# ── all of it ─────────────────────────────────────────────────────────────────────────────────────


def test_a_survey_of_this_machine_finds_what_must_be_there() -> None:
    here = survey()
    assert here.memory.total > 0
    assert 1 <= here.processor.cores <= (os.cpu_count() or 1)
    assert here.processor.architecture


def test_where_no_driver_has_a_device_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def note(*commands: object, **_: object) -> tuple[str, ...]:
        started.extend(commands)
        return ("",) * len(commands)

    monkeypatch.setattr(hardware, "ask", note)
    assert hardware.devices({"PATH": "/bin"}, tmp_path, "linux") == ()
    assert started == []
