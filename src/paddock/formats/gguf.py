"""GGUF headers: what a model file says about itself, without touching its weights.

A header lists metadata (key, type, value) and tensors (name, shape, type, offset); a vocabulary of
128 k entries sits among the metadata, and listing models must not decode it. So long arrays are passed
over and stand in the result as a LongArray, unless the caller asks for `arrays=True`.

Every count and length is checked before anything is allocated for it; whatever is wrong becomes
InvalidGGUF with the byte offset and the cause.

Source: the GGUF specification in ggml's repository (`docs/gguf.md`), versions 2 and 3, and the numbers
of `enum ggml_type` and `enum llama_ftype`.
"""

from __future__ import annotations

import math
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from paddock.errors import InvalidGGUF, cause_of
from paddock.formats.gguf_header import KEPT_ENTRIES, Header, LongArray, Scalar, Tensor, Value, whole_number
from paddock.formats.gguf_types import MAX_TYPE, TENSOR_TYPES, TensorType
from paddock.formats.gguf_window import MAX_HEADER, Window

__all__ = ["Header", "LongArray", "Scalar", "Tensor", "Value", "read"]

MAX_STRING = 64 << 20  # some files carry a whole tokenizer.json as one string
MAX_NAME = 1 << 16
MAX_ENTRIES = 4 << 20  # of all kept arrays together; the largest vocabularies have about 1.5 million
MAX_DIMENSIONS = 4
_DEFAULT_ALIGNMENT = 32

_NUMBERS = {
    0: ("uint8", "B"),
    1: ("int8", "b"),
    2: ("uint16", "H"),
    3: ("int16", "h"),
    4: ("uint32", "I"),
    5: ("int32", "i"),
    6: ("float32", "f"),
    10: ("uint64", "Q"),
    11: ("int64", "q"),
    12: ("float64", "d"),
}
_FLOAT32, _BOOL, _STRING, _ARRAY = 6, 7, 8, 9


def read(path: Path, *, arrays: bool = False) -> Header:
    """The header of the GGUF file at `path`. Raises InvalidGGUF, and nothing else, for whatever is wrong.

    With `arrays`, every array is decoded whatever its length.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # opening a pipe would wait for ever
            raise InvalidGGUF(f"{path.name}: not a regular file")
        with path.open("rb", buffering=0) as file:
            return _Reader(Window(path.name, file, facts.st_size), arrays).header()
    except OSError as error:
        raise InvalidGGUF(f"{path.name}: {cause_of(error)}") from error


class _Reader:
    """Walks one header from its first byte to its last tensor."""

    def __init__(self, window: Window, arrays: bool) -> None:
        self._window = window
        self._arrays = arrays
        self._entries = 0

    def header(self) -> Header:
        window = self._window
        version = self._version()
        # The least a tensor takes is a name's length, a dimension count, a type and an offset.
        tensors = self._count("tensors", 24)
        pairs = self._count("metadata keys", 12, beside=24 * tensors)
        metadata = self._metadata(pairs)
        alignment = self._alignment(metadata)
        entries = tuple(self._tensors(tensors, alignment))
        data = -(-window.offset // alignment) * alignment
        for tensor, size in entries:
            if data + tensor.offset + size > window.size:
                raise window.error(
                    f"the data of tensor {tensor.name!r} would end at byte {data + tensor.offset + size}, "
                    f"the file ends at {window.size}"
                )
        facts = MappingProxyType(metadata)
        return Header(version, facts, tuple(tensor for tensor, _ in entries), data, window.size)

    def _version(self) -> int:
        window = self._window
        if window.size < 24:
            raise window.error("the file is too short for a GGUF header")
        if window.take(4) != b"GGUF":
            raise window.error("the file does not begin with GGUF", 0)
        version = window.u32()
        if version and version & 0xFFFF == 0:
            raise window.error("the file is big endian; only little endian files can be run here", 4)
        if version not in (2, 3):
            raise window.error(f"GGUF version {version} is not supported, only 2 and 3 are", 4)
        return version

    def _count(self, what: str, least: int, beside: int = 0) -> int:
        """A count that the rest of the file has room for, at `least` bytes each."""
        window = self._window
        count = window.u64()
        if count * least + beside > min(window.size, MAX_HEADER) - window.offset:
            raise window.error(f"{count} {what} do not fit in the file", window.offset - 8)
        return count

    def _metadata(self, pairs: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for _ in range(pairs):
            at = self._window.offset
            key = self._name("key")
            if key in metadata:
                raise self._window.error(f"key {key!r} appears twice", at)
            metadata[key] = self._value(self._window.u32())
        return metadata

    def _name(self, what: str) -> str:
        at = self._window.offset
        length = self._window.u64()
        if not 0 < length <= MAX_NAME:
            raise self._window.error(f"a {what} of {length} bytes", at)
        try:
            return self._window.take(length).decode()
        except UnicodeDecodeError:
            raise self._window.error(f"the {what} is not UTF-8", at) from None

    def _value(self, kind: int) -> Value:
        if kind == _FLOAT32:
            return self._window.f32()
        if kind in _NUMBERS:
            return self._numbers(_NUMBERS[kind][1], 1)[0]
        if kind == _BOOL:
            return self._bool()
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        raise self._window.error(f"unknown value type {kind}", self._window.offset - 4)

    def _numbers(self, code: str, count: int) -> tuple[Scalar, ...]:
        return struct.unpack(f"<{count}{code}", self._window.take(count * struct.calcsize(f"<{code}")))

    def _bool(self) -> bool:
        byte = self._window.take(1)[0]
        if byte > 1:
            raise self._window.error(f"a boolean of value {byte}", self._window.offset - 1)
        return byte == 1

    def _string(self) -> str:
        at = self._window.offset
        length = self._window.u64()
        if length > MAX_STRING:
            raise self._window.error(f"a string of {length} bytes", at)
        # Vocabularies hold single bytes of longer characters, so a value need not be valid UTF-8.
        return self._window.take(length).decode(errors="replace")

    def _array(self) -> tuple[Scalar, ...] | LongArray:
        window = self._window
        at = window.offset
        kind = window.u32()
        if kind == _ARRAY:
            raise window.error("an array of arrays, which no engine reads", at)
        if kind not in _NUMBERS and kind not in (_BOOL, _STRING):
            raise window.error(f"an array of unknown value type {kind}", at)
        width = 8 if kind == _STRING else 1 if kind == _BOOL else struct.calcsize("<" + _NUMBERS[kind][1])
        length = self._count("array entries", width)
        if length > KEPT_ENTRIES and not self._arrays:
            return self._skip_array(kind, length, width)
        self._entries += length
        if self._entries > MAX_ENTRIES:
            raise window.error(f"more than {MAX_ENTRIES} array entries", at)
        if kind == _STRING:
            return tuple(self._string() for _ in range(length))
        if kind == _BOOL:
            return tuple(self._bool() for _ in range(length))
        return self._numbers(_NUMBERS[kind][1], length)

    def _skip_array(self, kind: int, length: int, width: int) -> LongArray:
        if kind == _STRING:
            self._window.skip_strings(length)
            return LongArray("string", length)
        self._window.skip(length * width)
        return LongArray("bool" if kind == _BOOL else _NUMBERS[kind][0], length)

    def _alignment(self, metadata: Mapping[str, Value]) -> int:
        value = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        alignment = whole_number(value)
        if alignment is None or not 0 < alignment <= 1 << 30 or alignment & (alignment - 1):
            raise self._window.error(f"general.alignment is {value!r}, not a power of two")
        return alignment

    def _tensors(self, count: int, alignment: int) -> Iterator[tuple[Tensor, int]]:
        """Every tensor with the bytes its data takes."""
        names: set[str] = set()
        for _ in range(count):
            at = self._window.offset
            name = self._name("tensor name")
            if name in names:
                raise self._window.error(f"tensor {name!r} appears twice", at)
            names.add(name)
            yield self._tensor(name, alignment)

    def _tensor(self, name: str, alignment: int) -> tuple[Tensor, int]:
        window = self._window
        at = window.offset
        dimensions = window.u32()
        if dimensions > MAX_DIMENSIONS:
            raise window.error(f"tensor {name!r} has {dimensions} dimensions, more than {MAX_DIMENSIONS}", at)
        shape = tuple(window.u64() for _ in range(dimensions))
        elements = math.prod(shape)
        if elements >= 1 << 63 or any(length >= 1 << 63 for length in shape):
            raise window.error(f"tensor {name!r} has the impossible shape {shape}", at)
        number = window.u32()
        if number > MAX_TYPE:
            raise window.error(f"tensor {name!r} has the unknown type {number}", window.offset - 4)
        # A newer engine may know a type we do not; its size cannot be checked, its offset can.
        known = TENSOR_TYPES.get(number, TensorType(f"TYPE_{number}", 1, 0))
        if shape and shape[0] % known.block:
            raise window.error(
                f"rows of {shape[0]} in tensor {name!r} do not divide into {known.name} blocks", at
            )
        offset = window.u64()
        if offset % alignment:
            raise window.error(
                f"the data of tensor {name!r} is not aligned to {alignment} bytes", window.offset - 8
            )
        size = -(-elements // known.block) * known.bytes
        return Tensor(name, shape, known.name, offset), size
