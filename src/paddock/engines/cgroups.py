"""Control groups: the directories whose limits bind this process, in both versions of the interface.

A limit may sit on our own group or on any group above it, so every level counts. `/proc/self/cgroup` says
which group we are in, mountinfo where its tree is mounted and which part of it: a container often sees
only its own branch, and then the top of the mount is as far up as anyone can look.

Source: cgroups(7), proc_pid_mountinfo(5), and the kernel's admin-guide pages on both versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddock.engines.kernel import number, read


@dataclass(frozen=True, slots=True)
class Group:
    """One directory of the tree. `unified` means version 2, whose files have other names."""

    path: Path
    unified: bool

    def number(self, name: str) -> int | None:
        """The whole number in the file `name`; None where it is missing or says `max`."""
        return number(read(self.path / name))


def groups(controller: str, root: Path = Path("/")) -> tuple[Group, ...]:
    """Our own group for `controller` (`memory`, `cpu`) and those above it, innermost first.

    Empty where there are no control groups. `root` is where the file system begins.
    """
    own = _memberships(read(root / "proc/self/cgroup"))
    unified: tuple[Group, ...] = ()
    for line in read(root / "proc/self/mountinfo").splitlines() if own else ():
        mounted, _, system = line.partition(" - cgroup")
        if not system:
            continue
        _, _, _, branch, point, *_ = mounted.split(" ")
        top = root / _plain(point).lstrip("/")
        if system.startswith("2 ") and "" in own:
            unified = unified or tuple(Group(path, True) for path in _upwards(top, _plain(branch), own[""]))
        elif controller in own and controller in system.rpartition(" ")[2].split(","):
            # A controller that version 1 holds is absent from version 2.
            return tuple(Group(path, False) for path in _upwards(top, _plain(branch), own[controller]))
    return unified


def _memberships(text: str) -> dict[str, str]:
    """The group of each controller; "" stands for version 2, which has one group for all."""
    own: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own |= dict.fromkeys(controllers.split(","), path)
    return own


def _plain(path: str) -> str:
    """mountinfo writes a space as `\\040`, because spaces separate its columns."""
    return path.replace("\\040", " ")


def _upwards(top: Path, branch: str, membership: str) -> Iterator[Path]:
    """The directory of our group and those above it, up to where the tree is mounted."""
    base = branch.rstrip("/")
    # A group outside the mounted branch cannot be seen; the top of the branch binds us all the same.
    inside = f"{membership}/".startswith(f"{base}/") and ".." not in membership.split("/")
    steps = [step for step in membership[len(base) :].split("/") if step] if inside else []
    for depth in range(len(steps), -1, -1):
        yield top.joinpath(*steps[:depth])
