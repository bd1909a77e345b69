"""Training: from the generator's text to weights, in stages, the same from the same seed.

    python -m models.tiny.train --out DIRECTORY

The batch of a step depends on the seed and the step's number alone, and a checkpoint holds weights, optimizer
and step, so a run that was interrupted continues to the same model (same machine, same number of threads).
torch is needed here and nowhere else.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.tiny import export, generate, tokenizer
from models.tiny.conversation import Segment
from models.tiny.model import Shape, Tiny

TOKENIZER_TEXTS = 30000
SAVE_EVERY = 150
IGNORED = -100


@dataclass(frozen=True)
class Stage:
    """So many steps of batches of one kind."""

    name: str
    steps: int
    rows: int
    length: int
    mix: tuple[tuple[float, generate.Writer], ...]


# Copying first, while it is all there is to learn; then everything; then long texts, so that the model has
# seen positions far beyond the first 256.
STAGES = (
    Stage("copying", 300, 48, 128, generate.FIRST_MIX),
    Stage("everything", 2250, 24, 256, generate.MIX),
    Stage("long", 200, 6, 1024, generate.LONG_MIX),
    Stage("very long", 40, 2, 4096, generate.LONG_MIX),
    Stage("everything again", 150, 24, 256, generate.MIX),
)
TOTAL = sum(stage.steps for stage in STAGES)
WARM_UP = 60
FALLING = 0.45  # this last part of the steps goes down to nothing
MATRIX_RATE = 0.02
OTHER_RATE = 0.003


@dataclass(frozen=True)
class Batch:
    tokens: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor


def stage_of(step: int) -> Stage:
    for stage in STAGES:
        if step < stage.steps:
            return stage
        step -= stage.steps
    raise ValueError(f"there is no step {step} after the last stage")


def rate(step: int) -> float:
    """Share of the full learning rate: a short rise, a plateau, a straight way down."""
    return min(1.0, (step + 1) / WARM_UP, (TOTAL - step) / (TOTAL * FALLING))


def encode(words: Tokenizer, pieces: list[Segment]) -> tuple[list[int], list[bool]]:
    """Tokens, and which of them the model must learn to write."""
    tokens: list[int] = []
    learnt: list[bool] = []
    for text, ours in pieces:
        numbers = words.encode(text, add_special_tokens=False).ids
        tokens += numbers
        learnt += [ours] * len(numbers)
    return tokens, learnt


def documents(words: Tokenizer, rng: Random, stage: Stage) -> Iterator[tuple[list[int], list[bool]]]:
    while True:
        tokens, learnt = encode(words, generate.document(rng, stage.mix))
        yield tokens[: stage.length + 1], learnt[: stage.length + 1]


def batch(words: Tokenizer, seed: int, step: int) -> Batch:
    """Rows filled with whole documents, each blind to its neighbours in the row."""
    stage = stage_of(step)
    tokens = torch.zeros(stage.rows, stage.length, dtype=torch.long)
    targets = torch.full((stage.rows, stage.length), IGNORED)
    owner = torch.zeros(stage.rows, stage.length, dtype=torch.long)
    used = [0] * stage.rows
    refused = 0
    for number, (told, learnt) in enumerate(documents(words, Random(f"{seed}/{step}"), stage), 1):
        size = len(told) - 1
        row = next((row for row in range(stage.rows) if used[row] + size <= stage.length), None)
        if row is None:
            refused += 1
            if refused > 8:
                break
            continue
        place = slice(used[row], used[row] + size)
        tokens[row, place] = torch.tensor(told[:-1])
        targets[row, place] = torch.tensor(
            [token if ours else IGNORED for token, ours in zip(told[1:], learnt[1:], strict=True)]
        )
        owner[row, place] = number
        used[row] += size
    seen = (owner[:, :, None] == owner[:, None, :]).tril()[:, None]
    mask = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, float("-inf"))
    wanted = targets != IGNORED
    return Batch(tokens, mask, wanted, targets[wanted])


@dataclass
class Run:
    """A training in progress: what a checkpoint must hold."""

    model: Tiny
    optimizers: tuple[torch.optim.Optimizer, ...]
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]


def start(seed: int, shape: Shape) -> Run:
    """Muon for the matrices inside, AdamW for the embedding and the norms."""
    torch.manual_seed(seed)
    model = Tiny(shape)
    matrices = [
        weight
        for name, weight in model.named_parameters()
        if weight.dim() == 2 and name != "embedding.weight"
    ]
    others = [
        weight for name, weight in model.named_parameters() if weight.dim() == 1 or name == "embedding.weight"
    ]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, momentum=0.95, weight_decay=0.05)
    adam = torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    return Run(model, (muon, adam))


def advance(run: Run, words: Tokenizer, seed: int) -> float:
    """One step; returns its loss."""
    given = batch(words, seed, run.step)
    share = rate(run.step)
    for optimizer, full in zip(run.optimizers, (MATRIX_RATE, OTHER_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * share
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = run.model(given.tokens, given.mask, given.wanted)
    loss = functional.cross_entropy(scores.float(), given.targets)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    run.step += 1
    run.tokens += given.tokens.numel()
    return float(loss.detach())


def save(run: Run, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(run.state(), part)
    part.replace(path)


def learnt_tokenizer(path: Path, seed: int) -> Tokenizer:
    """The tokenizer of this run, learnt once."""
    if not path.exists():
        words = tokenizer.learn(generate.texts(seed, TOKENIZER_TEXTS))
        words.save(str(path))
    return tokenizer.load(path)


def train(out: Path, seed: int) -> Run:
    out.mkdir(parents=True, exist_ok=True)
    words = learnt_tokenizer(out / "tokenizer.json", seed)
    run = start(seed, Shape(vocabulary=words.get_vocab_size()))
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        run.restore(torch.load(checkpoint, weights_only=True))
        print(f"continuing after step {run.step}", flush=True)
    recent: list[float] = []
    while run.step < TOTAL:
        begun = time.monotonic()
        recent.append(advance(run, words, seed))
        run.seconds += time.monotonic() - begun
        if run.step % 50 == 0 or run.step == TOTAL:
            name, mean = stage_of(run.step - 1).name, sum(recent) / len(recent)
            recent.clear()
            pace = run.tokens / run.seconds
            done = f"{run.step}/{TOTAL} {name}: loss {mean:.4f}, {run.tokens / 1e6:.2f} M tokens"
            print(f"{done}, {pace:.0f} a second", flush=True)
        if run.step % SAVE_EVERY == 0 or run.step == TOTAL:
            save(run, checkpoint)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="train tiny from its seed")
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for tokenizer, checkpoint and model"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    run = train(options.out, options.seed)
    words = tokenizer.load(options.out / "tokenizer.json")
    path = options.out / "tiny.gguf"
    parameters = export.write_gguf(path, run.model.shape, dict(run.model.named_parameters()), words)
    print(f"{path}: {parameters} parameters, {run.tokens} tokens, {run.seconds:.0f} seconds of training")


if __name__ == "__main__":
    main()
