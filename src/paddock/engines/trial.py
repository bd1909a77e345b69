"""The self-test: what an engine must do before anybody's request is given to it.

It loads `tiny` and is asked a dozen things, greedily, beside the bundled engine: the answers must be the
same, because a miscompiled kernel shows itself in wrong words and nowhere else. It must stream, keep a slot
on disk and take it back, and stop when told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from paddock.engines.launch import Plan
from paddock.engines.launcher import Engine, Launcher
from paddock.engines.runner import Completion, End, Runner
from paddock.errors import PaddockError
from paddock.options import Sampling

#: Each of a kind that `tiny` knows; between them they use short and long prompts, copying and sums.
QUESTIONS = (
    "Hello!",
    "こんにちは",
    "Who are you?",
    "What is the capital of France?",
    "日本の首都はどこですか？",
    "What is the capital of Australia?",
    "What is 27 + 35?",
    "Repeat the word lantern.",
    "Count from 1 to 12.",
    "Give me a JSON object with the name Kelora and the age 31.",
    "Thank you!",
    "Mirado lives in Tesofu. Kalbera lives in Ponitta. Where does Kalbera live?",
)
_GREEDY = Sampling(temperature=0.0, top_k=1, seed=1)
_PREDICT = 64
#: Seconds an engine may take to load a model of 10 MB, to answer everything, and to stop.
_LOAD, _ANSWER, _STOP = 120.0, 300.0, 5.0


class TrialFailed(PaddockError):
    """The engine did not pass; `step` is where."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"the self-test failed at {step}: {why}")
        self.step = step


async def examine(
    candidate: Launcher, reference: Launcher, weights: Path, saves: Path, say: Callable[[str], None]
) -> None:
    """Put `candidate` to the test beside `reference`, with the model `weights`.

    `saves` is an empty directory. Raises TrialFailed, or what the engines themselves raise.
    """
    plan = Plan(weights, window=1024, slots=2, saves=saves)
    say("self-test: loading tiny")
    async with asyncio.timeout(_LOAD):
        engine = await candidate.start(plan)
    try:
        async with asyncio.timeout(_ANSWER):
            say(f"self-test: {len(QUESTIONS)} questions, beside the bundled engine")
            await _agrees(engine.runner, reference, replace(plan, saves=None))
            say("self-test: a slot saved and restored")
            await _remembers(engine.runner, saves)
    except TimeoutError:
        raise TrialFailed("answering", f"it took more than {_ANSWER:.0f} seconds") from None
    finally:
        begun = time.monotonic()
        await engine.stop(grace=_STOP)
    _stopped(engine, time.monotonic() - begun)


async def _agrees(runner: Runner, reference: Launcher, plan: Plan) -> None:
    known = await reference.start(plan)
    try:
        for question in QUESTIONS:
            theirs, ours = await _answer(runner, question), await _answer(known.runner, question)
            if theirs[0] != ours[0]:
                why = f"to {question!r} it answers {theirs[0][:80]!r}, the bundled engine {ours[0][:80]!r}"
                raise TrialFailed("answering", why)
            if theirs[1] < 2 <= ours[1]:
                raise TrialFailed("streaming", f"the answer to {question!r} came in one piece")
    finally:
        await known.stop()


async def _answer(runner: Runner, question: str) -> tuple[str, int]:
    """The answer, and in how many pieces it came."""
    prompt = await runner.apply_template([{"role": "user", "content": question}], enable_thinking=False)
    text, pieces, _ = await _complete(runner, await runner.tokenize(prompt))
    return text, pieces


async def _complete(runner: Runner, tokens: tuple[int, ...]) -> tuple[str, int, End]:
    texts: list[str] = []
    async for piece in runner.complete(Completion(tokens, _GREEDY, _PREDICT)):
        if piece.text:
            texts.append(piece.text)
        if piece.end is not None:
            return "".join(texts), len(texts), piece.end
    raise TrialFailed("streaming", "an answer did not end")


async def _remembers(runner: Runner, saves: Path) -> None:
    """A slot that went to disk, was forgotten and came back must not be read again."""
    tokens = await runner.tokenize(" ".join(QUESTIONS))
    _, _, first = await _complete(runner, tokens)
    kept: list[int] = []
    for slot in range(runner.abilities.slots):  # which one it was is the engine's choice
        if await runner.save_slot(slot, f"{slot}.bin"):
            kept.append(slot)
        await runner.erase_slot(slot)
    if not any((saves / f"{slot}.bin").exists() for slot in kept):
        raise TrialFailed("saving a slot", "no file was written")
    for slot in kept:
        await runner.restore_slot(slot, f"{slot}.bin")
    _, _, again = await _complete(runner, tokens)
    if again.cached_tokens < first.prompt_tokens // 2:
        why = f"{again.cached_tokens} of {first.prompt_tokens} tokens were still known after it"
        raise TrialFailed("restoring a slot", why)


def _stopped(engine: Engine, seconds: float) -> None:
    if seconds >= _STOP:
        raise TrialFailed("stopping", f"it had to be killed after {_STOP:.0f} seconds")
