"""`engine`: which engine does the arithmetic, and how to get a better one."""

from __future__ import annotations

import click

from paddock.cli import figures
from paddock.cli.progress import watching
from paddock.cli.surroundings import Surroundings

_RESTART = "a server that is running keeps its engine: '{program} serve --stop' ends it"


@click.group("engine", short_help="See, build and choose the engines that run models")
def engine() -> None:
    """See, build and choose the engines that run models.

    The bundled engine runs on every processor of the last ten years. One compiled for this machine reads
    prompts faster, and one for a GPU is another world.

    \b
    Examples:
      paddock engine build           compile one for this machine (some minutes)
      paddock engine install cuda    fetch one for NVIDIA GPUs, no compiler needed
      paddock engine bench           compare those that are here
    """


@engine.command("list", short_help="List the engines, and say which is used and why")
@click.pass_obj
def list_engines(here: Surroundings) -> None:
    """List the engines, and say which is used and why."""
    rows = [("", "NAME", "VERSION", "BACKEND", "REMARK")]
    rows += [("*" if row.used else "", row.name, row.version, row.backend, row.remark)
             for row in here.machine.engines.listing()]  # fmt: skip
    print(figures.table(rows))


@engine.command("build", short_help="Compile an engine for this machine and use it from now on")
@click.option("--again", is_flag=True, help="Compile even where the same engine is already here")
@click.pass_obj
def build(here: Surroundings, again: bool) -> None:
    """Compile an engine for this machine and use it from now on.

    Needs a C++ compiler, some minutes and about 1.5 GB of disk while it works. CUDA is built in where
    nvcc and an NVIDIA GPU are found, Metal on a Mac. An engine that fails its self-test is not used.
    """
    with watching(here.terminal) as watch:
        name = here.machine.engines.build(again, watch)
    _settled(here, name)


@engine.command("install", short_help="Fetch a ready-made GPU engine and use it from now on")
@click.argument("backend", type=click.Choice(["cuda", "vulkan", "rocm"]))
@click.pass_obj
def install(here: Surroundings, backend: str) -> None:
    """Fetch a ready-made engine for BACKEND (cuda, vulkan or rocm) and use it from now on."""
    with watching(here.terminal) as watch:
        name = here.machine.engines.install(backend, watch)
    _settled(here, name)


@engine.command("use", short_help="Use another engine from now on")
@click.argument("name")
@click.pass_obj
def use(here: Surroundings, name: str) -> None:
    """Use the engine NAME from now on, or the best tested one with "auto".

    The beginning of a name will do where it is the only one.
    """
    with watching(here.terminal) as watch:
        chosen, reason = here.machine.engines.use(name, watch)
    print(f"{chosen} is used from now on: {reason}")
    here.terminal.say(_RESTART.format(program=here.program))


@engine.command("remove", short_help="Take an engine away")
@click.argument("name")
@click.pass_obj
def remove(here: Surroundings, name: str) -> None:
    """Take the engine NAME away from this machine."""
    with watching(here.terminal) as watch:
        print(f"removed {here.machine.engines.remove(name, watch)}")


@engine.command("test", short_help="Put an engine to its self-test")
@click.argument("name", default="bundled")
@click.pass_obj
def test(here: Surroundings, name: str) -> None:
    """Put the engine NAME to its self-test: load tiny, answer, stream, save and restore, stop."""
    with watching(here.terminal) as watch:
        passed = here.machine.engines.test(name, watch)
    print(f"{passed} passed its self-test")


@engine.command("bench", short_help="Compare the engines that are here")
@click.argument("model", default="tiny")
@click.option(
    "--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="How often each runs"
)
@click.pass_obj
def bench(here: Surroundings, model: str, rounds: int) -> None:
    """Compare the engines that are here on MODEL, side by side, in tokens a second."""
    with watching(here.terminal) as watch:
        speeds = here.machine.engines.bench(model, rounds, watch)
    heading = ("NAME", "PROMPT", "ONE STREAM", f"{speeds.streams} STREAMS")
    print(figures.table([heading, *((name, *map(_rate, figures_)) for name, figures_ in speeds.rows)]))


def _rate(value: float) -> str:
    return f"{value:.0f}/s" if value >= 100 else f"{value:.1f}/s"


def _settled(here: Surroundings, name: str) -> None:
    print(f"{name} passed its self-test and is used from now on")
    here.terminal.say(_RESTART.format(program=here.program))
