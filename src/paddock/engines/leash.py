"""Runs a program that cannot outlive the process that started it: `leash.py PARENT -- PROGRAM ARGS…`.

On Linux the kernel is asked to kill us when the parent dies (PR_SET_PDEATHSIG survives exec), then the
program takes our place. Elsewhere we stay as its parent and watch our standard input: its end means
that the server is gone. The file mode mask is closed, because engines write sockets and slot files
that would otherwise be open to everybody, and core files are switched off, for they hold prompts.

This file is run by path with `python -I -S`: it imports nothing but the standard library.
"""

import os
import resource
import select
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tie_to_parent() -> bool:
    """Ask the kernel to kill this process when its parent ends; False where that does not exist."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def watch(program: list[str]) -> int:
    """Run `program` as a child and end it when standard input ends or when we are told to stop."""
    waker, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that the child's end wakes the select
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    child = subprocess.Popen(program, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    if told:  # while it was being started
        child.terminate()
    while child.poll() is None:
        ready, _, _ = select.select([0, waker], [], [])
        if waker in ready:
            os.read(waker, 4096)
        if 0 in ready and not os.read(0, 4096):
            child.kill()
            break
    return _exit_code(child.wait())


def _exit_code(status: int) -> int:
    return 128 - status if status < 0 else status


def main() -> int:
    """Close the mask, tie ourselves down, become the program."""
    where = sys.argv.index("--")
    (parent, *how), program = sys.argv[1:where], sys.argv[where + 1 :]
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "--watch" in how or not tie_to_parent():
        return watch(program)
    # The parent may have died before the kernel knew of the tie; then nobody would ever end us.
    if os.getppid() != int(parent):
        return 1
    return os.execv(program[0], program)


if __name__ == "__main__":
    sys.exit(main())
