"""GGUF files written by hand, byte by byte, so that tests can also write wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {
    U8: "B",
    I8: "b",
    U16: "H",
    I16: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "?",
    U64: "Q",
    I64: "q",
    F64: "d",
}


@dataclass(frozen=True)
class Typed:
    """A value of a chosen GGUF type; for ARRAY, `element` is the type of its entries."""

    kind: int
    value: object
    element: int = STRING


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(typed: Typed) -> bytes:
    if typed.kind == STRING:
        return text(typed.value)  # type: ignore[arg-type]
    if typed.kind == ARRAY:
        entries: Sequence[object] = typed.value  # type: ignore[assignment]
        head = struct.pack("<IQ", typed.element, len(entries))
        return head + b"".join(value(Typed(typed.element, entry)) for entry in entries)
    return struct.pack("<" + _CODES[typed.kind], typed.value)


def infer(plain: object) -> Typed:
    match plain:
        case Typed():
            return plain
        case bool():
            return Typed(BOOL, plain)
        case int():
            return Typed(U32, plain)
        case float():
            return Typed(F32, plain)
        case str():
            return Typed(STRING, plain)
        case [str(), *_]:
            return Typed(ARRAY, plain)
        case [float(), *_]:
            return Typed(ARRAY, plain, F32)
        case _:
            return Typed(ARRAY, plain, I32)


def pair(key: str, plain: object) -> bytes:
    typed = infer(plain)
    return text(key) + struct.pack("<I", typed.kind) + value(typed)


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def build(
    metadata: Mapping[str, object] | Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A whole file. `counts` (tensors, keys) may lie; `metadata` may be raw pairs."""
    if isinstance(metadata, Mapping):
        metadata = [pair(key, plain) for key, plain in metadata.items()]
    tensor_count, key_count = counts or (len(tensors), len(metadata))
    head = magic + struct.pack("<IQQ", version, tensor_count, key_count) + b"".join([*metadata, *tensors])
    return head + bytes(-len(head) % alignment) + data


LLAMA: dict[str, object] = {
    "general.architecture": "llama",
    "general.name": "Small",
    "general.file_type": 15,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.block_count": 2,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 4,
    "llama.rope.freq_base": 10000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.tokens": [f"token {i}" for i in range(600)],
    "tokenizer.ggml.scores": [0.5] * 600,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.add_bos_token": True,
}


def model(**extra: object) -> bytes:
    """A small llama with 64 × 4 + 32 parameters; keyword `a__b` becomes the key `a.b`."""
    metadata = {**LLAMA, **{key.replace("__", "."): plain for key, plain in extra.items()}}
    tensors = [tensor("token_embd.weight", (64, 4)), tensor("norm.weight", (32,), 1, 1024)]
    return build(metadata, tensors, bytes(1024 + 64))
