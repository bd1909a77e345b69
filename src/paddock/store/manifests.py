"""Manifests: small JSON files that say which blobs make up a model.

`manifests/<host>/<namespace>/<model>/<tag>`, in the layout and the format Ollama writes. A manifest is
kept byte for byte, because the digest of the file is the model's identity. Decoding is tolerant towards
fields nobody knows and nulls where Go writes them, and strict about digests: those become file names.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from paddock.errors import BrokenModel, InvalidDigest, InvalidName, cause_of
from paddock.names import ModelName
from paddock.store.blobs import check_digest
from paddock.store.files import changing, is_file, replace_file, sync_directory

#: Safetensors models list every tensor as a layer; the largest stay well below this.
MAX_MANIFEST = 32 << 20
_DEPTH = 4  # host, namespace, model, tag


class Entry(msgspec.Struct, frozen=True, rename={"media_type": "mediaType", "source": "from"}):
    """One layer as the manifest writes it. `source` is the model it was taken from, `name` a tensor's."""

    media_type: str = ""
    digest: str = ""
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    source: str | None = None
    name: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """A model's list of blobs."""

    config: Entry | None = None
    layers: list[Entry] | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every blob the model needs, the config's last."""
        config = (self.config,) if self.config is not None and self.config.digest else ()
        return (*(self.layers or ()), *config)


class Config(msgspec.Struct, frozen=True):
    """What the config blob says about a model; null and missing both read as empty."""

    model_format: str | None = None
    model_family: str | None = None
    model_families: list[str] | None = None
    model_type: str | None = None
    file_type: str | None = None
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None
    remote_host: str | None = None
    remote_model: str | None = None
    capabilities: list[str] | None = None
    context_length: int | None = None
    embedding_length: int | None = None
    base_name: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A manifest that was read: its bytes, what they say, when they were written (seconds since 1970)."""

    path: Path
    content: bytes
    manifest: Manifest
    modified: float


def decode(content: bytes, path: Path) -> Manifest:
    """The manifest in `content`. Raises BrokenModel, naming `path`, for anything that is none."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
        for entry in manifest.entries:
            check_digest(entry.digest)
    except (msgspec.DecodeError, InvalidDigest, RecursionError) as error:
        raise BrokenModel(f"the manifest {path} is damaged: {error}", str(path)) from error
    if not manifest.entries:
        raise BrokenModel(f"the manifest {path} is damaged: it lists nothing", str(path))
    return manifest


class Manifests:
    """The manifests below one directory, which need not exist before the first write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, path: Path) -> ManifestFile:
        """The manifest at `path`. Raises BrokenModel; FileNotFoundError when it is gone."""
        try:
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_MANIFEST:
                raise BrokenModel(f"the manifest {path} is damaged: not a manifest file", str(path))
            content = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            sentence = f"cannot read the manifest {path}: {cause_of(error)}"
            raise BrokenModel(sentence, str(path)) from error
        return ManifestFile(path, content, decode(content, path), facts.st_mtime)

    def locate(self, name: ModelName) -> Path | None:
        """The manifest `name` means: the one spelled like it, or one that differs only in case."""
        exact = self.directory.joinpath(*name.parts)
        return exact if is_file(exact) else next(_matches(self.directory, name.parts), None)

    def walk(self, unreadable: Callable[[BrokenModel], None]) -> Iterator[tuple[ModelName | None, Path]]:
        """Every file at a manifest's depth, with its name, or None where the path makes no valid name.

        `unreadable` hears of each directory that cannot be read: nobody may think by accident that the
        store is smaller than it is.
        """
        for path in _files(self.directory, _DEPTH, unreadable):
            try:
                yield ModelName(*path.relative_to(self.directory).parts), path
            except InvalidName:
                yield None, path

    def write(self, name: ModelName, content: bytes) -> None:
        """Makes `content` the manifest of `name`, in place of one that differs only in case. StoreError."""
        replace_file(self.locate(name) or self.directory.joinpath(*name.parts), content)

    def remove(self, path: Path) -> None:
        """Takes a manifest out, and the directories it leaves empty. Raises StoreError."""
        with changing(path):
            path.unlink()
            sync_directory(path.parent)
        for parent in path.parents:
            if parent == self.directory:
                return
            try:
                parent.rmdir()
            except OSError:  # not empty, or a link to a directory elsewhere
                return


def _matches(directory: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Files below `directory` whose path is `parts` in any case; the exact spelling goes first."""
    wanted = parts[0].lower()
    try:
        found = [path for path in directory.iterdir() if path.name.lower() == wanted]
    except OSError:
        return
    for path in sorted(found, key=lambda path: (path.name != parts[0], path.name)):
        if len(parts) > 1:
            yield from _matches(path, parts[1:])
        elif is_file(path):
            yield path


def _files(directory: Path, depth: int, unreadable: Callable[[BrokenModel], None]) -> Iterator[Path]:
    try:
        paths = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        unreadable(BrokenModel(f"cannot read {directory}: {cause_of(error)}", str(directory)))
        return
    for path in paths:
        if depth > 1:
            yield from _files(path, depth - 1, unreadable)
        elif is_file(path):
            yield path
