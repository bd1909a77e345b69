"""The commands that ask the server one thing and print it, and those that look after the server itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from paddock.cli import figures, variables
from paddock.cli.client import Answered, Reply
from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError

Model = dict[str, Any]


class NotLoaded(PaddockError):
    """There is no such model to stop."""

    def __init__(self, model: str) -> None:
        super().__init__(f'couldn\'t find model "{model}" to stop')
        self.model = model


@click.command("list", short_help="List the installed models")
@click.argument("prefix", required=False, default="")
@click.pass_obj
def list_models(here: Surroundings, prefix: str) -> None:
    """List the installed models, or those whose name begins with PREFIX."""
    now = _now()
    _print_table(
        ("NAME", "ID", "SIZE", "MODIFIED"),
        _matching(here.client.get("/api/tags"), prefix),
        lambda m: (m["name"], _short(m), _size(m), figures.age(m["modified_at"], now)),
    )


@click.command("ps", short_help="List the loaded models")
@click.argument("prefix", required=False, default="")
@click.pass_obj
def list_loaded(here: Surroundings, prefix: str) -> None:
    """List the models that are loaded, or those whose name begins with PREFIX."""
    now = _now()
    _print_table(
        ("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"),
        _matching(here.client.get("/api/ps"), prefix),
        lambda m: (
            m["name"],
            _short(m),
            _size(m),
            processor(m["size"], m["size_vram"]),
            str(m.get("context_length", "")),
            _until(m["expires_at"], now),
        ),
    )


@click.command("stop", short_help="Unload a model")
@click.argument("model")
@click.pass_obj
def stop(here: Surroundings, model: str) -> None:
    """Unload MODEL from memory."""
    try:
        _unload(here, model)
    except Answered as error:
        if error.code == 404:
            raise NotLoaded(model) from error
        raise


@click.command("cp", short_help="Give a model another name")
@click.argument("source")
@click.argument("destination")
@click.pass_obj
def copy(here: Surroundings, source: str, destination: str) -> None:
    """Give the model SOURCE the name DESTINATION as well."""
    here.client.post("/api/copy", {"source": source, "destination": destination})
    print(f"copied '{source}' to '{destination}'")


@click.command("rm", short_help="Remove models")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.pass_obj
def remove(here: Surroundings, models: tuple[str, ...]) -> None:
    """Unload and remove every MODEL."""
    for model in models:
        # One that cannot be unloaded may still be deleted; the next answer tells.
        with suppress(Answered):
            _unload(here, model)
        here.client.call("DELETE", "/api/delete", {"model": model})
        print(f"deleted '{model}'")


@click.command("serve", short_help="Start the server, or stop it", epilog=variables.explained())
@click.option("--stop", "ending", is_flag=True, help="Stop the server that is running")
@click.option("--log-file", type=click.Path(path_type=Path), help="Write the log here, not to the terminal")
@click.pass_context
def serve(context: click.Context, ending: bool, log_file: Path | None) -> None:
    """Be the server until told to stop."""
    here: Surroundings = context.obj
    if ending:
        print(here.machine.stop())
    else:
        context.exit(here.machine.serve(log_file))


@click.command("logs", short_help="Show the log of the server in the background")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many lines"
)
@click.option("-f", "--follow", is_flag=True, help="Go on with every new line")
@click.pass_obj
def logs(here: Surroundings, lines: int, follow: bool) -> None:
    """Show the end of the log of the server in the background."""
    for line in here.machine.log(lines, follow):
        print(line, flush=follow)


def processor(size: int, on_gpu: int) -> str:
    """Where a model of `size` bytes sits, `on_gpu` of them on GPUs."""
    if on_gpu == 0:
        return "100% CPU"
    if on_gpu == size:
        return "100% GPU"
    if size == 0 or on_gpu > size:
        return "Unknown"
    share = round((size - on_gpu) / size * 100)
    return f"{share}%/{100 - share}% CPU/GPU"


def _unload(here: Surroundings, model: str) -> None:
    here.client.post("/api/generate", {"model": model, "prompt": "", "keep_alive": 0, "stream": False})


def _print_table(
    heading: tuple[str, ...], models: list[Model], row: Callable[[Model], tuple[str, ...]]
) -> None:
    print(figures.table([heading, *map(row, models)]))


def _matching(reply: Reply, prefix: str) -> list[Model]:
    return [m for m in reply.get("models") or () if m["name"].lower().startswith(prefix.lower())]


def _short(model: Model) -> str:
    return str(model["digest"])[:12]


def _size(model: Model) -> str:
    return "-" if model.get("remote_model") else figures.size(model["size"])


def _until(expires: str, now: datetime) -> str:
    return "Stopping..." if datetime.fromisoformat(expires) < now else figures.age(expires, now)


def _now() -> datetime:
    return datetime.now().astimezone()
