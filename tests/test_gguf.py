"""GGUF headers: what is read from good files, and what is said about bad ones."""

import io
import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ggufs
from ggufs import ARRAY, BOOL, I32, STRING, U8, U64, Typed, build, model, pair, tensor
from paddock.errors import InvalidGGUF
from paddock.formats import gguf
from paddock.formats.gguf import Header, LongArray, Tensor
from paddock.formats.gguf_window import MAX_HEADER, Window


@pytest.fixture
def read(tmp_path: Path):
    def read_bytes(content: bytes, arrays: bool = False) -> Header:
        path = tmp_path / "file.gguf"
        path.write_bytes(content)
        return gguf.read(path, arrays=arrays)

    return read_bytes


def test_a_header_tells_metadata_tensors_and_sizes(read) -> None:
    content = model()
    header = read(content)
    assert header.version == 3
    assert header.metadata["general.name"] == "Small"
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert header.tensors == (
        Tensor("token_embd.weight", (64, 4), "F32", 0),
        Tensor("norm.weight", (32,), "F16", 1024),
    )
    assert header.file_size == len(content)
    assert header.data_offset == len(content) - 1088
    assert header.data_offset % 32 == 0


def test_the_conveniences_answer_for_the_architecture(read) -> None:
    header = read(model(tokenizer__chat_template="{{ x }}"))
    assert header.architecture == "llama"
    assert header.parameter_count == 64 * 4 + 32
    assert (header.context_length, header.embedding_length, header.block_count) == (2048, 64, 2)
    assert (header.head_counts, header.head_counts_kv) == ((8, 8), (4, 4))
    assert (header.key_length, header.value_length) == (8, 8)
    assert header.file_type == "Q4_K_M"
    assert header.chat_template == "{{ x }}"
    assert header.vocabulary == 600
    assert header.pooling_type is None
    assert not header.has_fim


def test_the_conveniences_answer_quietly_where_nothing_or_nonsense_is_said(read) -> None:
    header = read(
        build(
            {
                "general.architecture": "x",
                "x.context_length": "long",
                "x.block_count": True,
                "general.file_type": 999,
            }
        )
    )
    assert (header.context_length, header.block_count, header.embedding_length) == (0, 0, 0)
    assert (header.head_counts, header.head_counts_kv, header.key_length) == ((), (), 0)
    assert (header.vocabulary, header.file_type) == (0, "unknown")
    assert read(build()).architecture == ""
    assert read(build()).file_type == "unknown"


def test_heads_may_differ_from_block_to_block(read) -> None:
    header = read(model(llama__attention__head_count_kv=[4, 0], llama__attention__key_length=128))
    assert header.head_counts_kv == (4, 0)
    assert header.key_length == 128


def test_the_vocabulary_is_counted_or_else_announced(read) -> None:
    assert read(build({"tokenizer.ggml.tokens": ["a", "b"]})).vocabulary == 2
    assert read(build({"general.architecture": "x", "x.vocab_size": 3})).vocabulary == 3


def test_a_guessed_file_type_is_still_a_file_type(read) -> None:
    assert read(build({"general.file_type": 1024 + 7})).file_type == "Q8_0"


@pytest.mark.parametrize("names", [("fim_pre", "fim_suf", "fim_mid"), ("prefix", "suffix", "middle")])
def test_fill_in_the_middle_needs_all_three_tokens(read, names: tuple[str, str, str]) -> None:
    keys = [f"tokenizer.ggml.{name}_token_id" for name in names]
    assert read(build(dict(zip(keys, (3, 4, 5), strict=True)))).fim_tokens == (3, 4, 5)
    assert read(build(dict(zip(keys[:2], (3, 4), strict=True)))).fim_tokens is None


def test_pooling_marks_an_embedder(read) -> None:
    assert read(build({"general.architecture": "bert", "bert.pooling_type": 1})).pooling_type == 1


def test_long_arrays_are_passed_over_unless_asked_for(read) -> None:
    content = model(tokenizer__ggml__flags=Typed(ARRAY, [True] * 600, BOOL))
    header = read(content)
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray("string", 600)
    assert header.metadata["tokenizer.ggml.scores"] == LongArray("float32", 600)
    assert header.metadata["tokenizer.ggml.flags"] == LongArray("bool", 600)
    whole = read(content, arrays=True)
    assert whole.metadata["tokenizer.ggml.tokens"] == tuple(f"token {i}" for i in range(600))
    assert whole.metadata["tokenizer.ggml.scores"] == (0.5,) * 600
    assert whole.metadata["tokenizer.ggml.flags"] == (True,) * 600
    assert whole.tensors == header.tensors


def test_short_floats_read_as_they_were_meant(read) -> None:
    values = {"a": 1e-5, "b": 10000.0, "c": 0.1, "d": float("inf"), "e": 3.4028234663852886e38, "f": -0.0}
    header = read(build(values))
    assert [header.metadata[key] for key in "abcd"] == [1e-5, 10000.0, 0.1, float("inf")]
    for key, meant in values.items():
        assert struct.pack("<f", header.metadata[key]) == struct.pack("<f", meant)


def test_every_type_of_value_is_read(read) -> None:
    values = {
        0: 255,
        1: -1,
        2: 65535,
        3: -2,
        4: 2**32 - 1,
        5: -3,
        7: False,
        8: "ü",
        10: 2**64 - 1,
        11: -4,
        12: 0.1,
    }
    header = read(build({str(kind): Typed(kind, value) for kind, value in values.items()}))
    assert dict(header.metadata) == {str(kind): value for kind, value in values.items()}


def test_version_two_is_read_alike(read) -> None:
    assert read(build({"a": 1}, version=2)).version == 2


def test_text_that_is_not_utf8_is_read_with_marks(read) -> None:
    assert read(build({"a": Typed(STRING, b"\xff!")})).metadata["a"] == "\ufffd!"


def test_a_tensor_type_from_the_future_is_let_through(read) -> None:
    assert read(build((), [tensor("a", (32,), 77)])).tensors[0].type == "TYPE_77"


def test_a_file_written_by_the_gguf_package_reads_the_same(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    package = pytest.importorskip("gguf")
    path = tmp_path / "x.gguf"
    writer = package.GGUFWriter(path, "qwen3")
    writer.add_context_length(40960)
    writer.add_file_type(package.LlamaFileType.MOSTLY_Q8_0)
    writer.add_array("tokenizer.ggml.tokens", [f"t{i}" for i in range(1000)])
    weights = numpy.arange(128, dtype=numpy.float32).reshape(2, 64)
    quantized = package.quants.quantize(weights, package.GGMLQuantizationType.Q8_0)
    writer.add_tensor("w", quantized, raw_dtype=package.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = gguf.read(path)
    assert header.architecture == "qwen3"
    assert (header.context_length, header.file_type) == (40960, "Q8_0")
    assert header.tensors == (Tensor("w", (64, 2), "Q8_0", 0),)
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray("string", 1000)
    assert len(gguf.read(path, arrays=True).metadata["tokenizer.ggml.tokens"]) == 1000


def test_tensors_are_measured_up_to_the_next_one_whatever_their_type_and_order(tmp_path: Path) -> None:
    tensors = [
        ggufs.tensor("late", (8,), 0, 96),
        ggufs.tensor("early", (8,), 0, 0),
        ggufs.tensor("newer than this program", (4,), 99, 32),
    ]
    path = tmp_path / "m.gguf"
    path.write_bytes(ggufs.build(ggufs.LLAMA, tensors, bytes(96 + 32)))
    sizes = [(tensor.name, size) for tensor, size in gguf.read(path).sizes()]
    assert sizes == [("early", 32), ("newer than this program", 64), ("late", 32)]
    assert list(Header(3, {}, (), 0, 0).sizes()) == []


def test_every_tensor_type_has_the_size_the_gguf_package_gives_it() -> None:
    package = pytest.importorskip("gguf")
    from paddock.formats.gguf_types import TENSOR_TYPES

    for number, ours in TENSOR_TYPES.items():
        theirs = package.GGMLQuantizationType(number)
        block, size = package.GGML_QUANT_SIZES[theirs]
        assert (ours.name, ours.block) == (theirs.name, block)
        # The package still gives Q8_1, which no file holds, its old layout.
        assert ours.bytes == size or ours.name == "Q8_1"


def test_a_big_vocabulary_is_passed_quickly(tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    path.write_bytes(model(tokenizer__ggml__tokens=[f"token {i}" for i in range(128_000)]))
    begin = time.perf_counter()
    header = gguf.read(path)
    assert time.perf_counter() - begin < 0.5  # tens of milliseconds on an idle machine
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray("string", 128_000)
    assert header.tensors[-1].name == "norm.weight"


HUGE = 1 << 62


def array_head(element: int, length: int) -> bytes:
    return ggufs.text("a") + struct.pack("<IIQ", ARRAY, element, length)


BAD = {
    "an empty file": (b"", "too short"),
    "something else": (b"PK\3\4" + bytes(40), "does not begin with GGUF"),
    "version 1": (build(version=1), "version 1 is not supported"),
    "version 4": (build(version=4), "version 4 is not supported"),
    "big endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big endian"),
    "more tensors than bytes": (build(counts=(HUGE, 0)), "tensors do not fit"),
    "more keys than bytes": (build(counts=(0, HUGE)), "metadata keys do not fit"),
    "a missing key": (build({"a": 1}, counts=(0, 2)), "a key of 0 bytes"),
    "a key that repeats": (build([pair("a", 1), pair("a", 2)]), "key 'a' appears twice"),
    "a key of nonsense": (build([ggufs.text(b"\xff") + struct.pack("<II", 4, 1)]), "not UTF-8"),
    "an endless key": (build([struct.pack("<QI", HUGE, 4)]), "a key of"),
    "an endless string": (build([ggufs.text("a") + struct.pack("<IQ", STRING, HUGE)]), "a string of"),
    "an unknown type": (build([ggufs.text("a") + struct.pack("<II", 13, 0)]), "unknown value type 13"),
    "a boolean of two": (build([ggufs.text("a") + struct.pack("<IB", BOOL, 2)]), "a boolean of value 2"),
    "an endless array": (build([array_head(U8, HUGE)]), "array entries do not fit"),
    "an array of arrays": (build([array_head(ARRAY, 1)]), "array of arrays"),
    "an array of nothing known": (build([array_head(99, 0)]), "unknown value type 99"),
    "alignment of three": (build({"general.alignment": 3}), "not a power of two"),
    "alignment of zero": (build({"general.alignment": 0}), "not a power of two"),
    "alignment in words": (build({"general.alignment": "32"}), "not a power of two"),
    "five dimensions": (build((), [tensor("a", (1,) * 5)]), "5 dimensions"),
    "an endless tensor": (build((), [tensor("a", (1 << 40, 1 << 40))]), "impossible shape"),
    "a negative dimension": (build((), [tensor("a", ((1 << 64) - 1, 0))]), "impossible shape"),
    "a tensor type of 999": (build((), [tensor("a", (1,), 999)]), "unknown type 999"),
    "half a block": (build((), [tensor("a", (16,), 2)], bytes(64)), "do not divide"),
    "a crooked offset": (build((), [tensor("a", (1,), 0, 4)], bytes(64)), "not aligned"),
    "the same tensor twice": (build((), [tensor("a", (1,)), tensor("a", (1,))], bytes(64)), "appears twice"),
    "weights past the end": (build((), [tensor("a", (64,))], bytes(255)), "the file ends at"),
    "an offset past the end": (build((), [tensor("a", (1,), 0, HUGE)], bytes(64)), "the file ends at"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_place_and_cause(read, case: str) -> None:
    content, sentence = BAD[case]
    with pytest.raises(InvalidGGUF, match=sentence) as caught:
        read(content)
    error = caught.value
    assert str(error) == f"file.gguf: byte {error.offset}: {error.cause}"
    assert 0 <= error.offset <= len(content)


def test_the_offset_points_at_what_is_wrong(read) -> None:
    with pytest.raises(InvalidGGUF) as caught:
        read(build([pair("first", 1), pair("first", 2)]))
    assert caught.value.offset == 24 + len(pair("first", 1))


def test_a_file_cut_anywhere_is_refused(read) -> None:
    content = model(tokenizer__ggml__tokens=["x"] * 520, tokenizer__ggml__scores=[1.0])
    for length in range(0, len(content), 7):
        with pytest.raises(InvalidGGUF):
            read(content[:length])


def test_lies_about_length_allocate_nothing(read) -> None:
    content = build([array_head(U64, 1 << 40)], counts=(1 << 33, 1))
    tracemalloc.start()
    with pytest.raises(InvalidGGUF):
        read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_arrays_are_kept_only_up_to_a_bound(read) -> None:
    content = build([array_head(U8, gguf.MAX_ENTRIES + 1) + bytes(gguf.MAX_ENTRIES + 1)])
    assert read(content).metadata["a"] == LongArray("uint8", gguf.MAX_ENTRIES + 1)
    with pytest.raises(InvalidGGUF, match="more than 4194304 array entries"):
        read(content, arrays=True)


def test_a_header_longer_than_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    path.write_bytes(b"".join([b"GGUF", struct.pack("<IQQ", 3, 0, 2), array_head(U8, 200 << 20)]))
    os.truncate(path, 600 << 20)
    with path.open("r+b") as file:
        file.seek(24 + len(array_head(U8, 0)) + (200 << 20))
        file.write(ggufs.text("b") + struct.pack("<IIQ", ARRAY, U8, 200 << 20))
    with pytest.raises(InvalidGGUF, match="array entries do not fit"):
        gguf.read(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused() -> None:
    with pytest.raises(InvalidGGUF, match="became shorter"):
        Window("x", io.BytesIO(b"abc"), 10).take(5)


def test_nothing_is_read_past_a_headers_greatest_length() -> None:
    window = Window("x", io.BytesIO(b""), 1 << 40)
    window.skip(MAX_HEADER)
    with pytest.raises(InvalidGGUF, match="longer than 256 MiB"):
        window.skip(1)


def test_what_is_no_file_is_refused_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, cause in {
        "nothing": "no such file",
        ".": "not a regular file",
        "pipe": "not a regular file",
    }.items():
        with pytest.raises(InvalidGGUF, match=cause):
            gguf.read(tmp_path / name)


GOOD = build(
    {
        "general.architecture": "llama",
        "general.alignment": 32,
        "a": Typed(ARRAY, [1, 2, 3], I32),
        "b": Typed(ARRAY, ["x"] * 520),
        "c": 0.5,
    },
    [tensor("t", (32, 2), 8), tensor("u", (4,), 0, 96)],
    bytes(128),
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    wide=st.one_of(st.none(), st.tuples(st.integers(0, len(GOOD) - 8), st.integers(0, 2**64 - 1))),
    cut=st.integers(0, len(GOOD)),
    arrays=st.booleans(),
)
def test_no_mutation_of_a_file_raises_anything_else(read, edits, wide, cut, arrays) -> None:
    content = bytearray(GOOD)
    for place, byte in edits:
        # Most of the file is vocabulary: aim half of the edits at the beginning.
        content[place if byte % 2 else place % 200] = byte
    if wide:
        struct.pack_into("<Q", content, wide[0] if wide[1] % 2 else wide[0] % 200, wide[1])
    try:
        header = read(bytes(content[: len(GOOD) - cut // 8]), arrays)
    except InvalidGGUF:
        return
    assert header.file_size <= len(GOOD)
    assert header.parameter_count >= 0
    for convenience in (
        "head_counts",
        "head_counts_kv",
        "key_length",
        "value_length",
        "file_type",
        "fim_tokens",
    ):
        getattr(header, convenience)
