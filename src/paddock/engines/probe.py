"""Questions to child programs, bounded in time.

Drivers are asked in children only: a driver that crashes, hangs or keeps memory does that to a child. A
child that cannot even be killed (a driver stuck in the kernel) is left behind rather than waited for.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

#: Seconds a child may take. A cold NVIDIA driver without persistence mode needs two to four.
PATIENCE = 9.0
#: Seconds a killed child gets to go.
_FAREWELL = 1.0
_LAST_LOOK = 0.2


def ask(
    *commands: Sequence[str], environ: Mapping[str, str] | None = None, seconds: float = PATIENCE
) -> tuple[str, ...]:
    """What each command prints, all run at once; "" for one that cannot start, fails, or is not done in
    `seconds`, and the log says why. Without `environ` they inherit ours."""
    deadline = time.monotonic() + seconds
    running = [(command, _started(command, environ)) for command in commands]
    return tuple(_answer(command, process, deadline) for command, process in running)


def _started(command: Sequence[str], environ: Mapping[str, str] | None) -> subprocess.Popen[str] | None:
    try:
        return subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        log.debug("cannot ask %s: %s", command[0], error.strerror)
        return None


def _answer(command: Sequence[str], process: subprocess.Popen[str] | None, deadline: float) -> str:
    if process is None:
        return ""
    # A child may have answered in time while we waited for another one.
    left = max(deadline - time.monotonic(), _LAST_LOOK)
    try:
        printed, complaint = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        log.debug("%s did not answer in time", " ".join(command))
        _abandon(process)
        return ""
    if process.returncode != 0:
        log.debug(
            "%s failed with status %d: %s", " ".join(command), process.returncode, complaint.strip()[-300:]
        )
        return ""
    return printed


def _abandon(process: subprocess.Popen[str]) -> None:
    process.kill()
    try:
        process.communicate(timeout=_FAREWELL)
    except subprocess.TimeoutExpired:
        log.debug("process %d cannot be killed and is left behind", process.pid)
