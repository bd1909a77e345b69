"""The `options` object: what it may hold, its defaults, and how layers of it are merged.

Defaults are overridden by the model's own parameters, those by the request's. Options that shape a
loaded engine (LoadOptions) are kept apart from those that belong to one request (Sampling), because
changing one of the first means loading the model anew. Names, types and defaults are Ollama's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from paddock.errors import BadOption


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What an engine is started with. None and negative numbers mean: decide by yourself."""

    num_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int = -1
    main_gpu: int | None = None
    use_mmap: bool | None = None
    num_thread: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one request picks its tokens and when it ends. Counts are tokens."""

    num_keep: int = 4
    seed: int = -1
    num_predict: int = -1
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_last_n: int = 64
    temperature: float = 0.8
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """All options of one request, merged; `unknown` are names nobody knows, for the log."""

    load: LoadOptions
    sampling: Sampling
    unknown: tuple[str, ...] = ()


_LIMIT = 1 << 63
_LOAD = {f.name: str(f.type) for f in fields(LoadOptions)}
_SAMPLING = {f.name: str(f.type) for f in fields(Sampling)}


def merge(*layers: Mapping[str, Any]) -> Options:
    """Merge option objects, later ones over earlier ones; a null keeps what was there.

    Raises BadOption where a value has the wrong JSON type.
    """
    load: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in _said(layers):
        if name in _LOAD:
            load[name] = _converted(name, _LOAD[name], value)
        elif name in _SAMPLING:
            sampling[name] = _converted(name, _SAMPLING[name], value)
        elif name not in unknown:
            unknown.append(name)
    return Options(LoadOptions(**load), Sampling(**sampling), tuple(unknown))


def _said(layers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Any]]:
    return ((name, value) for layer in layers for name, value in layer.items() if value is not None)


def _converted(name: str, kind: str, value: Any) -> Any:
    if kind.startswith("int"):
        if not _is_number(value):
            raise BadOption(name, "of type integer")
        return int(value)
    if kind.startswith("float"):
        if not _is_number(value):
            raise BadOption(name, "of type float32")
        return float(value)
    if kind.startswith("bool"):
        if not isinstance(value, bool):
            raise BadOption(name, "of type boolean")
        return value
    # A model's parameters may hold a single stop string; a request's are a list.
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        raise BadOption(name, "of type array")
    if not all(isinstance(text, str) for text in texts):
        raise BadOption(name, "of an array of strings")
    return tuple(texts)


def _is_number(value: Any) -> bool:
    # What no 64 bits hold is no number to an engine either.
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LIMIT <= value < _LIMIT
