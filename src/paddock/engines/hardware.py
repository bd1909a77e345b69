"""How much memory this machine offers, container limits included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Hardware:
    """Bytes of memory in all, and to be had now."""

    memory: int
    available: int


def survey() -> Hardware:
    """Look at the machine now. A container's memory limit counts where it is lower."""
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is not None and limit < total:
        total = limit
        available = min(available, max(limit - (used or 0), 0))
    return Hardware(total, available)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
