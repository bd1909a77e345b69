"""The library: what lists and details say, and the sentences of refusals."""

import json
from pathlib import Path

import msgspec
import pytest

import ggufs
from paddock.errors import (
    BadRequest,
    BuiltinModel,
    CloudDisabled,
    InvalidGGUF,
    InvalidName,
    ModelNotFound,
    PaddockError,
)
from paddock.formats import gguf
from paddock.formats.modelfile import go_literal, quoted
from paddock.messages import Message
from paddock.service.capabilities import capabilities
from paddock.service.library import Library, parameter_size
from paddock.store.builtin import box as packaged_box
from paddock.store.manifests import Config
from paddock.store.models import ModelStore
from stores import Shelf

CONFIG: dict[str, object] = {
    "model_format": "gguf",
    "model_family": "llama",
    "model_families": ["llama"],
    "model_type": "1.2B",
    "file_type": "Q4_K_M",
}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


@pytest.fixture
def library(shelf: Shelf) -> Library:
    return Library(ModelStore(shelf.root))


def refusal(kind: type[PaddockError], call, *arguments: str) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments)
    return str(caught.value)


# ── tags ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_listed_model_tells_its_make_and_abilities(shelf: Shelf, library: Library) -> None:
    shelf.add("me/x", ("model", ggufs.model()), config=CONFIG)
    (listed,) = library.tags()
    assert listed.name == listed.model == "me/x:latest"
    assert len(listed.digest) == 64
    assert msgspec.to_builtins(listed.details) == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ("llama",),
        "parameter_size": "1.2B",
        "quantization_level": "Q4_K_M",
        "context_length": 2048,
        "embedding_length": 64,
    }
    assert listed.capabilities == ("completion",)


def test_weights_speak_where_the_config_is_silent(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model()), config={"os": "linux"})
    details = library.tags()[0].details
    assert (details.format, details.family, details.families) == ("gguf", "llama", None)
    assert (details.parameter_size, details.quantization_level) == ("288", "Q4_K_M")


def test_the_config_has_the_last_word_on_lengths(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model()), config={"context_length": 7, "embedding_length": 8})
    details = library.tags()[0].details
    assert (details.context_length, details.embedding_length) == (7, 8)


def test_damaged_weights_do_not_take_the_list_down(
    shelf: Shelf, library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.add("good", ("model", ggufs.model()), age=1)
    shelf.add("bad", ("model", b"GGUF, but not really, only a few words"), config=CONFIG)
    bad, good = library.tags()
    assert (bad.name, bad.capabilities, bad.details.parameter_size) == ("bad:latest", (), "1.2B")
    assert good.capabilities == ("completion",)
    assert "bad:latest" in caplog.text
    with pytest.raises(InvalidGGUF):
        library.show("bad")


def test_a_cloud_stub_is_listed_with_its_remote(shelf: Shelf, library: Library) -> None:
    shelf.add("x:cloud", config={"remote_host": "https://ollama.com", "remote_model": "x"})
    (listed,) = library.tags()
    assert (listed.remote_host, listed.remote_model) == ("https://ollama.com", "x")


def test_many_models_are_listed_without_reading_their_weights_again(shelf: Shelf, library: Library) -> None:
    path = shelf.add("x", ("model", ggufs.model()), config=CONFIG)
    first = library.tags()
    weights = shelf.root / "blobs" / json.loads(path.read_text())["layers"][0]["digest"].replace(":", "-")
    weights.write_bytes(b"")
    assert library.tags() == first


def test_a_copy_says_exactly_what_its_original_says(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model()), config=CONFIG)
    library.copy("x", "y:1")
    copy, original = library.tags()
    assert (copy.name, original.name) == ("y:1", "x:latest")
    assert (copy.digest, copy.details, copy.capabilities) == (
        original.digest,
        original.details,
        original.capabilities,
    )


# ── show ──────────────────────────────────────────────────────────────────────────────────────────


def test_everything_about_a_model_is_shown(shelf: Shelf, library: Library) -> None:
    shelf.add(
        "x",
        ("model", ggufs.model(tokenizer__chat_template="{{ messages }}")),
        ("template", "{{ .System }} {{ .Prompt }}"),
        ("system", "Be brief."),
        ("license", "One."),
        ("license", "Two."),
        ("params", '{"num_ctx": 1048576, "stop": ["<|a|>", "b\\n"], "temperature": 0.7}'),
        ("messages", '[{"role": "user", "content": "hi"}]'),
        config={**CONFIG, "requires": "0.14.0"},
    )
    shown = library.show("X")
    assert shown.license == "One.\nTwo."
    assert shown.template == "{{ .System }} {{ .Prompt }}"
    assert shown.system == "Be brief."
    assert shown.parameters.splitlines() == [
        "num_ctx                        1.048576e+06",
        'stop                           "<|a|>"',
        'stop                           "b\\n"',
        "temperature                    0.7",
    ]
    assert shown.messages == (Message("user", "hi"),)
    assert (shown.details.context_length, shown.details.embedding_length) == (0, 0)
    assert shown.details.family == "llama"
    assert shown.capabilities == library.tags()[0].capabilities
    assert shown.modified_at == library.tags()[0].modified_at
    assert shown.requires == "0.14.0"
    assert shown.projector_info is None


def test_model_info_is_the_metadata_with_a_few_differences(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model(tokenizer__chat_template="{{ x }}", llama__layers=[1, 2])))
    info = library.show("x").model_info
    assert info["general.parameter_count"] == 288
    assert info["llama.context_length"] == 2048
    assert info["llama.attention.layer_norm_rms_epsilon"] == 1e-5
    assert info["tokenizer.ggml.tokens"] is None
    assert info["llama.layers"] is None
    assert "general.name" not in info
    assert "tokenizer.chat_template" not in info
    whole = library.show("x", verbose=True).model_info
    assert whole["tokenizer.ggml.tokens"] == tuple(f"token {i}" for i in range(600))
    assert whole["llama.layers"] == (1, 2)
    assert msgspec.json.encode(whole)


def test_tensors_are_shown_always(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model()))
    first, _ = library.show("x").tensors
    assert (first.name, first.type, first.shape) == ("token_embd.weight", "F32", (64, 4))


def test_the_first_projector_is_shown(shelf: Shelf, library: Library) -> None:
    projector = ggufs.build(
        {"general.architecture": "clip", "clip.has_audio_encoder": True, "clip.mean": [0.5]}
    )
    shelf.add("x", ("model", ggufs.model()), ("projector", projector))
    shown = library.show("x")
    assert shown.projector_info == {
        "general.architecture": "clip",
        "clip.has_audio_encoder": True,
        "clip.mean": None,
        "general.parameter_count": 0,
    }
    assert shown.capabilities == ("completion", "vision", "audio")


@pytest.mark.parametrize(("jinja", "shown"), [("{{ messages }}", "{{ messages }}"), ("", "{{ .Prompt }}")])
def test_without_a_go_template_the_jinja_one_is_shown(
    shelf: Shelf, library: Library, jinja: str, shown: str
) -> None:
    shelf.add("x", ("model", ggufs.model(tokenizer__chat_template=jinja)))
    assert library.show("x").template == shown


def test_system_and_options_are_laid_over_the_models_own(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("model", ggufs.model()), ("system", "own"), ("params", '{"top_k": 1, "seed": 2}'))
    shown = library.show("x", system="mine", options={"seed": 3, "stop": ["a"]})
    assert shown.system == "mine"
    assert [line.split() for line in shown.parameters.splitlines()] == [
        ["top_k", "1"],
        ["seed", "3"],
        ["stop", '"a"'],
    ]
    assert "SYSTEM mine" in shown.modelfile
    assert library.show("x").system == "own"


def test_the_modelfile_would_build_the_model_again(shelf: Shelf, library: Library) -> None:
    path = shelf.add(
        "x",
        ("model", ggufs.model()),
        ("adapter", b"lora"),
        ("projector", ggufs.build()),
        ("template", "{{ .Prompt }}"),
        ("system", 'Say "yes".\nOr not.'),
        ("license", "free\nfor all"),
        ("params", '{"stop": [" a", "b"], "num_ctx": 1048576, "penalize": true}'),
        ("messages", '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a\\nb"}]'),
        config={**CONFIG, "renderer": "r", "parser": "p"},
    )
    layers = json.loads(path.read_text())["layers"]
    blobs = [str(shelf.root / "blobs" / layer["digest"].replace(":", "-")) for layer in layers]
    text = library.show("x").modelfile
    comments, _, body = text.partition("\n\n")
    assert all(line.startswith("#") for line in comments.splitlines())
    assert "# FROM x:latest" in comments
    assert body == (
        f"FROM {blobs[0]}\nADAPTER {blobs[1]}\nFROM {blobs[2]}\n"
        "TEMPLATE {{ .Prompt }}\n"
        'SYSTEM """Say "yes".\nOr not."""\n'
        "RENDERER r\nPARSER p\n"
        'PARAMETER stop " a"\nPARAMETER stop b\nPARAMETER num_ctx 1048576\nPARAMETER penalize true\n'
        'LICENSE "free\nfor all"\n'
        'MESSAGE user hi\nMESSAGE assistant "a\nb"\n'
    )


def test_the_parent_is_the_model_the_weights_were_taken_from(shelf: Shelf, library: Library) -> None:
    path = shelf.add("x", ("model", ggufs.model()))
    manifest = json.loads(path.read_text())
    manifest["layers"][0]["from"] = "base:latest"
    path.write_text(json.dumps(manifest))
    assert library.show("x").details.parent_model == "base:latest"
    assert library.tags()[0].details.parent_model == ""


def test_a_model_of_safetensors_is_shown_without_metadata(shelf: Shelf, library: Library) -> None:
    shelf.add("x", ("tensor", b"t"), config={"model_format": "safetensors", "capabilities": ["completion"]})
    shown = library.show("x")
    assert (shown.model_info, shown.tensors, shown.capabilities) == ({}, (), ("completion",))
    assert "FROM x:latest" in shown.modelfile


def test_the_model_in_the_box_is_shown() -> None:
    place = packaged_box()
    if place is None:
        pytest.skip("this checkout carries no models")
    library = Library(ModelStore(place.parent / "nowhere", place))
    shown = library.show("tiny")
    assert library.tags()[0].name == "tiny:latest"
    assert {"completion", "insert"} <= set(shown.capabilities)
    assert shown.model_info["general.architecture"] == "llama"
    assert "MIT" in shown.license


# ── capabilities ──────────────────────────────────────────────────────────────────────────────────


def able(
    tmp_path: Path, template: str | None = None, config: Config | None = None, **metadata: object
) -> str:
    path = tmp_path / "x.gguf"
    path.write_bytes(ggufs.model(**metadata))
    return " ".join(capabilities(config or Config(), gguf.read(path), template))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "completion"),
        ({"llama__pooling_type": 1}, "embedding"),
        ({"llama__vision__block_count": 3}, "completion vision"),
        ({"llama__audio__block_count": 3}, "completion audio"),
        ({"tokenizer__chat_template": "<think> </think>"}, "completion thinking"),
        ({"tokenizer__chat_template": "{% if enable_thinking %}<think>"}, "completion thinking"),
        ({"tokenizer__chat_template": "content.split('</think>')[-1]"}, "completion thinking"),
        ({"tokenizer__chat_template": "enable_thinking"}, "completion"),
        ({"tokenizer__chat_template": "{% if tools %}<tool_call>"}, "completion tools"),
        (
            {"tokenizer__chat_template": "{% if tools %}[TOOL_CALLS] [THINK] [/THINK]"},
            "completion tools thinking",
        ),
        (
            {"tokenizer__chat_template": "x", "tokenizer__chat_template__tool_use": "{{ tools }}<tool_call>"},
            "completion tools",
        ),
        ({"general__architecture": "gptoss"}, "completion thinking"),
        ({f"tokenizer__ggml__fim_{part}_token_id": 1 for part in ("pre", "suf", "mid")}, "completion insert"),
        ({f"tokenizer__ggml__fim_{part}_token_id": 1 for part in ("pre", "suf")}, "completion"),
    ],
)
def test_weights_tell_what_a_model_can_do(tmp_path: Path, metadata: dict[str, object], expected: str) -> None:
    assert able(tmp_path, **metadata) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Prompt }}", "completion"),
        ("{{ .Prompt }}{{ .Suffix }}", "completion insert"),
        ("{{ range .Messages }}<t>{{ .Thinking }}</t>{{ end }}", "completion thinking"),
        ("{{ .Tools }}", "completion tools"),
        ("say .Suffix aloud {{ .Prompt }}", "completion"),
        ("{{ .SuffixLength }}", "completion"),
    ],
)
def test_a_go_template_tells_what_a_model_can_do(tmp_path: Path, template: str, expected: str) -> None:
    assert able(tmp_path, template) == expected


def test_what_the_config_declares_counts(tmp_path: Path) -> None:
    config = Config(capabilities=["image", "vision", "tools"], model_family="gpt-oss")
    assert able(tmp_path, None, config) == "completion vision thinking image"


def test_a_parser_in_the_config_tells_how_calls_are_written(tmp_path: Path) -> None:
    config = Config(parser="qwen3-coder")
    assert able(tmp_path, None, config, tokenizer__chat_template="{% if tools %}") == "completion tools"


def test_the_engine_reads_calls_in_a_form_that_is_not_known(tmp_path: Path) -> None:
    template = "{% if tools %}in some other way"
    assert able(tmp_path, tokenizer__chat_template=template) == "completion tools"
    config = Config(parser="passthrough")
    assert able(tmp_path, None, config, tokenizer__chat_template=template) == "completion"


def test_sound_half_of_gemma3n_is_not_announced(shelf: Shelf, library: Library) -> None:
    projector = ggufs.build({"clip.has_audio_encoder": True, "clip.projector_type": "gemma3nv"})
    shelf.add("x", ("model", ggufs.model()), ("projector", projector))
    assert library.tags()[0].capabilities == ("completion", "vision")


# ── sentences ─────────────────────────────────────────────────────────────────────────────────────


def test_show_refuses_in_ollamas_words(shelf: Shelf, library: Library) -> None:
    assert refusal(BadRequest, library.show, "") == "model is required"
    assert refusal(InvalidName, library.show, "a b") == "invalid model name"
    assert refusal(ModelNotFound, library.show, "x") == "model 'x:latest' not found"
    assert refusal(ModelNotFound, library.show, "x:local") == "model 'x:latest' not found"
    cloud = "ollama cloud is disabled: remote model details are unavailable"
    assert refusal(CloudDisabled, library.show, "x:cloud") == cloud
    assert refusal(CloudDisabled, library.show, "x:20b-cloud") == cloud
    both = 'use either :local or :cloud, not both: "x:local:cloud"'
    assert refusal(BadRequest, library.show, "x:local:cloud") == both
    shelf.add("stub", config={"remote_host": "https://ollama.com", "remote_model": "stub"})
    assert refusal(CloudDisabled, library.show, "stub") == cloud
    assert refusal(ModelNotFound, library.show, "stub:local") == "model 'stub:latest' not found"


def test_copy_refuses_in_ollamas_words(shelf: Shelf, library: Library) -> None:
    assert refusal(InvalidName, library.copy, "a b", "y") == 'source "a b" is invalid'
    assert refusal(InvalidName, library.copy, "", "y") == 'source "" is invalid'
    assert refusal(InvalidName, library.copy, "x", "../y") == 'destination "../y" is invalid'
    assert refusal(InvalidName, library.copy, "x:cloud:cloud", "y") == 'source "x:cloud:cloud" is invalid'
    assert refusal(ModelNotFound, library.copy, "x", "y") == 'model "x" not found'
    sentence = "ollama cloud is disabled: remote model is unavailable"
    assert refusal(CloudDisabled, library.copy, "x:cloud", "y") == sentence


def test_delete_refuses_in_ollamas_words(shelf: Shelf, library: Library) -> None:
    assert refusal(BadRequest, library.delete, "") == "model is required"
    assert refusal(InvalidName, library.delete, "a b") == 'name "a b" is invalid'
    assert refusal(ModelNotFound, library.delete, "x") == "model 'x' not found"
    assert refusal(ModelNotFound, library.delete, "x:cloud") == "model 'x:cloud' not found"
    shelf.add("tiny", ("model", ggufs.model()))
    boxed = Library(ModelStore(shelf.root / "nowhere", shelf.root))
    assert (
        refusal(BuiltinModel, boxed.delete, "tiny")
        == "model 'tiny:latest' comes with Paddock and cannot be deleted"
    )


def test_a_cloud_stub_can_be_deleted_by_its_own_name(shelf: Shelf, library: Library) -> None:
    for name in ("x:cloud", "x:20b-cloud", "x"):
        shelf.add(name, config={"remote_host": "https://ollama.com", "remote_model": "x"})
    library.delete("x:cloud")
    library.delete("x:20b-cloud")
    assert [listed.name for listed in library.tags()] == ["x:latest"]
    library.delete("x:local")
    assert library.tags() == ()


# ── figures ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (8_030_261_248, "8.0B"), (8_000_000_000, "8B"), (70_553_706_496, "70.6B"), (136_730_000, "136.73M"),
        (137_000_000, "137M"), (10_400, "10K"), (999, "999"), (0, "0"),
    ],
)  # fmt: skip
def test_parameter_counts_are_short(count: int, text: str) -> None:
    assert parameter_size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (42, "42"), (-1, "-1"), (100000, "100000"), (1e6, "1e+06"), (1048576, "1.048576e+06"),
        (0.7, "0.7"), (0.0001, "0.0001"), (0.00001, "1e-05"), (-1.5e-7, "-1.5e-07"), (1e21, "1e+21"),
        (123456.789, "123456.789"), (1e100, "1e+100"), (True, "true"), (None, "<nil>"),
        ("a", '"a"'), ('"\\\n\t\a', '"\\"\\\\\\n\\t\\a"'), ("é\x01\u200b", '"é\\x01\\u200b"'),
    ],
)  # fmt: skip
def test_values_are_written_as_go_writes_them(value: object, text: str) -> None:
    assert go_literal(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        (" a", '" a"'),
        ("a\t", '"a\t"'),
        ("a\nb", '"a\nb"'),
        ('"a', '""""a"""'),
        ('say "a"', 'say "a"'),
    ],
)
def test_values_are_quoted_only_where_they_must_be(value: str, text: str) -> None:
    assert quoted(value) == text
