"""Installed models: names over manifests over blobs.

Two shelves with one layout: the user's store, which Ollama may share, and behind it the read-only box
that came with the program; the user's wins where both have a name. Reading never writes, not even the
directory. Deleting counts digests over every manifest, and takes no blob away while any manifest
cannot be read: it may be the one that needs it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from paddock.errors import (
    BadField,
    BlobNotFound,
    BrokenModel,
    BuiltinModel,
    DigestMismatch,
    ModelNotFound,
    cause_of,
)
from paddock.formats import media
from paddock.messages import Message
from paddock.names import ModelName
from paddock.store.blobs import Blobs, check_digest
from paddock.store.manifests import Config, Entry, Manifest, ManifestFile, Manifests
from paddock.store.manifests import decode as decode_manifest
from paddock.store.watch import Watch

_log = logging.getLogger(__name__)

_KIND = "application/vnd.ollama.image."
_T = TypeVar("_T")

#: No text or config of a model is longer; what claims to be is not read into memory.
MAX_TEXT = 16 << 20


class _Turn(msgspec.Struct, frozen=True):
    """A message as the layer writes it."""

    role: str
    content: str = ""
    images: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """What a model's layers say in words. `template` and `system` are None where there is no such layer."""

    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: dict[str, object] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """An installed model. `digest` is the hex SHA-256 of its manifest, `size` the bytes of all its blobs
    as the manifest gives them, `modified_at` the manifest's time with its zone."""

    name: ModelName
    digest: str
    size: int
    modified_at: datetime
    layers: tuple[Entry, ...]
    config: Config
    builtin: bool
    manifest: Path
    blobs: Blobs = field(repr=False, compare=False)

    @property
    def weights(self) -> Path | None:
        """The model's GGUF file; None for a stub of a cloud model and for safetensors."""
        return next(reversed(self._files("model")), None)

    @property
    def weights_layer(self) -> Entry | None:
        """The layer behind `weights`: its digest is the identity of the file."""
        return next(reversed(self._entries("model")), None)

    @property
    def projectors(self) -> tuple[Path, ...]:
        """GGUF files that turn images or sound into embeddings."""
        return self._files("projector")

    @property
    def adapters(self) -> tuple[Path, ...]:
        """LoRA adapters, in the order they are applied."""
        return self._files("adapter")

    @property
    def draft(self) -> Path | None:
        """The small model that guesses ahead, for speculative decoding."""
        return next(reversed(self._files("draft")), None)

    def texts(self) -> Texts:
        """Reads the model's text layers. Raises BrokenModel, naming the digest."""
        turns = self._last_json("messages", tuple[_Turn, ...]) or ()
        return Texts(
            template=self._last_text("template", "prompt"),
            system=self._last_text("system"),
            licenses=tuple(self._text(entry) for entry in self._entries("license")),
            parameters=self._last_json("params", dict[str, object]) or {},
            messages=tuple(self._message(turn, number) for number, turn in enumerate(turns)),
        )

    def _message(self, turn: _Turn, number: int) -> Message:
        field = f"messages[{number}].images"
        try:
            seen = tuple(
                media.read(each, f"{field}[{place}]") for place, each in enumerate(turn.images or ())
            )
        except BadField as error:
            raise BrokenModel(f"a stored message of the model is damaged: {error}") from error
        return Message(turn.role, turn.content, media=seen)

    def template(self) -> str | None:
        """The Go template layer alone. Raises BrokenModel."""
        return self._last_text("template", "prompt")

    def _entries(self, *kinds: str) -> tuple[Entry, ...]:
        types = {_KIND + kind for kind in kinds}
        return tuple(entry for entry in self.layers if entry.media_type in types)

    def _files(self, kind: str) -> tuple[Path, ...]:
        return tuple(self.blobs.path(entry.digest) for entry in self._entries(kind))

    def _text(self, entry: Entry) -> str:
        return _read(self.blobs, entry).decode(errors="replace")

    # Where a type that should appear once appears twice, the last layer counts.
    def _last_text(self, *kinds: str) -> str | None:
        entries = self._entries(*kinds)
        return self._text(entries[-1]) if entries else None

    def _last_json(self, kind: str, type_: type[_T]) -> _T | None:
        entries = self._entries(kind)
        return _decode(self.blobs, entries[-1], type_) if entries else None


class ModelStore:
    """The user's models and the box behind them. Safe to use from several threads."""

    def __init__(self, root: Path, box: Path | None = None) -> None:
        self.root = root
        self._user = _Shelf(root, builtin=False)
        self._shelves = (self._user,) if box is None else (self._user, _Shelf(box, builtin=True))
        # Between the moment a blob is counted as unneeded and its removal, nobody may begin to need it.
        self._changes = threading.Lock()

    @property
    def blobs(self) -> Blobs:
        """The user's blobs, for uploads and downloads."""
        return self._user.blobs

    def find(self, name: ModelName) -> Model:
        """The model that `name` means, its case folded. Raises ModelNotFound, and BrokenModel where a
        file of it is missing or damaged."""
        file, shelf = self._file_and_shelf(name)
        return shelf.model(file, whole=True)

    def watch(self, name: ModelName) -> Watch:
        """Begins to watch what `name` means, spelled as it is: everything `find` looks at on its way to
        a manifest of just this spelling. Blobs never change, so they are not watched."""
        ways = [shelf.manifests.directory.joinpath(*name.parts) for shelf in self._shelves]
        return Watch(step for way in ways for step in (way, *way.parents[: len(name.parts)]))

    def list(self) -> tuple[Model, ...]:
        """Every model, newest first. Damaged ones are left out, with a warning in the log."""
        models: dict[tuple[str, ...], Model] = {}
        for shelf in self._shelves:
            known = {model.name.folded for model in models.values()}
            for model in shelf.models():
                if model.name.folded not in known:
                    models[model.name.parts] = model
        return tuple(
            sorted(models.values(), key=lambda model: (-model.modified_at.timestamp(), model.name.full))
        )

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Gives a model a second name; its manifest is copied byte for byte. A model out of the box
        brings its blobs along, so that Ollama could serve the user's store alone.

        Raises ModelNotFound, BrokenModel, StoreError.
        """
        with self._changes:
            file, shelf = self._file_and_shelf(source)
            if shelf.builtin:
                for entry in file.manifest.entries:
                    self._bring_in(shelf.existing(entry), entry)
            self._install(destination, file.content)

    def install(self, name: ModelName, manifest: bytes) -> None:
        """Makes `manifest` the model called `name`, or what that name means from now on.

        Its blobs must be in the user's store already. Raises BrokenModel and StoreError.
        """
        with self._changes:
            self._install(name, manifest)

    def delete(self, name: ModelName) -> None:
        """Removes a name, and the blobs that only it needed.

        Raises ModelNotFound, BuiltinModel for a model that is only in the box, StoreError.
        """
        with self._changes:
            path = self._user.manifests.locate(name)
            if path is None:
                raise BuiltinModel(name.short) if self._is_boxed(name) else ModelNotFound(name.short)
            candidates = self._user.digests(path)
            self._user.manifests.remove(path)
            for digest in self._user.unneeded(candidates):
                self.blobs.remove(digest)

    def _bring_in(self, source: Path, entry: Entry) -> None:
        try:
            self.blobs.link_or_copy_in(source, entry.digest)
        except DigestMismatch as error:
            raise BrokenModel(f"{source} is damaged: {error}", str(source)) from error

    def _install(self, name: ModelName, manifest: bytes) -> None:
        for entry in decode_manifest(manifest, Path(name.full)).entries:
            self._user.existing(entry)
        self._user.manifests.write(name, manifest)

    def _is_boxed(self, name: ModelName) -> bool:
        return any(s.manifests.locate(name) is not None for s in self._shelves if s.builtin)

    def _file_and_shelf(self, name: ModelName) -> tuple[ManifestFile, _Shelf]:
        for shelf in self._shelves:
            path = shelf.manifests.locate(name)
            if path is not None:
                try:
                    return shelf.manifests.read(path), shelf
                except FileNotFoundError:  # deleted since it was located
                    continue
        raise ModelNotFound(name.short)


class _Shelf:
    """One store directory, seen as models."""

    def __init__(self, root: Path, builtin: bool) -> None:
        self.builtin = builtin
        self.manifests = Manifests(root / "manifests")
        self.blobs = Blobs(root / "blobs")

    def models(self) -> tuple[Model, ...]:
        found = []
        for name, path in self.manifests.walk(lambda error: _log.warning("%s", error)):
            if name is None:
                continue
            try:
                found.append(self.model(self.manifests.read(path), whole=False))
            except FileNotFoundError:
                continue
            except BrokenModel as error:
                _log.warning("left out of the list: %s", error)
        return tuple(found)

    def model(self, file: ManifestFile, whole: bool) -> Model:
        """The model in a manifest file; with `whole`, only if every blob of it is here."""
        manifest = file.manifest
        if whole:
            for entry in manifest.entries:
                self.existing(entry)
        return Model(
            # The name as it is spelled on disk, whatever the case it was asked for in.
            name=ModelName(*file.path.relative_to(self.manifests.directory).parts),
            digest=hashlib.sha256(file.content).hexdigest(),
            size=sum(entry.size for entry in manifest.entries),
            modified_at=datetime.fromtimestamp(file.modified, UTC).astimezone(),
            layers=tuple(manifest.layers or ()),
            config=self._config(manifest),
            builtin=self.builtin,
            manifest=file.path,
            blobs=self.blobs,
        )

    def existing(self, entry: Entry) -> Path:
        """The blob's file. Raises BrokenModel when it is missing."""
        try:
            return self.blobs.find(entry.digest)
        except BlobNotFound as error:
            raise _missing(entry, self.blobs.path(entry.digest)) from error

    def digests(self, path: Path) -> frozenset[str]:
        """What a manifest refers to; nothing when it is damaged or gone."""
        try:
            manifest = self.manifests.read(path).manifest
        except (BrokenModel, FileNotFoundError):
            return frozenset()
        return frozenset(check_digest(entry.digest) for entry in manifest.entries)

    def unneeded(self, candidates: frozenset[str]) -> frozenset[str]:
        """Those of `candidates` that no manifest refers to; none while a manifest cannot be read."""
        broken: list[BrokenModel] = []
        needed: set[str] = set()
        for name, path in self.manifests.walk(broken.append):
            try:
                file = self.manifests.read(path)
            except FileNotFoundError:
                continue
            except BrokenModel as error:
                # A file that is no model, such as a .DS_Store, has no name and needs no blobs.
                if name is not None:
                    broken.append(error)
                continue
            needed.update(check_digest(entry.digest) for entry in file.manifest.entries)
        for damage in broken:
            _log.warning("no blob is removed: %s", damage)
        return frozenset() if broken else candidates - needed

    def _config(self, manifest: Manifest) -> Config:
        if manifest.config is None or not manifest.config.digest:
            return Config()
        return _decode(self.blobs, manifest.config, Config)


def _read(blobs: Blobs, entry: Entry) -> bytes:
    """A small blob's content. Raises BrokenModel."""
    path = blobs.path(entry.digest)
    try:
        if path.stat().st_size > MAX_TEXT:
            raise BrokenModel(f"the blob {entry.digest} is too long for {entry.media_type}", str(path))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _missing(entry, path) from error
    except OSError as error:
        raise BrokenModel(f"cannot read {path}: {cause_of(error)}", str(path)) from error


def _missing(entry: Entry, path: Path) -> BrokenModel:
    return BrokenModel(
        f"the model is not complete: its file {entry.digest} is missing from the store; pull or create the "
        "model again",
        str(path),
    )


def _decode(blobs: Blobs, entry: Entry, type_: type[_T]) -> _T:
    """A small JSON blob's content. Raises BrokenModel."""
    try:
        return msgspec.json.decode(_read(blobs, entry), type=type_)
    except (msgspec.DecodeError, RecursionError) as error:
        path = blobs.path(entry.digest)
        raise BrokenModel(f"the blob {entry.digest} is damaged: {error}", str(path)) from error
