"""The leash: a program started through it cannot outlive who started it, on either way of holding it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import paddock.engines
from calls import until

LEASH = str(Path(paddock.engines.__file__).parent / "leash.py")

#: Starts a sleeping program through the leash, says its number, and waits to be killed.
PARENT = """
import os, subprocess, sys
leash, *rest = sys.argv[1:]
child = subprocess.Popen(
    [sys.executable, "-I", "-S", leash, str(os.getpid()), *rest], stdin=subprocess.PIPE
)
print(child.pid, flush=True)
sys.stdin.read()
"""
SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("how", [[], ["--watch"]], ids=["by the kernel", "by watching"])
def test_the_program_ends_when_its_parent_is_killed(how: list[str]) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, LEASH, *how, "--", *SLEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    leash = int(parent.stdout.readline())

    def family() -> list[int]:
        process = psutil.Process(leash)
        sleeping = [p.pid for p in (process, *process.children()) if "time.sleep" in " ".join(p.cmdline())]
        return [leash, *sleeping] if sleeping else []

    everyone = until(family)
    parent.kill()
    parent.wait()
    until(lambda: all(map(gone, everyone)), 10)
    parent.stdin.close()
    parent.stdout.close()


@pytest.mark.parametrize("how", [[], ["--watch"]], ids=["by the kernel", "by watching"])
def test_the_exit_status_and_the_mask_reach_through(how: list[str], tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"import os,sys; open({str(made)!r}, 'w').close(); sys.exit(7)"
    program = [sys.executable, "-I", "-S", "-c", code]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", LEASH, str(os.getpid()), *how, "--", *program], stdin=subprocess.PIPE
    )
    assert process.wait(30) == 7
    assert process.stdin is not None
    process.stdin.close()
    assert made.stat().st_mode & 0o777 == 0o600


def test_being_told_to_stop_reaches_a_watched_program() -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", LEASH, str(os.getpid()), "--watch", "--", *SLEEPER],
        stdin=subprocess.PIPE,
    )
    (child,) = until(lambda: psutil.Process(process.pid).children())
    until(lambda: "time.sleep" in " ".join(child.cmdline()))
    os.kill(process.pid, signal.SIGTERM)
    process.wait(30)
    assert gone(child.pid)
    assert process.stdin is not None
    process.stdin.close()
