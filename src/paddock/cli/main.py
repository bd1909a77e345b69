"""The program: its commands, and the one place where a failure becomes a sentence and an exit status.

0 is success, 1 an error said on stderr, 130 an interruption and 141 a reader that left: the last two as a
shell expects them, so that a loop or a pipeline around us stops as it should.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from paddock.cli import commands, engine, run, show
from paddock.cli.client import NoServer, Unreachable
from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError

INTERRUPTED = 130
READER_LEFT = 141

_COMMANDS: Mapping[str, click.Command] = {
    "serve": commands.serve,
    "show": show.show,
    "run": run.run,
    "stop": commands.stop,
    "list": commands.list_models,
    "ps": commands.list_loaded,
    "cp": commands.copy,
    "rm": commands.remove,
    "logs": commands.logs,
    "engine": engine.engine,
}
_ALIASES: Mapping[str, str] = {"start": "serve", "ls": "list"}


class _Program(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)  # the order above, not the alphabet's

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))


@click.command(cls=_Program, invoke_without_command=True)
@click.option("-v", "--version", is_flag=True, help="Show the versions of this program and of the server")
@click.pass_context
def _program(context: click.Context, version: bool) -> None:
    """Run language models on your own machine."""
    if version:
        _print_versions(context.obj)
        context.exit()
    if context.invoked_subcommand is None:
        print(context.get_help())


def execute(arguments: Sequence[str], here: Surroundings) -> int:
    """Run one command line; the exit status. Never raises for what a user can cause."""
    try:
        status = _invoke(arguments, here)
        here.terminal.output.flush()
        return status
    except BrokenPipeError:
        # What is left in the buffer would fail again, loudly, when Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except KeyboardInterrupt:
        if here.terminal.errors.isatty():
            here.terminal.say("")  # the shell's prompt should not follow the ^C
        return INTERRUPTED


def _invoke(arguments: Sequence[str], here: Surroundings) -> int:
    try:
        # Not click's own `main`, which has its own mind about interruptions and broken pipes.
        with _program.make_context(here.program, list(arguments), obj=here) as context:
            _program.invoke(context)
        return 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.UsageError as error:
        hint = f"\nTry '{error.ctx.command_path} --help' for help" if error.ctx else ""
        here.terminal.say(f"Error: {error.format_message()}{hint}")
    except click.ClickException as error:
        here.terminal.say(f"Error: {error.format_message()}")
    except PaddockError as error:
        here.terminal.say(f"Error: {error}")
    return 1


def _print_versions(here: Surroundings) -> None:
    """Ollama's own lines, and ours; first the one that the name we were called by promises."""
    own = f"paddock version is {here.version()}"
    try:
        served = here.client.get("/api/version")
    except (NoServer, Unreachable):
        print(own)
        print("Warning: could not connect to a running Ollama instance")
        print(f"Warning: client version is {here.ollama_version}")
        return
    lines = [own, f"ollama version is {served.get('version', 'unknown')}"]
    print("\n".join(reversed(lines) if here.program == "ollama" else lines))
    if served.get("paddock", here.version()) != here.version():
        print(f"Warning: the server runs paddock {served['paddock']}; '{here.program} serve --stop' ends it")
