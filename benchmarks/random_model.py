"""Writes a GGUF of a real shape whose weights are random: what an engine's speed is measured with.

    python -m benchmarks.random_model                       # Llama-3.2-1B's shape, 0.8 GB
    python -m benchmarks.random_model --shape small --seed 7 --out small.gguf

How fast a model runs depends on its shape and on its number formats, not on what it knows, so nothing
has to be downloaded and the same seed gives the same file everywhere. Weights are not quantized from
floats: the bytes of the quantized blocks are drawn directly, and each block's scale is a constant that
gives them the spread of a freshly initialised matrix, so activations stay finite. That writes 0.8 GB in
seconds. The number formats are those of llama.cpp's Q4_K_M.

The vocabulary is invented words of one token each, over all 256 bytes. Rows of the embedding that belong
to bytes and to special tokens are zero; the output shares that matrix, so their scores are zero where
the best of the others is far above: such a model never ends an answer by itself, and each of its tokens
is a whole word.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Q4, _Q6 = gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K

#: Part of every cached file's name: raise it when the same shape and seed give another file.
_EDITION = 1
_BLOCK = 256  # weights in a block of either format
_BYTES = 256
_SPECIAL = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_SYLLABLES = tuple(c + v for c in "bcdfghjklmnprstvwxyz" for v in "aeiou")
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama whose output shares the matrix of its input embedding."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head: int
    ffn: int
    vocabulary: int
    context: int = 131072
    rope_base: float = 500000.0


SHAPES = {
    "1b": Shape(layers=16, width=2048, heads=32, kv_heads=8, head=64, ffn=8192, vocabulary=128256),
    "small": Shape(layers=2, width=256, heads=4, kv_heads=2, head=64, ffn=512, vocabulary=1024, context=4096),
}


def cached(directory: Path, shape: Shape, seed: int = 0) -> Path:
    """The file for `shape` and `seed` inside `directory`, written if it is not there yet."""
    key = hashlib.sha256(repr((_EDITION, asdict(shape), seed)).encode()).hexdigest()[:12]
    path = directory / f"random-{key}.gguf"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            write(part, shape, seed)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def write(path: Path, shape: Shape, seed: int = 0) -> None:
    """Write the model to `path`, one tensor at a time."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, shape)
    _add_vocabulary(writer, shape)
    tensors = tuple(_tensors(shape))
    for tensor in tensors:
        writer.add_tensor_info(
            tensor.name, tensor.byte_shape, np.dtype(tensor.kind), tensor.size, tensor.format
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.Generator(np.random.SFC64(seed))
    for tensor in tensors:
        writer.write_tensor_data(tensor.draw(rng, shape))
    writer.close()


def words(shape: Shape) -> Iterator[str]:
    """The words of the vocabulary, in the order of their token ids, each with its leading space."""
    many = len(_SYLLABLES)
    for i in range(shape.vocabulary - _BYTES - 1 - len(_SPECIAL)):
        yield " " + _SYLLABLES[i // many**2 % many] + _SYLLABLES[i // many % many] + _SYLLABLES[i % many]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A matrix of `rows` × `columns` in one of the two formats, or a vector of ones (format None)."""

    name: str
    rows: int
    columns: int
    format: gguf.GGMLQuantizationType | None

    @property
    def kind(self) -> type[np.generic]:
        return np.uint8 if self.format else np.float32

    @property
    def byte_shape(self) -> tuple[int, ...]:
        if self.format is None:
            return (self.columns,)
        return (self.rows, self.columns // _BLOCK * gguf.GGML_QUANT_SIZES[self.format][1])

    @property
    def size(self) -> int:
        return math.prod(self.byte_shape) * np.dtype(self.kind).itemsize

    def draw(self, rng: np.random.Generator, shape: Shape) -> npt.NDArray[np.generic]:
        if self.format is None:
            return np.ones(self.columns, np.float32)
        blocks = rng.integers(0, 256, self.size, np.uint8)
        blocks = blocks.reshape(-1, gguf.GGML_QUANT_SIZES[self.format][1])
        (_scale_q4 if self.format is _Q4 else _scale_q6)(blocks, 1 / math.sqrt(self.columns))
        matrix = blocks.reshape(self.byte_shape)
        if self.name == "token_embd.weight":
            matrix[: _BYTES + 1] = 0
            matrix[-len(_SPECIAL) :] = 0
        return matrix


def _scale_q4(blocks: _Bytes, spread: float) -> None:
    """Q4_K: d and dmin (half floats), 6-bit scales and minima, 4-bit quants; weight = d·s·q - dmin·m.

    With uniform bits s·q has a mean of 31.5 · 7.5, so dmin = 7.5 · d centres the weights; their standard
    deviation is then 257 · d.
    """
    d = spread / 257
    blocks[:, :4] = np.array([d, 7.5 * d], np.float16).view(np.uint8)


def _scale_q6(blocks: _Bytes, spread: float) -> None:
    """Q6_K: 6-bit quants, 8-bit signed scales, then d (a half float); weight = d·s·(q - 32).

    With uniform bits the standard deviation is 1366 · d.
    """
    blocks[:, -2:] = np.array([spread / 1366], np.float16).view(np.uint8)


def _tensors(shape: Shape) -> Iterator[_Tensor]:
    wide, narrow = shape.heads * shape.head, shape.kv_heads * shape.head
    yield _Tensor("token_embd.weight", shape.vocabulary, shape.width, _Q6)
    yield _Tensor("output_norm.weight", 1, shape.width, None)
    for layer in range(shape.layers):
        finer = _Q6 if _deserves_more_bits(layer, shape.layers) else _Q4
        yield _Tensor(f"blk.{layer}.attn_norm.weight", 1, shape.width, None)
        yield _Tensor(f"blk.{layer}.attn_q.weight", wide, shape.width, _Q4)
        yield _Tensor(f"blk.{layer}.attn_k.weight", narrow, shape.width, _Q4)
        yield _Tensor(f"blk.{layer}.attn_v.weight", narrow, shape.width, finer)
        yield _Tensor(f"blk.{layer}.attn_output.weight", shape.width, wide, _Q4)
        yield _Tensor(f"blk.{layer}.ffn_norm.weight", 1, shape.width, None)
        yield _Tensor(f"blk.{layer}.ffn_gate.weight", shape.ffn, shape.width, _Q4)
        yield _Tensor(f"blk.{layer}.ffn_up.weight", shape.ffn, shape.width, _Q4)
        yield _Tensor(f"blk.{layer}.ffn_down.weight", shape.width, shape.ffn, finer)


def _deserves_more_bits(layer: int, layers: int) -> bool:
    """llama.cpp's Q4_K_M: the first and the last eighth of the layers, and every third between them."""
    first = layers // 8
    return layer < first or layer >= 7 * layers // 8 or (layer - first) % 3 == 2


# ── metadata ──────────────────────────────────────────────────────────────────────────────────────


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("random")
    writer.add_description("Random weights, for measuring speed. It says nothing that means anything.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)


def _add_vocabulary(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Bytes, one pair of letters for the one merge there has to be, words, special tokens.

    Llama 3's pre-tokenizer takes a word that is in the vocabulary as it is, so words need no merges.
    """
    letters = _printable()
    known = [*letters, "ba", *(word.replace(" ", letters[32]) for word in words(shape)), *_SPECIAL]
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    special = {name: len(known) - len(_SPECIAL) + i for i, name in enumerate(_SPECIAL)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(known)
    writer.add_token_types([normal] * (len(known) - len(_SPECIAL)) + [control] * len(_SPECIAL))
    writer.add_token_merges(["b a"])
    writer.add_bos_token_id(special["<|begin_of_text|>"])
    writer.add_eos_token_id(special["<|end_of_text|>"])
    writer.add_eot_token_id(special["<|eot_id|>"])
    writer.add_add_bos_token(True)
    writer.add_chat_template(_CHAT_TEMPLATE)


def _printable() -> list[str]:
    """The 256 bytes as GPT-2 spells them: those that print stand for themselves, the others move up."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = iter(range(256, 512))
    return [chr(byte if byte in plain else next(moved)) for byte in range(256)]


# ── the command ───────────────────────────────────────────────────────────────────────────────────


def cache_directory() -> Path:
    """Where models go when the user names no place."""
    return Path(tempfile.gettempdir()) / "paddock-benchmarks"


def main() -> None:
    """Write one file and print where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the file to write (default: a name of its own in --cache)")
    parser.add_argument("--cache", type=Path, default=cache_directory())
    for field in fields(Shape):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float if "rope" in field.name else int)
    given = parser.parse_args()
    changed = {f.name: getattr(given, f.name) for f in fields(Shape) if getattr(given, f.name) is not None}
    shape = replace(SHAPES[given.shape], **changed)
    if given.out is None:
        print(cached(given.cache, shape, given.seed))
    else:
        write(given.out, shape, given.seed)
        print(given.out)


if __name__ == "__main__":
    main()
