"""The library: what is installed, told the way Ollama's API tells it.

Plain synchronous methods that return frozen values; callers on an event loop put them on a thread. What
a file says is remembered under its digest, so it can never be out of date.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from paddock.errors import (
    BadRequest,
    BrokenModel,
    CloudDisabled,
    InvalidGGUF,
    InvalidName,
    ModelNotFound,
)
from paddock.formats import gguf
from paddock.formats.gguf import Header
from paddock.formats.modelfile import go_literal, instruction, plain, quoted
from paddock.messages import Message
from paddock.names import ModelName, Source, split_source
from paddock.prompts.renderer import Renderer
from paddock.service.asking import asked
from paddock.service.capabilities import capabilities
from paddock.service.speech import Speech, speech
from paddock.store.models import Model, ModelStore, Texts

_log = logging.getLogger(__name__)

#: Ollama's template for a model that has none.
DEFAULT_TEMPLATE = "{{ .Prompt }}"

_REMOTE = "remote model details are unavailable"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Details:
    """A model's make. Lengths are tokens and numbers a token, 0 where not known."""

    parent_model: str
    format: str
    family: str
    families: tuple[str, ...] | None
    parameter_size: str
    quantization_level: str
    context_length: int = 0
    embedding_length: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list. `size` is bytes, `digest` bare hex; `name` and `model` are the same."""

    name: str
    model: str
    modified_at: datetime
    size: int
    digest: str
    details: Details
    capabilities: tuple[str, ...]
    remote_model: str = ""
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class TensorLine:
    """One tensor as the API shows it; `shape` has the fastest dimension first."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything about one model. Empty strings and empty tuples stand for fields to leave out;
    `model_info` is always to be sent. Its arrays are None unless they were asked for."""

    license: str
    modelfile: str
    parameters: str
    template: str
    system: str
    details: Details
    messages: tuple[Message, ...]
    model_info: Mapping[str, object]
    projector_info: Mapping[str, object] | None
    tensors: tuple[TensorLine, ...]
    capabilities: tuple[str, ...]
    modified_at: datetime
    requires: str
    speech: Speech


@dataclass(frozen=True, slots=True)
class _Facts:
    details: Details
    capabilities: tuple[str, ...]


class Library:
    """Lists, shows, copies and deletes installed models. Safe to use from several threads."""

    def __init__(self, store: ModelStore, prefer_go: bool | None = None) -> None:
        self._store = store
        self._prefer_go = prefer_go
        self._headers: _Recent[Header] = _Recent(32)
        self._facts: _Recent[_Facts] = _Recent(1024)

    def tags(self) -> tuple[Listed, ...]:
        """All models, newest first. A model whose files are damaged is listed without its capabilities."""
        return tuple(self._listed(model) for model in self._store.list())

    def show(
        self,
        name: str,
        verbose: bool = False,
        system: str = "",
        options: Mapping[str, object] | None = None,
    ) -> Shown:
        """Everything about the model called `name`, with `system` and `options` laid over its own.

        Raises BadRequest, InvalidName, CloudDisabled, ModelNotFound, BrokenModel, InvalidGGUF.
        """
        if not name:
            raise BadRequest("model is required")
        model = asked(name, _REMOTE).found(self._store)
        own = model.texts()
        texts = replace(own, system=system or own.system, parameters={**own.parameters, **(options or {})})
        facts = self._facts_of(model)
        read = _read_whole if verbose else self._header
        header = read(model.weights) if model.weights else None
        projector = read(model.projectors[0]) if model.projectors else None
        spoken = self.speech(model, own.template)
        jinja = header.chat_template if header else ""
        template = jinja if spoken.choice.renderer is Renderer.JINJA else own.template
        return Shown(
            license="\n".join(texts.licenses),
            modelfile=modelfile(model, texts),
            parameters=parameters(texts.parameters),
            template=template or jinja or DEFAULT_TEMPLATE,
            system=texts.system or "",
            details=replace(facts.details, parent_model=_parent(model), context_length=0, embedding_length=0),
            messages=texts.messages,
            model_info=_model_info(header, verbose) if header else {},
            projector_info=_projector_info(projector, verbose) if projector else None,
            tensors=tuple(TensorLine(t.name, t.type, t.shape) for t in header.tensors) if header else (),
            capabilities=facts.capabilities,
            modified_at=model.modified_at,
            requires=model.config.requires or "",
            speech=spoken,
        )

    def copy(self, source: str, destination: str) -> None:
        """Gives the model `source` the second name `destination`.

        Raises InvalidName, CloudDisabled, ModelNotFound, BrokenModel, StoreError.
        """
        origin = _local_name(source, f'source "{source}" is invalid')
        target = _local_name(destination, f'destination "{destination}" is invalid')
        try:
            self._store.copy(origin, target)
        except ModelNotFound:
            raise ModelNotFound(source, f'model "{source}" not found') from None

    def delete(self, name: str) -> None:
        """Removes the name, and what only it needed from the disk.

        Raises BadRequest, InvalidName, ModelNotFound, BuiltinModel, StoreError.
        """
        if not name:
            raise BadRequest("model is required")
        sentence = f'name "{name}" is invalid'
        text, source = _split(name, sentence)
        # The stub of a cloud model is stored under the whole of its name, and may well be deleted here.
        target = _name(name if source is Source.CLOUD else text, sentence)
        try:
            self._store.delete(target)
        except ModelNotFound:
            raise ModelNotFound(name) from None

    def header(self, model: Model) -> Header | None:
        """The header of the model's weights, None where it has no GGUF. Raises InvalidGGUF."""
        return None if model.weights is None else self._header(model.weights)

    def projectors(self, model: Model) -> tuple[Header, ...]:
        """The headers of the model's projectors. Raises InvalidGGUF."""
        return tuple(self._header(path) for path in model.projectors)

    def capabilities(self, model: Model) -> tuple[str, ...]:
        """What the model can do. Raises InvalidGGUF and BrokenModel."""
        return self._facts_of(model).capabilities

    def speech(self, model: Model, template: str | None) -> Speech:
        """How the model is spoken to and answers; `template` is its Go template. Raises InvalidGGUF."""
        return speech(self.header(model), template, model.config, self._prefer_go)

    def _header(self, path: Path) -> Header:
        # The name of a blob is its digest.
        return self._headers.get(path.name, lambda: gguf.read(path))

    def _facts_of(self, model: Model) -> _Facts:
        return self._facts.get(model.digest, lambda: self._learn(model))

    def _learn(self, model: Model) -> _Facts:
        header = self.header(model)
        able = capabilities(model.config, header, model.template(), self.projectors(model), self._prefer_go)
        return _Facts(details(model, header), able)

    def _listed(self, model: Model) -> Listed:
        try:
            facts = self._facts_of(model)
        except (InvalidGGUF, BrokenModel) as error:
            _log.warning("%s: %s", model.name.short, error)
            facts = _Facts(details(model, None), ())
        return Listed(
            name=model.name.short,
            model=model.name.short,
            modified_at=model.modified_at,
            size=model.size,
            digest=model.digest,
            details=facts.details,
            capabilities=facts.capabilities,
            remote_model=model.config.remote_model or "",
            remote_host=model.config.remote_host or "",
        )


def details(model: Model, header: Header | None) -> Details:
    """A model's make: what its config says, and where that is silent, its weights."""
    config = model.config
    architecture = header.architecture if header else ""
    return Details(
        parent_model="",
        format=config.model_format or ("gguf" if header else ""),
        family=config.model_family or architecture,
        families=None if config.model_families is None else tuple(config.model_families),
        parameter_size=config.model_type or (parameter_size(header.parameter_count) if header else ""),
        quantization_level=config.file_type or (header.file_type if header else ""),
        context_length=config.context_length or (header.context_length if header else 0),
        embedding_length=config.embedding_length or (header.embedding_length if header else 0),
    )


def parameter_size(count: int) -> str:
    """A number of parameters as Ollama writes it: `8.0B`, exact `8B`, `136.73M`, `10K`, `512`."""
    for unit, letter, places in ((1_000_000_000, "B", 1), (1_000_000, "M", 2)):
        if count >= unit:
            exact = count % unit == 0
            return f"{count // unit}{letter}" if exact else f"{count / unit:.{places}f}{letter}"
    return f"{count / 1_000:.0f}K" if count >= 1_000 else str(count)


def modelfile(model: Model, texts: Texts) -> str:
    """The Modelfile that would build the model again, on this machine."""
    lines = [
        '# Modelfile generated by "paddock show"',
        "# To build upon this model, put this line in place of the first FROM:",
        f"# FROM {model.name.short}",
        "",
        instruction("FROM", str(model.weights or model.name.short)),
        *(instruction("ADAPTER", str(path)) for path in model.adapters),
        *(instruction("DRAFT", str(path)) for path in (model.draft,) if path),
        *(instruction("FROM", str(path)) for path in model.projectors),
    ]
    single = (
        ("TEMPLATE", texts.template),
        ("SYSTEM", texts.system),
        ("RENDERER", model.config.renderer),
        ("PARSER", model.config.parser),
    )
    lines += [instruction(word, value) for word, value in single if value]
    for key, value in texts.parameters.items():
        lines += [f"PARAMETER {key} {quoted(plain(entry))}" for entry in _entries(value)]
    lines += [instruction("LICENSE", text) for text in texts.licenses]
    lines += [f"MESSAGE {message.role} {quoted(message.content)}" for message in texts.messages]
    return "\n".join(lines) + "\n"


def parameters(options: Mapping[str, object]) -> str:
    """Options, one a line: the key padded to 30 columns, then the value as Go would write it."""
    lines = (f"{key:<30} {go_literal(entry)}" for key, value in options.items() for entry in _entries(value))
    return "\n".join(lines)


def _entries(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _model_info(header: Header, verbose: bool) -> dict[str, object]:
    info = _flat(header.metadata, verbose)
    info["general.parameter_count"] = header.parameter_count
    for key in ("general.name", "tokenizer.chat_template"):
        info.pop(key, None)
    return info


def _projector_info(header: Header, verbose: bool) -> dict[str, object]:
    return _flat(header.metadata, verbose) | {"general.parameter_count": header.parameter_count}


def _flat(metadata: Mapping[str, gguf.Value], verbose: bool) -> dict[str, object]:
    """Metadata for JSON: arrays whole or, unless `verbose`, null, as Ollama sends them."""
    short = {key: None for key, value in metadata.items() if isinstance(value, tuple | gguf.LongArray)}
    return dict(metadata) if verbose else {**metadata, **short}


def _read_whole(path: Path) -> Header:
    return gguf.read(path, arrays=True)


def _parent(model: Model) -> str:
    layer = model.weights_layer
    return (layer.source or "") if layer else ""


def _name(text: str, sentence: str = "invalid model name") -> ModelName:
    try:
        return ModelName.parse(text)
    except InvalidName:
        raise InvalidName(text, sentence) from None


def _split(text: str, sentence: str) -> tuple[str, Source]:
    try:
        return split_source(text)
    except InvalidName:
        raise InvalidName(text, sentence) from None


def _local_name(text: str, sentence: str) -> ModelName:
    base, source = _split(text, sentence)
    if source is Source.CLOUD:
        raise CloudDisabled
    return _name(base, sentence)


class _Recent(Generic[_T]):
    """The last values asked for, under their digests."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, _T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, make: Callable[[], _T]) -> _T:
        """The value under `digest`; two threads may both make it, which harms nobody."""
        with self._lock:
            if digest in self._values:
                self._values.move_to_end(digest)
                return self._values[digest]
        value = make()
        with self._lock:
            self._values[digest] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
