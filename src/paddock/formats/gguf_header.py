"""What a GGUF file says about itself, as values: metadata, tensors, and the figures others ask for.

Keys of the form `{architecture}.something` are asked for without their first part. Source: the key
lists of the GGUF specification (`docs/gguf.md` in ggml's repository) and of llama.cpp's converter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paddock.formats.gguf_types import FILE_TYPES

#: Arrays up to this length are always kept: models write one entry a block (`head_count_kv`) this way.
KEPT_ENTRIES = 512


@dataclass(frozen=True, slots=True)
class LongArray:
    """Stands for an array that was passed over: the type of its elements, as in `string`, and its length."""

    element: str
    length: int


Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `shape` as stored (fastest dimension first), `type` as in `F16` or `Q4_K`.

    `offset` counts bytes from the start of the file's tensor data. A type newer than this program is
    called `TYPE_<number>`.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """Everything a GGUF file says before its weights. Byte counts are bytes, lengths are tokens.

    The conveniences never fail: a key that is missing, or has another type than it should, counts as
    not set and gives "", 0, () or None.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_size: int

    def text(self, key: str) -> str:
        """The string under `key`, or ""."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """The whole number under `{architecture}.{key}`, or None."""
        return whole_number(self.metadata.get(f"{self.architecture}.{key}"))

    def numbers(self, key: str) -> tuple[int, ...]:
        """The whole numbers under `{architecture}.{key}`, one a block; a single number is one entry."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            return tuple(entry for entry in value if isinstance(entry, int))
        single = whole_number(value)
        return () if single is None else (single,)

    def sizes(self) -> Iterator[tuple[Tensor, int]]:
        """Every tensor, in the order of the data, with the bytes from its own to the next one's.

        Unlike a table of types this also measures types newer than this program.
        """
        ordered = sorted(self.tensors, key=lambda tensor: tensor.offset)
        ends = [*(tensor.offset for tensor in ordered[1:]), self.file_size - self.data_offset]
        for tensor, end in zip(ordered, ends[: len(ordered)], strict=True):
            yield tensor, end - tensor.offset

    @property
    def architecture(self) -> str:
        """`llama`, `qwen3`, `clip`…"""
        return self.text("general.architecture")

    @property
    def parameter_count(self) -> int:
        """The numbers in all tensors of this file together."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def file_type(self) -> str:
        """The quantization as llama.cpp names it, as in `Q4_K_M`; `unknown` where it is not said."""
        number = whole_number(self.metadata.get("general.file_type"))
        # 1024 is a flag: "guessed from the tensors".
        return "unknown" if number is None else FILE_TYPES.get(number & ~1024, "unknown")

    @property
    def context_length(self) -> int:
        """The longest context the model was trained for."""
        return self.number("context_length") or 0

    @property
    def embedding_length(self) -> int:
        """The width of the hidden state."""
        return self.number("embedding_length") or 0

    @property
    def block_count(self) -> int:
        """The number of transformer blocks."""
        return self.number("block_count") or 0

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Attention heads of every block."""
        return self._by_block(self.numbers("attention.head_count"))

    @property
    def head_counts_kv(self) -> tuple[int, ...]:
        """Key-value heads of every block; the attention heads where nothing else is said."""
        return self._by_block(self.numbers("attention.head_count_kv")) or self.head_counts

    @property
    def key_length(self) -> int:
        """The width of one head's keys."""
        return self.number("attention.key_length") or self._head_width()

    @property
    def value_length(self) -> int:
        """The width of one head's values."""
        return self.number("attention.value_length") or self._head_width()

    @property
    def pooling_type(self) -> int | None:
        """0 none, 1 mean, 2 first token, 3 last token, 4 rank; None for a model that is no embedder."""
        return self.number("pooling_type")

    @property
    def vocabulary(self) -> int:
        """The number of tokens the model knows."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, LongArray):
            return tokens.length
        return len(tokens) if isinstance(tokens, tuple) else self.number("vocab_size") or 0

    @property
    def chat_template(self) -> str:
        """The Jinja chat template, or ""."""
        return self.text("tokenizer.chat_template")

    @property
    def sight(self) -> str:
        """The kind of a projector that sees, as in `gemma3`, or ""."""
        return self.text("clip.vision.projector_type") or self.text("clip.projector_type")

    @property
    def fim_tokens(self) -> tuple[int, int, int] | None:
        """The ids of the fill-in-the-middle tokens: prefix, suffix, middle. None unless all are there."""
        found = []
        for short, long in (("fim_pre", "prefix"), ("fim_suf", "suffix"), ("fim_mid", "middle")):
            new = whole_number(self.metadata.get(f"tokenizer.ggml.{short}_token_id"))
            old = whole_number(self.metadata.get(f"tokenizer.ggml.{long}_token_id"))
            found.append(old if new is None else new)
        prefix, suffix, middle = found
        if prefix is None or suffix is None or middle is None:
            return None
        return prefix, suffix, middle

    @property
    def has_fim(self) -> bool:
        """Whether the model knows how to fill in the middle."""
        return self.fim_tokens is not None

    def _by_block(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        return counts * self.block_count if len(counts) == 1 and self.block_count <= KEPT_ENTRIES else counts

    def _head_width(self) -> int:
        heads = max(self.head_counts, default=0)
        return self.embedding_length // heads if heads > 0 else 0


def whole_number(value: Value | None) -> int | None:
    """`value` if it is a whole number; a boolean is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
