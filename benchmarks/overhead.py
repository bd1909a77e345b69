"""What Paddock costs: its server beside the engine it drives and beside a proxy that only copies bytes.

    python -m benchmarks.overhead                 # both models; some 35 minutes on two cores
    python -m benchmarks.overhead --quick         # fewer rounds, to see that it works
    python -m benchmarks.overhead --only tiny --json figures.json --markdown tables.md

In every round each contestant gets the same load, one after the other, the order turning from round to
round. Prompts are drawn anew for each request, so no prefix is ever found in a cache, and every answer
is checked: exactly the tokens that were asked for, of a prompt of exactly the right size. The exit
status is 0 when every target is met, 1 when one is missed (which is printed), 2 when nothing can be said.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import contestants, random_model
from benchmarks.load import Address, WrongAnswer, ask, wave
from benchmarks.report import ENGINE, PROXY, Load, Round, Table, as_json, markdown, missed, table

_PARALLEL = 16
#: Seconds of rest after a wave, in which a server ends what it does after its last byte.
_REST = 0.03


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure with. `words` are one token each; `taboo` is text of those special tokens that
    would end an answer: it opens every prompt, and whatever a prompt holds is then penalised away."""

    name: str
    judged: bool
    words: tuple[str, ...]
    taboo: str
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who is asked, where, and how its API wants it said. `server` is whose CPU is counted."""

    name: str
    address: Address
    path: str
    body: Callable[[str, dict[str, Any]], dict[str, Any]]
    server: contestants.Server | None = None


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────


def _options(subject: Subject, load: Load) -> dict[str, Any]:
    """Ollama's defaults, said aloud so that the engine does the same work whoever asks; greedy."""
    options = {"temperature": 0.0, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "seed": 1}
    # What special tokens a prompt holds is kept out of the answer; and no token comes twice in a row, or
    # Paddock would end an answer that is stuck on it.
    reach = load.prompt + load.output if subject.taboo else 2
    options |= {"presence_penalty": 1000.0, "repeat_last_n": reach}
    return options | {"num_predict": load.output}


def _engine_body(prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in options.items() if name != "num_predict"}
    return {"prompt": prompt, "n_predict": options["num_predict"], "stream": True} | said


def _generate_body(prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": prompt, "raw": True, "options": options}


def _chat_body(prompt: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}], "options": options}


def _named(model: str, body: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return lambda prompt, options: {"model": model} | body(prompt, options)


# ── the rounds ────────────────────────────────────────────────────────────────────────────────────


async def measure(subject: Subject, home: Path, say: Callable[[str], None]) -> list[Table]:
    """Every load on one model, all contestants side by side."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contestants.paddock(home, _PARALLEL))
        await ask(server.address, "/api/generate", {"model": subject.name})
        socket = contestants.engine_socket(server)
        proxy = stack.enter_context(contestants.copying_proxy(home, socket))
        everyone = (
            Contestant(ENGINE, Address(socket), "/completion", _engine_body),
            Contestant(
                "paddock, /api/generate",
                server.address,
                "/api/generate",
                _named(subject.name, _generate_body),
                server,
            ),
            Contestant(
                "paddock, /api/chat", server.address, "/api/chat", _named(subject.name, _chat_body), server
            ),
            Contestant(PROXY, proxy.address, "/completion", _engine_body, proxy),
        )
        measurer = _Measurer(subject, everyone, say)
        await measurer.calibrate()
        return [await measurer.table(load) for load in subject.loads]


class _Measurer:
    """Runs loads on one model and remembers how many tokens each contestant puts around a prompt."""

    def __init__(self, subject: Subject, everyone: Sequence[Contestant], say: Callable[[str], None]) -> None:
        self._subject = subject
        self._everyone = everyone
        self._say = say
        self._around: dict[str, int] = {}
        self._random = random.Random(0)

    async def calibrate(self) -> None:
        """Ask everybody about one word: what the prompt measures beyond it is template and special tokens."""
        load = Load(streams=1, prompt=64, output=2, rounds=1)
        for who in self._everyone:
            self._around[who.name] = 0
            answers = (await self._wave(who, replace(load, prompt=1))).answers
            self._around[who.name] = answers[0].prompt - 1

    async def table(self, load: Load) -> Table:
        """All rounds of one load, after one that does not count."""
        rounds: dict[str, list[Round]] = {who.name: [] for who in self._everyone}
        for number in range(-1, load.rounds):
            turn = max(number, 0) % len(self._everyone)
            for who in (*self._everyone[turn:], *self._everyone[:turn]):
                seen = await self._round(who, load)
                if number >= 0:
                    rounds[who.name].append(seen)
                    self._report(who, load, number, seen)
        return table(self._subject.name, self._subject.judged, load, rounds)

    def _report(self, who: Contestant, load: Load, number: int, seen: Round) -> None:
        what = f"{self._subject.name}, {load.streams:2} streams, round {number + 1:2} of {load.rounds}"
        self._say(f"{what}  {seen.tokens / seen.seconds:8.1f} tokens/s  {who.name}")

    async def _round(self, who: Contestant, load: Load) -> Round:
        before = who.server.cpu() if who.server else 0.0
        seen = await self._wave(who, load)
        await asyncio.sleep(_REST)
        after = who.server.cpu() if who.server else 0.0
        for answer in seen.answers:
            if (answer.prompt, answer.tokens) != (load.prompt, load.output):
                raise WrongAnswer(f"{who.name}: asked for {load.prompt} + {load.output} tokens, got {answer}")
        firsts = tuple(answer.first for answer in seen.answers)
        return Round(seen.tokens, seen.seconds, firsts, after - before)

    async def _wave(self, who: Contestant, load: Load) -> Any:
        options = _options(self._subject, load)
        size = load.prompt - self._around[who.name]
        if size < 1:
            raise WrongAnswer(f"{who.name}: its template alone is longer than {load.prompt} tokens")
        bodies = [who.body(self._prompt(size), options) for _ in range(load.streams)]
        return await wave(who.address, who.path, bodies)

    def _prompt(self, size: int) -> str:
        return self._subject.taboo + "".join(self._random.choices(self._subject.words, k=size))


# ── the command ───────────────────────────────────────────────────────────────────────────────────


def _tiny(quick: bool) -> Subject:
    """The model in the box: more than a thousand tokens a second, so servers are what takes the time."""
    # Eight tokens for the first: its own first ones may be parts of a character, which have no text yet.
    loads = (
        Load(streams=1, prompt=48, output=64 if quick else 256, rounds=3 if quick else 20),
        Load(streams=16, prompt=48, output=64 if quick else 256, rounds=2 if quick else 20),
        Load(streams=1, prompt=48, output=8, rounds=5 if quick else 40, first=True),
        Load(streams=16, prompt=48, output=8, rounds=2 if quick else 40, first=True),
    )
    return Subject("tiny", False, tuple("0123456789"), "<|endoftext|><|im_end|>", loads)


def _random(shape: random_model.Shape, quick: bool) -> Subject:
    """The model whose figures are judged."""
    loads = (
        Load(streams=1, prompt=32, output=32 if quick else 128, rounds=2 if quick else 7),
        Load(streams=16, prompt=32, output=32 if quick else 128, rounds=1 if quick else 5),
        Load(streams=1, prompt=32, output=1, rounds=3 if quick else 40, first=True),
        Load(streams=16, prompt=32, output=1, rounds=1 if quick else 7, first=True),
    )
    return Subject("random-1b", True, tuple(random_model.words(shape)), "", loads)


async def _run(given: argparse.Namespace) -> list[Table]:
    tables: list[Table] = []
    shape = random_model.SHAPES["1b"]
    with tempfile.TemporaryDirectory(prefix="paddock-overhead-") as place:
        if "tiny" in given.only:
            tables += await measure(_tiny(given.quick), _home(place, "tiny"), print)
        if "random-1b" in given.only:
            home = _home(place, "random-1b")
            contestants.install(random_model.cached(given.cache, shape), home / "models", "random-1b")
            tables += await measure(_random(shape, given.quick), home, print)
    return tables


def _home(place: str, name: str) -> Path:
    home = Path(place) / name
    home.mkdir()
    return home


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: figures, but rough ones")
    parser.add_argument("--only", choices=("tiny", "random-1b"), action="append", help="one model alone")
    parser.add_argument("--cache", type=Path, default=random_model.cache_directory())
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--markdown", type=Path, help="write the tables there")
    given = parser.parse_args()
    given.only = given.only or ["tiny", "random-1b"]
    return given


def main() -> int:
    """Measure, print, judge; the exit status."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then too
    try:
        tables = uvloop.run(_run(given))
    except (WrongAnswer, RuntimeError) as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 2
    print("\n" + markdown(tables))
    if given.json:
        given.json.write_text(json.dumps(as_json(tables), indent=1) + "\n")
    if given.markdown:
        given.markdown.write_text(markdown(tables))
    sentences = list(missed(tables))
    for sentence in sentences:
        print(f"missed: {sentence}")
    if not sentences:
        print("every target is met" if any(each.judged for each in tables) else "nothing here is judged")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
