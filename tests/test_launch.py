"""From a plan to a command line: both engines are told the same, and the child learns no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
import xllamacpp

from paddock.engines import bundled
from paddock.engines.launch import (
    Endpoint,
    Plan,
    arguments,
    child_environ,
    endpoint,
    inherited,
    leashed,
    native,
    parameters,
)
from paddock.engines.launch import bundled as launch_bundled
from paddock.errors import EngineLoadFailed

SOCKET = Endpoint(socket=Path("/s/engine.sock"))
PORT = Endpoint(port=4321, key="sesame-open")
PLAIN = Plan(Path("/w/model.gguf"), window=512)
FULL = Plan(
    weights=Path("/w/model.gguf"),
    window=512,
    slots=3,
    batch=64,
    threads=5,
    gpu_layers=7,
    main_gpu=1,
    tensor_split=(3, 4),
    mmap=False,
    shift=True,
    pooling="mean",
    flash_attention=True,
    kv_type="q8_0",
    projectors=(Path("/w/eye.gguf"),),
    adapters=(Path("/w/one.gguf"), Path("/w/two.gguf")),
)
KV_TYPES = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


def flags(argv: tuple[str, ...]) -> dict[str, list[str]]:
    """llama-server's flags with their values; a switch has none."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in argv:
        if word.startswith("--"):
            name = word
            found.setdefault(name, [])
        else:
            found[name].append(word)
    return found


def set_on_engine(plan: Plan, place: Endpoint) -> xllamacpp.CommonParams:
    """The plan as the child sets it on the library's own object, JSON in between."""
    params = xllamacpp.CommonParams()
    given = json.loads(json.dumps(parameters(plan, place)))
    given.pop("lora_adapters", None)
    split = given.pop("tensor_split", [])
    params.tensor_split = split + [0.0] * (len(params.tensor_split) - len(split))
    for path, value in given.items():
        bundled._assign(xllamacpp, params, path, value)
    return params


# ── the same plan in two languages ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "name", "value", "flag", "words"),
    [
        ({}, "n_ctx", 1536, "--ctx-size", ["1536"]),
        ({"slots": 5}, "n_ctx", 2560, "--ctx-size", ["2560"]),
        ({}, "n_parallel", 3, "--parallel", ["3"]),
        ({}, "kv_unified_per_slot", 512, "--kv-unified-per-slot", ["512"]),
        ({}, "kv_unified", True, "--kv-unified", []),
        ({}, "n_batch", 64, "--batch-size", ["64"]),
        ({}, "n_ubatch", 64, "--ubatch-size", ["64"]),
        ({}, "cpuparams.n_threads", 5, "--threads", ["5"]),
        ({}, "cpuparams_batch.n_threads", 5, "--threads-batch", ["5"]),
        ({}, "n_gpu_layers", 7, "--n-gpu-layers", ["7"]),
        ({}, "main_gpu", 1, "--main-gpu", ["1"]),
        ({}, "split_mode", ("llama_split_mode", "LLAMA_SPLIT_MODE_NONE"), "--split-mode", ["none"]),
        ({"main_gpu": None}, "tensor_split", [3.0, 4.0], "--tensor-split", ["3,4"]),
        ({"gpu_layers": 0}, "main_gpu", -1, "--main-gpu", ["-1"]),
        ({"gpu_layers": 0, "main_gpu": None}, "main_gpu", -1, "--main-gpu", ["-1"]),
        ({}, "load_mode", ("llama_load_mode", "LLAMA_LOAD_MODE_NONE"), "--load-mode", ["none"]),
        ({"mmap": True}, "load_mode", ("llama_load_mode", "LLAMA_LOAD_MODE_MMAP"), "--load-mode", ["mmap"]),
        ({}, "ctx_shift", True, "--context-shift", []),
        ({}, "pooling_type", ("llama_pooling_type", "LLAMA_POOLING_TYPE_MEAN"), "--pooling", ["mean"]),
        ({}, "cache_type_k", ("ggml_type", "GGML_TYPE_Q8_0"), "--cache-type-k", ["q8_0"]),
        ({}, "cache_type_v", ("ggml_type", "GGML_TYPE_Q8_0"), "--cache-type-v", ["q8_0"]),
        ({}, "mmproj.path", "/w/eye.gguf", "--mmproj", ["/w/eye.gguf"]),
        ({}, "lora_adapters", ["/w/one.gguf", "/w/two.gguf"], "--lora", ["/w/one.gguf", "/w/two.gguf"]),
        ({}, "model.path", "/w/model.gguf", "--model", ["/w/model.gguf"]),
        ({}, "fit_params", False, "--fit", ["off"]),
        ({}, "cache_ram_mib", 0, "--cache-ram", ["0"]),
        ({}, "endpoint_slots", True, "--slots", []),
        ({}, "ui", False, "--no-webui", []),
        ({"embedding": True}, "embedding", True, "--embedding", []),
    ],
)  # fmt: skip
def test_both_engines_are_told_the_same(
    change: dict[str, object], name: str, value: object, flag: str, words: list[str]
) -> None:
    plan = replace(FULL, **change)  # type: ignore[arg-type]
    assert parameters(plan, SOCKET)[name] == value
    assert flags(arguments(plan, SOCKET))[flag] == words


@pytest.mark.parametrize(
    ("flash", "member", "word"),
    [(None, "AUTO", "auto"), (True, "ENABLED", "on"), (False, "DISABLED", "off")],
)
def test_flash_attention_is_on_off_or_the_engines_own_choice(
    flash: bool | None, member: str, word: str
) -> None:
    plan = replace(PLAIN, flash_attention=flash)
    told = parameters(plan, SOCKET)["flash_attn_type"]
    assert told == ("llama_flash_attn_type", f"LLAMA_FLASH_ATTN_TYPE_{member}")
    assert flags(arguments(plan, SOCKET))["--flash-attn"] == [word]


@pytest.mark.parametrize("kind", ["q8_0", "q5_1", "q5_0", "q4_1", "q4_0"])
def test_a_quantized_cache_turns_flash_attention_on(kind: str) -> None:
    plan = replace(PLAIN, kv_type=kind)
    assert parameters(plan, SOCKET)["flash_attn_type"][1] == "LLAMA_FLASH_ATTN_TYPE_ENABLED"
    assert flags(arguments(plan, SOCKET))["--flash-attn"] == ["on"]


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_a_quantized_cache_without_flash_attention_is_refused_with_both_settings(kind: str) -> None:
    plan = replace(PLAIN, kv_type=kind, flash_attention=False)
    for tell in (parameters, arguments):
        with pytest.raises(
            EngineLoadFailed, match=f"^OLLAMA_KV_CACHE_TYPE={kind} .* OLLAMA_FLASH_ATTENTION "
        ):
            tell(plan, SOCKET)


@pytest.mark.parametrize("kind", ["", "f32", "f16", "bf16"])
@pytest.mark.parametrize("flash", [True, False, None])
def test_any_other_cache_leaves_flash_attention_as_it_was_asked(kind: str, flash: bool | None) -> None:
    asked = replace(PLAIN, kv_type=kind, flash_attention=flash)
    told = parameters(asked, SOCKET)["flash_attn_type"]
    assert told == parameters(replace(asked, kv_type=""), SOCKET)["flash_attn_type"]


def test_a_model_that_is_to_stay_off_gpus_keeps_its_projector_off_too() -> None:
    for layers, used in ((0, False), (1, True), (-1, True)):
        plan = replace(FULL, gpu_layers=layers)
        assert parameters(plan, SOCKET)["mmproj_use_gpu"] is used
        assert ("--no-mmproj-offload" not in arguments(plan, SOCKET)) is used


@pytest.mark.parametrize("change", [{"shift": False}, {"shift": True, "embedding": True}])
def test_nothing_is_shifted_where_that_is_forbidden_or_where_texts_are_embedded(
    change: dict[str, bool],
) -> None:
    plan = replace(PLAIN, **change)  # type: ignore[arg-type]
    assert parameters(plan, SOCKET)["ctx_shift"] is False
    assert "--context-shift" not in arguments(plan, SOCKET)


def test_what_a_plan_leaves_open_is_not_said() -> None:
    told = parameters(PLAIN, SOCKET)
    for name in (
        "cpuparams.n_threads",
        "main_gpu",
        "tensor_split",
        "load_mode",
        "pooling_type",
        "cache_type_k",
        "mmproj.path",
    ):
        assert name not in told
    assert told["n_gpu_layers"] == -1
    said = flags(arguments(PLAIN, SOCKET))
    for flag in ("--threads", "--n-gpu-layers", "--main-gpu", "--load-mode", "--pooling", "--cache-type-k"):
        assert flag not in said
    assert not {"--mmproj", "--lora", "--embedding"} & set(said)


def test_every_field_of_a_plan_changes_what_both_engines_are_told() -> None:
    """Two plans that differ but say the same would keep a runner loaded with the wrong options."""
    others = {
        "weights": Path("/w/other.gguf"), "window": 256, "slots": 2, "batch": 32, "threads": 4,
        "gpu_layers": 0, "main_gpu": 0, "mmap": True, "shift": False, "embedding": True, "pooling": "cls",
        "flash_attention": False, "kv_type": "q4_0", "projectors": (), "adapters": (Path("/w/two.gguf"),),
        "saves": Path("/saved"), "tensor_split": (1, 6),
    }  # fmt: skip
    full = replace(FULL, kv_type="bf16")
    assert set(others) == {field.name for field in fields(Plan) if field.compare}
    for name, value in others.items():
        changed = replace(full, **{name: value})  # type: ignore[arg-type]
        assert parameters(changed, SOCKET) != parameters(full, SOCKET), name
        assert arguments(changed, SOCKET) != arguments(full, SOCKET), name


@pytest.mark.parametrize("kind", [*KV_TYPES, ""])
def test_a_cache_may_have_these_types(kind: str) -> None:
    plan = replace(PLAIN, kv_type=kind)
    assert flags(arguments(plan, SOCKET)).get("--cache-type-k", [""]) == [kind]
    set_on_engine(plan, SOCKET)


@pytest.mark.parametrize("kind", ["q9_0", "Q8_0", "--evil"])
def test_a_wrong_type_of_cache_is_refused_with_the_variable_that_said_it(kind: str) -> None:
    plan = replace(PLAIN, kv_type=kind)
    for tell in (parameters, arguments):
        with pytest.raises(EngineLoadFailed, match=f"^OLLAMA_KV_CACHE_TYPE is '{kind}'; it can be f32, f16"):
            tell(plan, SOCKET)


# ── the library really has what we name ───────────────────────────────────────────────────────────


def test_every_parameter_and_enumeration_exists_in_the_library() -> None:
    params = set_on_engine(replace(FULL, embedding=True), PORT)
    assert params.n_ctx == 1536
    assert params.cpuparams.n_threads == 5
    assert params.model.path == "/w/model.gguf"
    assert params.mmproj.path == "/w/eye.gguf"
    assert list(params.hostnames) == ["127.0.0.1"]
    assert params.port == 4321
    assert params.cache_type_k == xllamacpp.ggml_type.GGML_TYPE_Q8_0
    assert params.flash_attn_type == xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    assert params.embedding is True
    adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in FULL.adapters]
    params.lora_adapters = adapters
    assert [each.path for each in params.lora_adapters] == [str(path) for path in FULL.adapters]


@pytest.mark.parametrize("pooling", ["none", "mean", "cls", "last", "rank"])
@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("flash", [True, False, None])
def test_every_choice_of_a_plan_exists_in_the_library(pooling: str, mmap: bool, flash: bool | None) -> None:
    plan = replace(FULL, pooling=pooling, mmap=mmap, flash_attention=flash, kv_type="f16")
    set_on_engine(plan, SOCKET)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("n_context", 1),
        ("model.file", "x"),
        ("nothing.n_threads", 1),
        ("split_mode", ["llama_split_mode", "LLAMA_SPLIT_MODE_SOMEHOW"]),
        ("split_mode", ["llama_split_modes", "LLAMA_SPLIT_MODE_NONE"]),
    ],
)
def test_a_name_that_the_library_lacks_fails_loudly(path: str, value: object) -> None:
    with pytest.raises((AttributeError, KeyError)):
        bundled._assign(xllamacpp, xllamacpp.CommonParams(), path, value)


# ── where an engine listens ───────────────────────────────────────────────────────────────────────


def test_an_engine_listens_on_a_socket_in_the_private_directory(tmp_path: Path) -> None:
    place = endpoint(tmp_path, "engine1", unix=True)
    assert place == Endpoint(socket=tmp_path / "engine1.sock")
    said = flags(arguments(PLAIN, place))
    assert said["--host"] == [str(place.socket)]
    assert not {"--port", "--api-key"} & set(said)
    assert parameters(PLAIN, place)["hostnames"] == [str(place.socket)]


def test_without_unix_sockets_it_listens_on_loopback_behind_a_key(tmp_path: Path) -> None:
    place, other = (endpoint(tmp_path, "engine1", unix=False) for _ in range(2))
    assert place.socket is None
    assert place.port > 0
    assert len(place.key) >= 32
    assert place.key != other.key
    said = flags(arguments(PLAIN, place))
    assert (said["--host"], said["--port"]) == (["127.0.0.1"], [str(place.port)])
    told = parameters(PLAIN, place)
    assert (told["hostnames"], told["port"]) == (["127.0.0.1"], place.port)


@pytest.mark.parametrize("engine", ["native", "bundled"])
def test_the_key_never_shows(engine: str) -> None:
    environ = {"PATH": "/bin"}
    launch = (
        native(PLAIN, PORT, environ, Path("/bin/llama-server"))
        if engine == "native"
        else launch_bundled(PLAIN, PORT, environ)
    )
    assert launch.environ["LLAMA_API_KEY"] == PORT.key  # the engine itself must know it
    assert not any(PORT.key in word for word in launch.argv)  # which every user of the machine can read
    for shown in (repr(PORT), str(PORT), repr(launch), f"{launch}"):
        assert PORT.key not in shown


def test_both_engines_run_on_the_leash() -> None:
    by_flags = native(PLAIN, SOCKET, {}, Path("/bin/llama-server"))
    assert by_flags.argv == leashed(("/bin/llama-server", *arguments(PLAIN, SOCKET)))
    by_json = launch_bundled(PLAIN, SOCKET, {})
    assert by_json.argv[: len(leashed(()))] == leashed(())
    assert Path(leashed(())[3]).name == "leash.py"
    assert json.loads(by_json.argv[-1])["model.path"] == "/w/model.gguf"
    site = Path(by_json.argv[-2])
    assert (site / "xllamacpp").is_dir()
    assert (by_flags.engine, by_json.engine) == ("native", "bundled")


# ── what the child may see ────────────────────────────────────────────────────────────────────────


def seen(environ: Mapping[str, str], place: Endpoint = SOCKET) -> dict[str, str]:
    return child_environ(environ, place)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "OLLAMA_API_KEY", "LOGNAME",
        "PADDOCK_HOME", "LLAMA_ARG_HOST", "LLAMA_ARG_MODEL", "LLAMA_API_KEY", "LLAMA_LOG_FILE", "LLAMA_CACHE",
        "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
        "ALL_PROXY", "LD_PRELOAD", "USER", "XDG_CACHE_HOME", "path", "CUDA", "MY_CUDA_VISIBLE_DEVICES",
    ],
)  # fmt: skip
def test_a_child_does_not_see(name: str) -> None:
    assert name not in seen({name: "secret"})
    assert "secret" not in seen({name: "secret"}).values()


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION",
        "GGML_VK_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    ],
)  # fmt: skip
def test_a_child_sees(name: str) -> None:
    assert seen({name: "this"})[name] == "this"


def test_a_child_has_a_home_of_its_own() -> None:
    user = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/home/me/.config", "GGML_NO_BACKTRACE": "0"}
    ours = {"HOME": "/s", "XDG_CONFIG_HOME": "/s", "GGML_NO_BACKTRACE": "1"}
    assert seen(user) == ours | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert seen(user, PORT)["HOME"] == "/nonexistent"


def test_cards_are_numbered_by_their_place_unless_the_user_says_otherwise() -> None:
    assert seen({})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert seen({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


def test_what_a_driver_is_asked_with_holds_no_secret() -> None:
    user = {"HF_TOKEN": "secret", "HOME": "/home/me", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"}
    assert inherited(user) == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"}
