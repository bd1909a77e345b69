"""From a plan to a command line: pure functions, no process and no clock.

A Plan says everything that shapes a loaded engine, so two requests with equal plans share one. The
bundled engine takes its parameters as JSON, a llama-server takes flags; both listen on a socket inside
a private directory and speak the same HTTP. The child gets a short, chosen environment: no secrets,
no LLAMA_ARG_*, and a HOME of its own so that no configuration file of the user's reaches the engine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.errors import EngineLoadFailed

_HERE = Path(__file__).parent
_FLASH = {None: ("auto", "AUTO"), True: ("on", "ENABLED"), False: ("off", "DISABLED")}
_UNQUANTIZED = ("f32", "f16", "bf16")
_KV_TYPES = (*_UNQUANTIZED, "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")

#: What a child may inherit: loader paths, device choices, thread settings, locale. Never credentials.
_LOADER = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_INHERITED = (*_LOADER, "LANG", "LC_ALL", "TZ", "GPU_DEVICE_ORDINAL")
_INHERITED_PREFIXES = ("OMP_", "GOMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "HSA_", "VK_", "METAL_", "NVIDIA_")


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model wants of GPUs, in bytes: each layer with its part of the cache, the output layer, and
    what every GPU in use needs besides. `copied` is the part of the output that the machine's memory holds
    too. With `spread` it goes over all GPUs even where one would do."""

    layers: tuple[int, ...]
    output: int
    copied: int
    besides: int
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is to be loaded. `window` is the tokens one request may use, prompt and answer
    together; the engine's cache holds `slots` windows. `batch` is the tokens read in one step.

    `gpu_layers` counts from the output backwards, with the output as the first; -1 leaves it to whoever
    places the plan (`placement`), by its `demand`. `tensor_split` is the layers of each GPU.
    """

    weights: Path
    window: int
    slots: int = 1
    batch: int = 128
    threads: int = 0
    gpu_layers: int = -1
    main_gpu: int | None = None
    mmap: bool | None = None
    shift: bool = True
    embedding: bool = False
    pooling: str = ""
    flash_attention: bool | None = None
    kv_type: str = ""
    projectors: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    saves: Path | None = None  # a directory where slots may be saved
    tensor_split: tuple[int, ...] = ()
    demand: Demand | None = field(default=None, compare=False)  # follows from the rest

    @property
    def capacity(self) -> int:
        """Tokens the engine's cache holds in all."""
        return self.window * self.slots


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens: a unix socket, or a loopback port that wants `key`."""

    socket: Path | None = None
    port: int = 0
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """A command to start, its whole environment, and where it will listen."""

    engine: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)  # on a loopback port it holds the key
    endpoint: Endpoint


def endpoint(directory: Path, name: str, *, unix: bool = hasattr(socket, "AF_UNIX")) -> Endpoint:
    """A fresh place to listen inside `directory`, which only its owner may enter."""
    if unix:
        return Endpoint(socket=directory / f"{name}.sock")
    with socket.socket() as probe:  # the port may be taken before the engine binds it: loading then fails
        probe.bind(("127.0.0.1", 0))
        return Endpoint(port=probe.getsockname()[1], key=secrets.token_urlsafe(32))


def bundled(plan: Plan, place: Endpoint, environ: Mapping[str, str], site: Path | None = None) -> Launch:
    """The engine in a wheel, hosted by our own small child program.

    `site` is the directory that holds the package, when it is another than the one we came with.
    """
    if site is None:
        spec = importlib.util.find_spec("xllamacpp")
        if spec is None or spec.origin is None:
            raise EngineLoadFailed("the bundled engine (the Python package xllamacpp) is not installed")
        site = Path(spec.origin).parent.parent
    program = (
        sys.executable,
        "-I",
        "-S",  # or a package of this name that we came with would be found before the one in `site`
        str(_HERE / "bundled.py"),
        str(site),
        json.dumps(parameters(plan, place)),
    )
    return Launch("bundled", leashed(program), child_environ(environ, place), place)


def native(plan: Plan, place: Endpoint, environ: Mapping[str, str], binary: Path) -> Launch:
    """A llama-server built for this machine, or one the user named."""
    program = (str(binary), *arguments(plan, place))
    return Launch("native", leashed(program), child_environ(environ, place), place)


def leashed(program: tuple[str, ...]) -> tuple[str, ...]:
    """`program`, started so that it cannot outlive this process."""
    return (sys.executable, "-I", "-S", str(_HERE / "leash.py"), str(os.getpid()), "--", *program)


def child_environ(environ: Mapping[str, str], place: Endpoint) -> dict[str, str]:
    """The variables an engine may see."""
    # CUDA would number unequal cards by their speed; the driver's library, by whose report a model is
    # placed, numbers them by their place on the bus.
    kept = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} | inherited(environ)
    home = str(place.socket.parent) if place.socket else "/nonexistent"
    # An abort then leaves the failed assertion as the last line instead of a debugger's noise.
    kept |= {"HOME": home, "XDG_CONFIG_HOME": home, "GGML_NO_BACKTRACE": "1"}
    # Here and not among the arguments, which every user of the machine may read.
    return kept | {"LLAMA_API_KEY": place.key} if place.key else kept


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` that concerns loaders and devices. It holds no secret."""
    return {
        name: value
        for name, value in environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def parameters(plan: Plan, place: Endpoint) -> dict[str, Any]:
    """The plan in the words of xllamacpp's CommonParams.

    Dots in a name lead into nested objects; a pair is the type and the member of an enumeration.
    """
    given: dict[str, Any] = {
        "model.path": str(plan.weights),
        "hostnames": [str(place.socket) if place.socket else "127.0.0.1"],
        "n_ctx": plan.capacity,
        "n_parallel": plan.slots,
        "kv_unified": True,
        "kv_unified_per_slot": plan.window,
        "n_batch": plan.batch,
        "n_ubatch": plan.batch,
        "ctx_shift": plan.shift and not plan.embedding,
        "flash_attn_type": (
            "llama_flash_attn_type",
            f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[_flash(plan)][1]}",
        ),
        "n_gpu_layers": plan.gpu_layers,
        "embedding": plan.embedding,
        "endpoint_slots": True,
        "ui": False,
        "cors_origins": "",
        "fit_params": False,
        "cache_ram_mib": 0,
    }
    if place.socket is None:
        given["port"] = place.port
    if plan.threads > 0:
        given |= {"cpuparams.n_threads": plan.threads, "cpuparams_batch.n_threads": plan.threads}
    if (gpu := _only_gpu(plan)) is not None:
        given |= {"main_gpu": gpu, "split_mode": ("llama_split_mode", "LLAMA_SPLIT_MODE_NONE")}
    if plan.tensor_split:
        given["tensor_split"] = [float(layers) for layers in plan.tensor_split]
    if plan.mmap is not None:
        mode = "MMAP" if plan.mmap else "NONE"
        given["load_mode"] = ("llama_load_mode", f"LLAMA_LOAD_MODE_{mode}")
    if plan.pooling:
        given["pooling_type"] = ("llama_pooling_type", f"LLAMA_POOLING_TYPE_{plan.pooling.upper()}")
    if plan.kv_type:
        kind = ("ggml_type", f"GGML_TYPE_{_checked(plan.kv_type).upper()}")
        given |= {"cache_type_k": kind, "cache_type_v": kind}
    if plan.saves is not None:
        given["slot_save_path"] = f"{plan.saves}/"  # without the slash it becomes part of the file's name
    if plan.projectors:
        given |= {"mmproj.path": str(plan.projectors[0]), "mmproj_use_gpu": plan.gpu_layers != 0}
    if plan.adapters:
        given["lora_adapters"] = [str(adapter) for adapter in plan.adapters]
    return given


def arguments(plan: Plan, place: Endpoint) -> tuple[str, ...]:
    """The plan in llama-server's flags."""
    argv = ["--model", str(plan.weights), "--offline", "--no-webui", "--jinja"]
    if place.socket is not None:
        argv += ["--host", str(place.socket)]
    else:
        argv += ["--host", "127.0.0.1", "--port", str(place.port)]
    argv += ["--ctx-size", str(plan.capacity), "--parallel", str(plan.slots)]
    argv += ["--kv-unified", "--kv-unified-per-slot", str(plan.window)]
    argv += ["--batch-size", str(plan.batch), "--ubatch-size", str(plan.batch)]
    argv += ["--flash-attn", _FLASH[_flash(plan)][0], "--fit", "off", "--cache-ram", "0", "--slots"]
    if plan.shift and not plan.embedding:
        argv += ["--context-shift"]
    if plan.embedding:
        argv += ["--embedding"]
    if plan.pooling:
        argv += ["--pooling", plan.pooling]
    if plan.threads > 0:
        argv += ["--threads", str(plan.threads), "--threads-batch", str(plan.threads)]
    if plan.gpu_layers >= 0:
        argv += ["--n-gpu-layers", str(plan.gpu_layers)]
    if (gpu := _only_gpu(plan)) is not None:
        argv += ["--split-mode", "none", "--main-gpu", str(gpu)]
    if plan.tensor_split:
        argv += ["--tensor-split", ",".join(map(str, plan.tensor_split))]
    if plan.mmap is not None:
        argv += ["--load-mode", "mmap" if plan.mmap else "none"]
    if plan.kv_type:
        argv += ["--cache-type-k", _checked(plan.kv_type), "--cache-type-v", plan.kv_type]
    if plan.saves is not None:
        argv += ["--slot-save-path", str(plan.saves)]
    if plan.projectors:
        argv += ["--mmproj", str(plan.projectors[0])]
        argv += ["--no-mmproj-offload"] if plan.gpu_layers == 0 else []
    for adapter in plan.adapters:
        argv += ["--lora", str(adapter)]
    return tuple(argv)


def _checked(kv_type: str) -> str:
    if kv_type not in _KV_TYPES:
        raise EngineLoadFailed(f"OLLAMA_KV_CACHE_TYPE is {kv_type!r}; it can be {', '.join(_KV_TYPES)}")
    return kv_type


def _flash(plan: Plan) -> bool | None:
    """Whether flash attention is on, off, or the engine's choice. Only it can read quantized values, so a
    quantized cache turns it on."""
    if not plan.kv_type or _checked(plan.kv_type) in _UNQUANTIZED:
        return plan.flash_attention
    if plan.flash_attention is False:
        raise EngineLoadFailed(
            f"OLLAMA_KV_CACHE_TYPE={plan.kv_type} needs flash attention, which OLLAMA_FLASH_ATTENTION turns "
            f"off; leave the second out, or set the first to one of {', '.join(_UNQUANTIZED)}"
        )
    return True


def _only_gpu(plan: Plan) -> int | None:
    """The one GPU that the engine may use, -1 for none, None for all.

    Without layers a GPU would still be given the large products of a prompt, and memory for them.
    """
    return -1 if plan.gpu_layers == 0 else plan.main_gpu
