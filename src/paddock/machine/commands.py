"""Runs other people's programs for us: their output to a log, line by line to whoever watches.

A program that is left, by Ctrl-C or by an error, is ended with everything it started; one whose starter is
killed outright is ended by its leash.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from paddock.engines.launch import leashed
from paddock.errors import PaddockError

_TAIL = 12
_GRACE = 5.0


class StepFailed(PaddockError):
    """A program that had to succeed did not; `step` says what it was for, `tail` is the end of its output."""

    def __init__(self, step: str, status: int, tail: Sequence[str], log: Path) -> None:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        said = "".join(f"\n  {line}" for line in tail) or "\n  (nothing)"
        super().__init__(f"{step} failed ({how}); the whole log is {log}. Its end:{said}")
        self.step = step
        self.status = status
        self.tail = tuple(tail)
        self.log = log


def run(
    step: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    log: TextIO,
    seen: Callable[[str], None] = lambda line: None,
) -> None:
    """Run `command` to its end; `seen` hears every line. Raises StepFailed where it does not succeed."""
    log.write(f"\n$ {' '.join(command)}\n")
    log.flush()
    tail: deque[str] = deque(maxlen=_TAIL)
    process = subprocess.Popen(
        leashed(tuple(command)),
        env=dict(environ),
        stdin=subprocess.PIPE,  # its end tells a watching leash that we are gone
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for us: we end the whole group, in order
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        with process.stdin, process.stdout:
            for line in process.stdout:
                log.write(line)
                if line.strip():
                    tail.append(line.rstrip()[:300])
                seen(line.rstrip())
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        log.flush()
    if status != 0:
        raise StepFailed(step, status, tail, Path(log.name))


def _end(process: subprocess.Popen[str]) -> None:
    """End the program and whatever it started. Its group has its own number."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
