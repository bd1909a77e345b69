"""Training: from the generator's text to weights, in stages, the same from the same seed.

    python -m models.tiny.train --out DIRECTORY

A step's batch is made of parts, and a part depends on the seed, the step and the part's number alone.
Processes of one thread each take the next part that nobody has taken, so a busy machine slows training down
only by what it takes away; gradients are added in the order of the parts, whoever computed them. A checkpoint
holds weights, optimizer and step. So a run that was interrupted, or shared out differently, ends in the same
model on the same kind of machine. torch is needed here and nowhere else.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.multiprocessing
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.tiny import export, generate, tokenizer
from models.tiny.conversation import Segment
from models.tiny.model import Shape, Tiny

TOKENIZER_TEXTS = 30000
SAVE_EVERY = 100
IGNORED = -100
PARTS = 4


@dataclass(frozen=True)
class Stage:
    """So many steps of batches of one kind; `rows` is for one of the batch's parts."""

    name: str
    steps: int
    rows: int
    length: int
    mix: tuple[tuple[float, generate.Writer], ...]


# Copying and choosing first, while they are all there is to learn; then everything, the slow things more
# often after a while; late, long texts, so that the model has seen positions far beyond the first 256.
STAGES = (
    Stage("copying", 400, 8, 128, generate.FIRST_MIX),
    Stage("everything", 600, 4, 256, generate.MIX),
    Stage("slow things", 3250, 4, 256, generate.MIX_LAST),
    Stage("long", 350, 1, 1024, generate.LONG_MIX),
    Stage("slow things again", 400, 4, 256, generate.MIX_LAST),
    Stage("reading", 1200, 4, 256, generate.MIX_READING),
    Stage("long again", 400, 1, 1024, generate.LONG_MIX),
)
TOTAL = sum(stage.steps for stage in STAGES)
WARM_UP = 60
#: From a step to a step straight down to nothing, from a share of the full rate: what comes before is full.
FALLS = ((2300, 5000, 1.0), (5000, 6200, 0.7), (6200, 6600, 0.35))
MATRIX_RATE = 0.02
OTHER_RATE = 0.003


@dataclass(frozen=True)
class Batch:
    tokens: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor
    judged: Tensor
    verdicts: Tensor


def stage_of(step: int) -> Stage:
    for stage in STAGES:
        if step < stage.steps:
            return stage
        step -= stage.steps
    raise ValueError(f"there is no step {step} after the last stage")


def rate(step: int) -> float:
    """Share of the full learning rate: a short rise, a plateau, a straight way down, and down again."""
    begin, end, share = next(fall for fall in FALLS if step < fall[1])
    return min(1.0, (step + 1) / WARM_UP, share * (end - step) / (end - begin))


@dataclass(frozen=True)
class Document:
    """Tokens; for each what the model must write after it; and for each what it must know there."""

    tokens: list[int]
    after: list[int]
    verdicts: list[int]

    def cut(self, length: int) -> Document:
        return Document(self.tokens[:length], self.after[:length], self.verdicts[:length])


def encode(words: Tokenizer, pieces: list[Segment]) -> Document:
    """A document does not begin with the model's own."""
    made = Document([], [], [])
    for text, ours, known in pieces:
        numbers = words.encode(text, add_special_tokens=False).ids
        last, nothing = len(made.tokens) - 1, [IGNORED] * len(numbers)
        made.tokens.extend(numbers)
        made.after.extend(nothing)
        made.verdicts.extend(nothing)
        if ours:
            made.after[last : last + len(numbers)] = numbers
        if known:  # where it is read, or where it is about to be written
            made.verdicts[last if ours else last + 1] = words.encode(known, add_special_tokens=False).ids[0]
    return made


def documents(words: Tokenizer, rng: Random, stage: Stage) -> Iterator[Document]:
    while True:
        yield encode(words, generate.document(rng, stage.mix)).cut(stage.length + 1)


def batch(words: Tokenizer, seed: int, step: int, part: int) -> Batch:
    """Rows filled with whole documents, each blind to its neighbours in the row."""
    stage = stage_of(step)
    tokens = torch.zeros(stage.rows, stage.length, dtype=torch.long)
    targets = torch.full((stage.rows, stage.length), IGNORED)
    verdicts = torch.full((stage.rows, stage.length), IGNORED)
    owner = torch.zeros(stage.rows, stage.length, dtype=torch.long)
    used = [0] * stage.rows
    refused = 0
    for number, made in enumerate(documents(words, Random(f"{seed}/{step}/{part}"), stage), 1):
        size = len(made.tokens) - 1
        row = next((row for row in range(stage.rows) if used[row] + size <= stage.length), None)
        if row is None:
            refused += 1
            if refused > 8:
                break
            continue
        place = slice(used[row], used[row] + size)
        tokens[row, place] = torch.tensor(made.tokens[:-1])
        targets[row, place] = torch.tensor(made.after[:-1])
        verdicts[row, place] = torch.tensor(made.verdicts[:-1])
        owner[row, place] = number
        used[row] += size
    seen = (owner[:, :, None] == owner[:, None, :]).tril()[:, None]
    mask = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, float("-inf"))
    wanted, judged = targets != IGNORED, verdicts != IGNORED
    return Batch(tokens, mask, wanted, targets[wanted], judged, verdicts[judged])


def _is_inner(name: str, weight: Tensor) -> bool:
    return weight.dim() == 2 and "embedding" not in name


def matrices(model: Tiny) -> list[Tensor]:
    return [weight for name, weight in model.named_parameters() if _is_inner(name, weight)]


def others(model: Tiny) -> list[Tensor]:
    return [weight for name, weight in model.named_parameters() if not _is_inner(name, weight)]


def learn_part(model: Tiny, given: Batch) -> float:
    """Leave a part's gradient on the weights; returns its loss. Whatever is asked counts alike."""
    for weight in model.parameters():
        weight.grad = None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, known = model(given.tokens, given.mask, given.wanted, given.judged)
    scores, targets = torch.cat((scores, known)), torch.cat((given.targets, given.verdicts))
    loss = functional.cross_entropy(scores.float(), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


class Bench:
    """What the processes share: the weights, a gradient and a loss for each part, and whose turn it is."""

    def __init__(self, context: SpawnContext, model: Tiny) -> None:
        self.model = model.share_memory()
        size = sum(weight.numel() for weight in model.parameters())
        self.gradients = torch.zeros(PARTS, size).share_memory_()
        self.losses = torch.zeros(PARTS).share_memory_()
        self.step = context.Value("q", 0)
        self.next_part = context.Value("i", 0)
        self.begun = context.Semaphore(0)
        self.ended = context.Semaphore(0)

    def take(self) -> int | None:
        with self.next_part.get_lock():
            part = self.next_part.value
            self.next_part.value = part + 1
        return part if part < PARTS else None

    def work(self, words: Tokenizer, seed: int) -> None:
        """Do parts of the current step until none is left."""
        while (part := self.take()) is not None:
            given = batch(words, seed, self.step.value, part)
            self.losses[part] = learn_part(self.model, given)
            spot = 0
            for weight in self.model.parameters():
                assert weight.grad is not None
                self.gradients[part, spot : spot + weight.numel()] = weight.grad.flatten()
                spot += weight.numel()


def calm(threads: int) -> None:
    """The settings that make a process compute the same thing each time."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def assist(bench: Bench, tokenizer_file: Path, seed: int) -> None:
    """A helping process: parts, whenever a step begins."""
    calm(1)
    words = tokenizer.load(tokenizer_file)
    parent = multiprocessing.parent_process()
    while True:
        while not bench.begun.acquire(timeout=10):
            if parent is None or not parent.is_alive():
                return  # nobody would ever call again
        bench.work(words, seed)
        bench.ended.release()


@dataclass
class Run:
    """A training in progress: what a checkpoint must hold."""

    bench: Bench
    optimizers: tuple[torch.optim.Optimizer, ...]
    helpers: int
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.bench.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.bench.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]


def start(seed: int, shape: Shape, tokenizer_file: Path, processes: int) -> Run:
    """Muon for the matrices inside, AdamW for the embedding and the norms; helpers beside this process."""
    torch.manual_seed(seed)
    model = Tiny(shape)
    context = multiprocessing.get_context("spawn")
    bench = Bench(context, model)
    muon = torch.optim.Muon(matrices(model), lr=MATRIX_RATE, momentum=0.95, weight_decay=0.05)
    adam = torch.optim.AdamW(others(model), lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    for _ in range(processes - 1):
        context.Process(target=assist, args=(bench, tokenizer_file, seed), daemon=True).start()
    return Run(bench, (muon, adam), processes - 1)


def advance(run: Run, words: Tokenizer, seed: int) -> float:
    """One step; returns its loss."""
    bench = run.bench
    bench.step.value, bench.next_part.value = run.step, 0
    for _ in range(run.helpers):
        bench.begun.release()
    bench.work(words, seed)
    for _ in range(run.helpers):
        bench.ended.acquire()
    apply_gradient(run)
    stage = stage_of(run.step)
    run.step += 1
    run.tokens += PARTS * stage.rows * stage.length
    return float(bench.losses.mean())


def apply_gradient(run: Run) -> None:
    """The mean of the parts' gradients, added in the order of the parts, through the optimizers."""
    mean = run.bench.gradients.sum(dim=0) / PARTS
    spot = 0
    for weight in run.bench.model.parameters():
        weight.grad = mean[spot : spot + weight.numel()].view_as(weight)
        spot += weight.numel()
    torch.nn.utils.clip_grad_norm_(run.bench.model.parameters(), 1.0)
    share = rate(run.step)
    for optimizer, full in zip(run.optimizers, (MATRIX_RATE, OTHER_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * share
        optimizer.step()


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


def train(out: Path, seed: int, processes: int) -> Run:
    out.mkdir(parents=True, exist_ok=True)
    words = learnt_tokenizer(out / "tokenizer.json", seed)
    run = start(seed, Shape(vocabulary=words.get_vocab_size()), out / "tokenizer.json", processes)
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
    parser.add_argument("--out", type=Path, required=True, help="directory for what training makes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="of one thread each")
    options = parser.parse_args()
    calm(1)
    run = train(options.out, options.seed, options.processes)
    words = tokenizer.load(options.out / "tokenizer.json")
    path, model = options.out / "tiny.gguf", run.bench.model
    parameters = export.write_gguf(path, model.shape, dict(model.named_parameters()), words)
    print(f"{path}: {parameters} parameters, {run.tokens} tokens, {run.seconds:.0f} seconds of training")


if __name__ == "__main__":
    main()
