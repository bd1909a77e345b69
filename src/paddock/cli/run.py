"""`run`: one answer to a prompt, or a conversation.

A prompt argument, a pipe on either side or a missing keyboard asks for one answer from `/api/generate`;
otherwise a conversation begins. `--think` alone means true and a value needs `=`, because
`run m --think low` has always sent the prompt "low".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

import click

from paddock import durations
from paddock.cli.asking import Wish, show_answer, show_statistics
from paddock.cli.attaching import attached
from paddock.cli.client import Answered, Client, Reply
from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError

_THINKING: Mapping[str, bool | str] = {
    "true": True,
    "false": False,
    "high": "high",
    "medium": "medium",
    "low": "low",
    "max": "max",
}


class BadFlag(PaddockError):
    """A flag has a value that cannot be used."""

    def __init__(self, flag: str, sentence: str) -> None:
        super().__init__(sentence)
        self.flag = flag


class NotInstalled(PaddockError):
    """The server does not have the model; `installed` are the names it has."""

    def __init__(self, sentence: str, installed: tuple[str, ...], program: str) -> None:
        known = ", ".join(installed[:5]) + (", …" if len(installed) > 5 else "")
        cure = (
            f"installed here: {known} (see '{program} list')" if installed else "no model is installed here"
        )
        super().__init__(f"{sentence}; {cure}. This version of Paddock cannot pull models yet")
        self.installed = installed


class _RunCommand(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        flags = ["--think=true" if word == "--think" else word for word in args[:end]]
        return super().parse_args(ctx, flags + args[end:])


@click.command("run", cls=_RunCommand, short_help="Ask a model, or talk with it")
@click.argument("model")
@click.argument("prompt", nargs=-1)
@click.option("--keepalive", metavar="DURATION", default="", help="How long the model stays loaded, as in 5m")
@click.option("--verbose", is_flag=True, help="Show how long the answer took, on stderr")
@click.option("--nowordwrap", is_flag=True, help="Do not wrap words at the edge of the terminal")
@click.option("--format", "form", metavar="FORMAT", default="", help="json, or a JSON schema")
@click.option("--think", metavar="[=LEVEL]", help="true, false, high, medium, low or max")
@click.option("--hidethinking", is_flag=True, help="Think, but do not show it")
@click.pass_obj
def run(
    here: Surroundings,
    model: str,
    prompt: tuple[str, ...],
    keepalive: str,
    verbose: bool,
    nowordwrap: bool,
    form: str,
    think: str | None,
    hidethinking: bool,
) -> None:
    """Ask MODEL, or talk with it.

    With a PROMPT, or with something piped in, MODEL answers once. Without, a conversation begins;
    /? explains it and /bye ends it.
    """
    wish = Wish(
        model, _keep_alive(keepalive), _format(form), _think(think), verbose, not nowordwrap, not hidethinking
    )
    asked = _prompt(here, prompt)
    try:
        if asked is not None:
            here.with_server(lambda: _answer_once(here, wish, asked))
        else:
            # Imported where it is needed: reading lines well costs more than all the rest together.
            from paddock.cli.repl import converse

            converse(here, wish)
    except Answered as error:
        _explain(here, error)


def _prompt(here: Surroundings, words: tuple[str, ...]) -> str | None:
    """The prompt, or None for a conversation. An empty one loads the model and no more."""
    terminal = here.terminal
    if not terminal.input.isatty():
        # A trailing newline is the shell's, not the user's.
        piped = terminal.input.read().rstrip("\r\n")
        words = (piped, *words) if piped else words
    elif not words and terminal.output.isatty():
        return None
    # Arguments that are no UTF-8 arrive as surrogates, which no server would take.
    return " ".join(words).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _answer_once(here: Surroundings, wish: Wish, prompt: str) -> None:
    heard: list[Reply] = []
    asked = attached(here, wish.model, prompt)
    show_answer(here, wish, "/api/generate", wish.body(**asked.fields("prompt")), heard)
    if prompt:
        print("\n", file=here.terminal.output, flush=True)
    if wish.verbose and heard:
        show_statistics(here, heard[-1])


def _explain(here: Surroundings, error: Answered) -> NoReturn:
    if error.code != 404:
        raise error
    raise NotInstalled(str(error), installed(here.client), here.program) from error


def installed(client: Client) -> tuple[str, ...]:
    """The names of the installed models, as short as they may be typed."""
    return tuple(m["name"].removesuffix(":latest") for m in client.get("/api/tags").get("models") or ())


def _keep_alive(text: str) -> str:
    if text:
        try:
            durations.parse(text)
        except durations.InvalidDuration as error:
            raise BadFlag("--keepalive", str(error)) from error
    return text


def _format(text: str) -> object:
    if not text or text == "json":
        return text or None
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFlag(
            "--format", f"invalid value for --format: {error} (must be json or a schema)"
        ) from error


def _think(text: str | None) -> bool | str | None:
    if text is None:
        return None
    if text not in _THINKING:
        choices = "must be true, false, high, medium, low, or max"
        raise BadFlag("--think", f'invalid value for --think: "{text}" ({choices})')
    return _THINKING[text]
