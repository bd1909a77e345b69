"""The network: a Llama small enough to train on two CPU cores.

Everything follows what llama.cpp computes for architecture `llama`, so that the weights can be
written out as they are: RMS norm, rotary positions over neighbouring pairs of channels (its "norm"
kind of rope, so queries and keys need no permutation), grouped key/value heads, a SwiGLU feed-forward,
one matrix for reading and writing tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STEADY = 0.16  # eight times what other channels of the embedding start with
EARLY = 4  # blocks after which the model must know which tool fits
SHARP_PAIRS = 6
SHARPNESS = 0.8


@dataclass(frozen=True)
class Shape:
    """The numbers that end up in the GGUF header."""

    vocabulary: int = 2048
    layers: int = 6
    width: int = 256
    heads: int = 8
    kv_heads: int = 4
    hidden: int = 704
    context: int = 4096
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class Norm(nn.Module):
    """RMS norm in float32, whatever the rest is computed in."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotations(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, by position, head (one serves all) and pair of channels."""
    pairs = torch.arange(0, shape.head_width, 2, dtype=torch.float32)
    angles = torch.outer(
        torch.arange(length, dtype=torch.float32), shape.rope_base ** (-pairs / shape.head_width)
    )
    return angles.cos()[:, None, :], angles.sin()[:, None, :]


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair (2i, 2i+1) of a head's channels by its position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), dim=-1).flatten(-2)


class Attention(nn.Module):
    """Written out in matrix products: on a CPU the fused kernel takes twice as long with a mask."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        narrow = shape.kv_heads * shape.head_width
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.key = nn.Linear(shape.width, narrow, bias=False)
        self.value = nn.Linear(shape.width, narrow, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        rows, length, width = x.shape
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        query = rotate(self.query(x).view(rows, length, heads, -1), *turn).to(mask.dtype).transpose(1, 2)
        key = rotate(self.key(x).view(rows, length, kv_heads, -1), *turn).to(mask.dtype).transpose(1, 2)
        value = self.value(x).view(rows, length, kv_heads, -1).transpose(1, 2)
        # The query heads that share a key head stand under one another: one product serves them all.
        query = query.reshape(rows * kv_heads, -1, self.shape.head_width) * self.shape.head_width**-0.5
        key, value = (part.reshape(rows * kv_heads, length, -1) for part in (key, value))
        scores = torch.bmm(query, key.transpose(1, 2)).view(rows, heads, length, length) + mask
        with torch.autocast("cpu", enabled=False):  # autocast would widen the largest tensor of all
            shares = torch.softmax(scores, dim=-1)
        mixed = torch.bmm(shares.view(rows * kv_heads, -1, length), value).view(rows, heads, length, -1)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, width))


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = Norm(shape.width, shape.epsilon)
        self.attention = Attention(shape)
        self.feed_norm = Norm(shape.width, shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), turn, mask)
        inner = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(inner)) * self.up(inner))


class Tiny(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        self._start_small()

    def _start_small(self) -> None:
        """Small weights, and smaller still where a block writes back to the stream it reads."""
        quiet = (2 * self.shape.layers) ** -0.5
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                loud = quiet if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(
                    weight, std=0.02 * loud if "embedding" in name else loud * self.shape.width**-0.5
                )
        self._look_back()

    @torch.no_grad()
    def _look_back(self) -> None:
        """Let the eight heads of the first block begin by looking one to eight tokens back.

        Copying needs to know what stood before a token, and that is slow to discover. Two sentences that say
        the same of two people differ in a name that stands up to seven tokens before what is to be copied.
        One channel that is the same for every token gives the heads a query and a key that do not depend on
        the token; the rotary turn between them then peaks at the wanted distance.
        """
        self.embedding.weight[:, 0] = STEADY
        attention: Attention = self.blocks[0].attention  # type: ignore[assignment]
        size = self.shape.head_width
        angles = self.shape.rope_base ** (-torch.arange(SHARP_PAIRS) * 2 / size)
        for kv_head in range(self.shape.kv_heads):
            keys = attention.key.weight[kv_head * size : (kv_head + 1) * size]
            keys[0 : 2 * SHARP_PAIRS : 2, 0] = SHARPNESS
        for head in range(self.shape.heads):
            distance = head + 1
            queries = attention.query.weight[head * size : (head + 1) * size]
            queries[0 : 2 * SHARP_PAIRS : 2, 0] = SHARPNESS * torch.cos(angles * distance)
            queries[1 : 2 * SHARP_PAIRS : 2, 0] = -SHARPNESS * torch.sin(angles * distance)

    def forward(self, tokens: Tensor, mask: Tensor, wanted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor]:
        """Scores for the positions that `wanted` marks (most tokens of a batch teach nothing), and for those
        that `judged` marks, read off early: what is known there the last blocks can look up."""
        x = self.embedding(tokens)
        turn = rotations(self.shape, tokens.shape[1])
        for block in self.blocks[:EARLY]:
            x = block(x, turn, mask)
        known = x[judged]
        for block in self.blocks[EARLY:]:
            x = block(x, turn, mask)
        return self._scores(x[wanted]), self._scores(known)

    def _scores(self, x: Tensor) -> Tensor:
        return functional.linear(self.norm(x), self.embedding.weight)
