"""What `paddock engine` does: make engines, list them, choose one, take one away.

An engine is used only after its self-test, and what was in use stays so until that has passed. A server that
is running keeps the engine it started with; the sentences say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.engines import hardware, installed
from paddock.engines.hardware import Hardware
from paddock.engines.installed import BUNDLED, Choice, Installed, NoSuchEngine
from paddock.errors import PaddockError, Unsupported
from paddock.machine import compiling, making, toolchain, wheels
from paddock.machine.making import Watcher
from paddock.names import ModelName
from paddock.settings import Settings
from paddock.store.builtin import box
from paddock.store.models import ModelStore

if TYPE_CHECKING:
    from paddock.engines.speed import Speed

PIN = "2026.10.11549"


class CannotRemove(PaddockError):
    """The engine is not one that can be taken away."""


class Unfit(PaddockError):
    """The engine cannot be used on this machine; `why` says what has changed."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be used on this machine: {why}")
        self.name = name
        self.why = why


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `paddock engine list`: an engine, whether it is the one in use, and a remark."""

    name: str
    version: str
    backend: str
    used: bool
    remark: str


def shelf(settings: Settings) -> list[Installed]:
    """Every engine there is, the bundled one first."""
    on_a_mac = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    bundled = installed.bundled(installed_version("xllamacpp"), "metal" if on_a_mac else "cpu")
    return [bundled, *installed.listed(settings.home)]


def choice(settings: Settings, machine: Hardware) -> Choice:
    """The engine a server would use now. Raises NoSuchEngine where PADDOCK_ENGINE names none."""
    if settings.llama_server:
        named = Installed("llama-server", "named", "", "cpu", Path(settings.llama_server))
        return Choice(named, "PADDOCK_LLAMA_SERVER names it")
    return installed.choose(
        shelf(settings),
        settings.engine,
        installed.decided(settings.home),
        installed.fingerprint(machine.processor),
        backends(machine),
    )


def backends(machine: Hardware) -> Collection[str]:
    return {gpu.backend for gpu in machine.gpus}


def build(settings: Settings, environ: Mapping[str, str], again: bool, watch: Watcher) -> Installed:
    """Compile an engine for this machine, unless there is one already, and use it from now on."""
    machine = hardware.survey()
    tools = toolchain.found(environ)
    recipe = toolchain.recipe(machine, tools, platform.system())
    with making.alone(settings.home, watch):
        made = None if again else _there(settings, recipe.name)
        if made is None:
            with making.bench(settings.home, recipe.name) as bench:
                watch.say(f"compiling llama.cpp for {machine.processor.name} (log: {bench.log_path})")
                test = _tester(settings, environ, watch)
                made = compiling.compile_engine(
                    bench, settings.home, recipe, tools, machine, environ, test, watch
                )
        installed.decide(settings.home, made.name)
    return made


def install(settings: Settings, environ: Mapping[str, str], backend: str, watch: Watcher) -> Installed:
    """Fetch a ready-made GPU engine and use it from now on."""
    machine = hardware.survey()
    directory = wheels.variant(backend, machine.gpus, wheels.look())
    url = f"{settings.wheel_index or wheels.INDEX}/{directory}"
    name = wheels.name(backend, PIN, directory)
    with making.alone(settings.home, watch):
        made = _there(settings, name)
        if made is None:
            with making.bench(settings.home, name) as bench:
                test = _tester(settings, environ, watch)
                made = wheels.install(bench, settings.home, backend, PIN, url, environ, test, watch)
        installed.decide(settings.home, made.name)
    return made


def use(settings: Settings, name: str, watch: Watcher) -> Choice:
    """Decide for an engine; `auto` leaves the choice to Paddock again. Returns what is used now."""
    with making.alone(settings.home, watch):
        if name == "auto":
            installed.decide(settings.home, "")
        else:
            machine = hardware.survey()
            chosen = _find(settings, name)
            if why := chosen.unfit(installed.fingerprint(machine.processor), backends(machine)):
                raise Unfit(chosen.name, why)
            installed.decide(settings.home, chosen.name)
    return choice(settings, hardware.survey())


def remove(settings: Settings, name: str, watch: Watcher) -> str:
    """Take an engine away; its whole name."""
    with making.alone(settings.home, watch):
        engine = _find(settings, name)
        if engine.kind == BUNDLED:
            raise CannotRemove("the bundled engine is part of Paddock and cannot be removed")
        # Without this file it is no engine any more, whatever happens to the rest.
        (engine.directory / "engine.json").unlink()
        shutil.rmtree(engine.directory, ignore_errors=True)
        if installed.decided(settings.home) == engine.name:
            installed.decide(settings.home, "")
    return engine.name


def listing(settings: Settings, environ: Mapping[str, str]) -> list[Listed]:
    """All engines, with the one in use marked, and a llama-server on the PATH that could be."""
    machine = hardware.survey()
    chosen = choice(settings, machine)
    processor, seen = installed.fingerprint(machine.processor), backends(machine)
    rows = [
        Listed(
            engine.name,
            engine.version,
            engine.backend,
            engine.name == chosen.engine.name,
            engine.unfit(processor, seen) or (chosen.reason if engine.name == chosen.engine.name else ""),
        )
        for engine in shelf(settings)
    ]
    if settings.llama_server:
        rows.append(Listed(settings.llama_server, "", "", True, chosen.reason))
    elif found := shutil.which("llama-server", path=environ.get("PATH")):
        rows.append(Listed(found, "", "", False, f"on the PATH; PADDOCK_LLAMA_SERVER={found} would use it"))
    return rows


def examine(settings: Settings, environ: Mapping[str, str], engine: Installed, watch: Watcher) -> None:
    """Put an engine to its self-test. Raises trial.TrialFailed, or what the engine says when it fails."""
    from paddock.engines import trial
    from paddock.engines.launcher import Launcher, private_directory

    weights = _weights(settings, "tiny")
    with private_directory() as sockets, tempfile.TemporaryDirectory(prefix="paddock-trial-") as saves:
        for place in ("new", "known"):
            (sockets / place).mkdir(mode=0o700)
        candidate = Launcher(sockets / "new", environ, settings.load_timeout, engine)
        reference = Launcher(sockets / "known", environ, settings.load_timeout, shelf(settings)[0])
        asyncio.run(trial.examine(candidate, reference, weights, Path(saves), watch.step))


def test(settings: Settings, environ: Mapping[str, str], name: str, watch: Watcher) -> str:
    """Put an engine that is already here to its self-test; its whole name."""
    engine = _find(settings, name)
    examine(settings, environ, engine, watch)
    return engine.name


def bench(
    settings: Settings, environ: Mapping[str, str], model: str, rounds: int, watch: Watcher
) -> tuple[int, dict[str, Speed]]:
    """Measure every engine that can be used here with an installed model, side by side."""
    return compare(settings, environ, _weights(settings, model), rounds, watch.step)


def compare(
    settings: Settings, environ: Mapping[str, str], weights: Path, rounds: int, say: Callable[[str], None]
) -> tuple[int, dict[str, Speed]]:
    """How many streams were measured together, and every usable engine's speed with these weights."""
    from paddock.engines import speed
    from paddock.engines.launcher import Launcher, private_directory

    machine = hardware.survey()
    processor, seen = installed.fingerprint(machine.processor), backends(machine)
    able = [engine for engine in shelf(settings) if not engine.unfit(processor, seen)]
    with private_directory() as sockets:
        launchers = {
            engine.name: Launcher(sockets, environ, settings.load_timeout, engine) for engine in able
        }
        return speed.STREAMS, asyncio.run(speed.compare(launchers, weights, rounds, say))


def advice(environ: Mapping[str, str], machine: Hardware, chosen: Choice) -> str:
    """What would make this machine quicker than the engine in use, and the command for it; or nothing."""
    if chosen.engine.backend == "cpu" and chosen.engine.kind != "named":
        # One that is part of the processor is seldom quicker than the processor's own cores.
        idle = {gpu.backend: gpu for gpu in machine.gpus if not gpu.unified}
        for backend in wheels.BACKENDS:
            if backend in idle:
                return (
                    f"{idle[backend].name} is idle, because the engine {chosen.engine.name} computes on the "
                    f"processor alone: 'paddock engine install {backend}' fetches one that uses it"
                )
    unused = machine.processor.beyond_bundled
    if chosen.engine.kind != "bundled" or not unused:
        return ""
    try:
        toolchain.found(environ)
    except toolchain.NotPossible:
        return ""
    return (
        f"this processor has {' and '.join(unused)}, which the bundled engine does not use: 'paddock engine "
        "build' compiles one that does (some minutes, once) and reads prompts faster"
    )


def advice_once(settings: Settings, environ: Mapping[str, str]) -> str:
    """The same, unless this very sentence has been given before."""
    told = installed.directory(settings.home) / "told"
    try:
        before = told.read_text(encoding="utf-8")
    except OSError:
        before = ""
    machine = hardware.survey()
    sentence = advice(environ, machine, choice(settings, machine))
    if not sentence or sentence == before.strip():
        return ""
    with contextlib.suppress(OSError):  # then it is said again: nothing worse
        told.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        told.write_text(sentence + "\n", encoding="utf-8")
    return sentence


def _weights(settings: Settings, model: str) -> Path:
    found = ModelStore(settings.models, box()).find(ModelName.parse(model)).weights
    if found is None:
        raise Unsupported(f"{model} has no weights in GGUF form", "completion")
    return found


def _tester(settings: Settings, environ: Mapping[str, str], watch: Watcher) -> making.SelfTest:
    return lambda engine: examine(settings, environ, engine, watch)


def _there(settings: Settings, name: str) -> Installed | None:
    found = {engine.name: engine for engine in installed.listed(settings.home)}
    made = found.get(name)
    return made if made and made.tested and made.program.exists() else None


def _find(settings: Settings, name: str) -> Installed:
    """The engine called `name`, or the only one whose name begins so."""
    known = shelf(settings)
    exact = [engine for engine in known if engine.name == name]
    begins = exact or [engine for engine in known if engine.name.startswith(name)]
    if len(begins) != 1:
        raise NoSuchEngine(name, [engine.name for engine in known])
    return begins[0]
