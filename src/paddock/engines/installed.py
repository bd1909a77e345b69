"""Which engines this machine has, and which of them is used.

Beside the bundled engine there may be others, each in a directory of its own below `<home>/engines`:

    <name>/engine.json     what it is; written last, so a directory without it is no engine
    <name>/bin             llama-server and llama-quantize, where it was compiled here
    <name>/site            the Python package xllamacpp, where it was installed ready-made
    in-use                 the name the user decided for; without it the best tested one is used
    logs/<name>.log        how it was made

Choosing is a pure function. An engine that cannot run here any more, because the processor or the GPU it
was made for is gone, is never chosen by itself, and the reason is part of the answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from paddock.engines.processor import Processor
from paddock.errors import PaddockError

Kind = Literal["bundled", "native", "wheel", "named"]

BUNDLED = "bundled"
#: GPUs first, quickest first; a compiled CPU engine has the processor's own instructions.
_RANK = {"cuda": 0, "rocm": 1, "metal": 2, "vulkan": 3, "cpu": 4}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
#: Those of a processor's features that decide which instructions a compiler may use.
_INSTRUCTIONS = re.compile(
    r"(avx|amx|sse|ssse|fma|f16c|bmi|vaes|vpclmul|gfni|asimd|sve|sme|i8mm|bf16|neon|fphp)[a-z0-9_]*"
)


class NoSuchEngine(PaddockError):
    """PADDOCK_ENGINE or a command names an engine that is not there; `known` are those that are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no engine {name!r} here; there are: {', '.join(known)}")
        self.name = name
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Installed:
    """An engine as it lies on disk. `processor` is what it was compiled for, empty for any of its kind;
    `made` and `tested` are moments in ISO 8601, `tested` empty until the self-test has passed."""

    name: str
    kind: Kind
    version: str
    backend: str
    directory: Path
    processor: str = ""
    made: str = ""
    tested: str = ""

    @property
    def program(self) -> Path:
        """The llama-server of a compiled engine, the site directory of one from a wheel."""
        if self.kind == "native":
            return self.directory / "bin" / "llama-server"
        return self.directory / "site" if self.kind == "wheel" else self.directory

    def unfit(self, processor: str, backends: Collection[str]) -> str:
        """Why it cannot be used on a machine with this processor and GPUs of these backends; or nothing."""
        if self.kind == BUNDLED:
            return ""
        if self.processor and self.processor != processor:
            return "it was compiled for another processor"
        if self.backend != "cpu" and self.backend not in backends:
            return f"no {self.backend} device can be seen"
        if self.kind in ("native", "wheel") and not self.program.exists():
            return f"{self.program} is missing"
        return ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine to use, and why this one."""

    engine: Installed
    reason: str


def bundled(version: str, backend: str = "cpu") -> Installed:
    """The engine that comes with Paddock: always there, for every processor. On a Mac it knows Metal."""
    return Installed(BUNDLED, "bundled", version, backend, Path(), tested="with every release")


def fingerprint(processor: Processor) -> str:
    """The same for two processors exactly when code compiled for one may run on the other."""
    telling = sorted(feature for feature in processor.features if _INSTRUCTIONS.fullmatch(feature))
    return f"{processor.architecture}-{hashlib.sha256(' '.join(telling).encode()).hexdigest()[:8]}"


def choose(
    found: Sequence[Installed], forced: str, decided: str, processor: str, backends: Collection[str]
) -> Choice:
    """Which of `found` to use. `forced` is PADDOCK_ENGINE, `decided` what the user chose before.

    The bundled engine is among `found`. Raises NoSuchEngine when `forced` is not: it is never overruled.
    """
    by_name = {engine.name: engine for engine in found}
    if forced:
        if forced not in by_name:
            raise NoSuchEngine(forced, list(by_name))
        return Choice(by_name[forced], "PADDOCK_ENGINE names it")
    overruled = ""
    if decided and decided in by_name:
        overruled = by_name[decided].unfit(processor, backends)
        if not overruled:
            return Choice(by_name[decided], "it was chosen with 'paddock engine use'")
    fit = [engine for engine in found if engine.tested and not engine.unfit(processor, backends)]
    best = min(fit, key=lambda engine: (_RANK.get(engine.backend, 9), engine.kind == BUNDLED, engine.name))
    if overruled:
        return Choice(best, f"{decided} was chosen, but {overruled}")
    if len(found) == 1:
        return Choice(best, "there is no other one here")
    return Choice(best, "it is the best one here that passed its self-test")


# ── on disk ───────────────────────────────────────────────────────────────────────────────────────


def directory(home: Path) -> Path:
    """Where engines lie below Paddock's own directory."""
    return home / "engines"


def listed(home: Path) -> list[Installed]:
    """The engines below `home`, by name. What cannot be read as one is no engine. Creates nothing."""
    found: list[Installed] = []
    for path in sorted(directory(home).glob("*/engine.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.append(_read(path))
    return found


def decided(home: Path) -> str:
    """The name the user decided for, or nothing."""
    try:
        name = (directory(home) / "in-use").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return name if _NAME.fullmatch(name) else ""


def decide(home: Path, name: str) -> None:
    """Use `name` from now on. An empty name goes back to the best tested one."""
    path = directory(home) / "in-use"
    if not name:
        path.unlink(missing_ok=True)
        return
    _replace(path, name + "\n")


def record(engine: Installed) -> None:
    """Write down what the engine is; from this moment it is one."""
    told = {key: value for key, value in asdict(engine).items() if key not in ("name", "directory")}
    _replace(engine.directory / "engine.json", json.dumps(told, indent=2) + "\n")


def _read(path: Path) -> Installed:
    told: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))
    kind = told["kind"]
    if kind not in ("native", "wheel"):
        raise ValueError(f"an engine of the kind {kind!r} cannot lie on disk")
    words = {key: str(told[key]) for key in ("version", "backend", "processor", "made", "tested")}
    return Installed(name=path.parent.name, kind=kind, directory=path.parent, **words)  # type: ignore[arg-type]


def _replace(path: Path, text: str) -> None:
    """All of `text` or what was there before, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
