"""Runs a program that cannot outlive the process that started it: `leash.py -- PROGRAM ARGS…`.

On Linux the kernel is asked to kill us when the parent dies (PR_SET_PDEATHSIG survives exec), then the
program takes our place. Elsewhere we stay as its parent and watch our standard input: its end means
that the server is gone. The file mode mask is closed, because engines write sockets and slot files
that would otherwise be open to everybody, and core files are switched off, for they hold prompts.

This file is run by path with `python -I -S`: it imports nothing but the standard library.
"""

import os
import resource
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
    child = subprocess.Popen(program, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGCHLD, lambda *_: os._exit(_exit_code(child.wait())))
    if child.poll() is not None:  # it ended before the handler stood
        return _exit_code(child.wait())
    while os.read(0, 4096):
        pass
    child.kill()
    return _exit_code(child.wait())


def _exit_code(status: int) -> int:
    return 128 - status if status < 0 else status


def main() -> int:
    """Close the mask, tie ourselves down, become the program."""
    where = sys.argv.index("--")
    watching, program = "--watch" in sys.argv[1:where], sys.argv[where + 1 :]
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parent = os.getppid()
    if watching or not tie_to_parent():
        return watch(program)
    # The parent may have died before the kernel knew of the tie; then nobody would ever end us.
    if os.getppid() != parent:
        return 1
    return os.execv(program[0], program)


if __name__ == "__main__":
    sys.exit(main())
