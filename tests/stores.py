"""Builds model stores on disk the way Ollama lays them out."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from paddock.formats import gguf
from paddock.names import ModelName
from paddock.store import builtin
from paddock.store.models import ModelStore

#: With these options `endless` is never stuck on one token, which would end its answer after all.
ENDLESSLY = {"temperature": 0, "presence_penalty": 1000, "repeat_last_n": 8}
KIND = "application/vnd.ollama.image."


@dataclass(frozen=True)
class Shelf:
    """A store directory under construction."""

    root: Path

    def blob(self, content: bytes | str, separator: str = "-") -> dict[str, object]:
        raw = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        (self.root / "blobs").mkdir(parents=True, exist_ok=True)
        (self.root / "blobs" / f"sha256{separator}{digest}").write_bytes(raw)
        return {"digest": f"sha256:{digest}", "size": len(raw)}

    def add(
        self,
        name: str,
        *layers: tuple[str, bytes | str],
        config: dict[str, object] | None = None,
        age: float = 0,
    ) -> Path:
        """A model of layers (kind, content); `age` in seconds makes it older. Returns its manifest's path."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                **self.blob(json.dumps(config or {"model_format": "gguf", "rootfs": {"type": "layers"}})),
            },
            "layers": [{"mediaType": KIND + kind, **self.blob(content)} for kind, content in layers],
        }
        return self.manifest(name, json.dumps(manifest), age)

    def manifest(self, name: str, content: str, age: float = 0) -> Path:
        path = self.root.joinpath("manifests", *ModelName.parse(name).parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        return path

    def blobs(self) -> set[str]:
        return {path.name for path in (self.root / "blobs").iterdir()}


def tree(root: Path) -> list[str]:
    """Everything below `root`, links followed to nothing."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def boxed() -> tuple[bytes, gguf.Header]:
    """The weights of the model in the box, and what their header says."""
    weights = ModelStore(Path("/nonexistent"), builtin.box()).find(ModelName.parse("tiny")).weights
    assert weights is not None
    return weights.read_bytes(), gguf.read(weights)


def add_variant(root: Path, name: str, *layers: tuple[str, bytes | str], **config: object) -> None:
    """Puts a model with the weights of the one in the box and layers of its own into the store at `root`."""
    known: dict[str, object] = {"model_format": "gguf", "model_family": "llama"}
    Shelf(root).add(name, ("model", boxed()[0]), *layers, config=known | config)


def add_endless(root: Path) -> None:
    """Puts a model called `endless` into the store at `root`: the one in the box, which never stops.

    The rows of its embedding that belong to the marks of an end are zero, and so are their scores, since
    the output is computed with the same rows: a greedy answer never chooses them.
    """
    weights, header = boxed()
    ((rows, size),) = (pair for pair in header.sizes() if pair[0].name == "token_embd.weight")
    width = size // rows.shape[1]  # a row of them; numbers are packed along it
    content = bytearray(weights)
    for mark in ("eos", "eot", "bos"):
        number = header.metadata[f"tokenizer.ggml.{mark}_token_id"]
        assert isinstance(number, int)
        at = header.data_offset + rows.offset + number * width
        content[at : at + width] = bytes(width)
    Shelf(root).add("endless", ("model", bytes(content)))


def add_speaking(root: Path, name: str, template: str) -> None:
    """Puts the model in the box into the store at `root` as `name`, with another chat template."""
    content = boxed()[0]
    key = b"tokenizer.chat_template" + struct.pack("<I", 8)  # a string
    start = content.index(key) + len(key)
    (length,) = struct.unpack_from("<Q", content, start)
    text = template.encode()
    # What follows stays aligned when a comment makes up the difference.
    text += b"{#" + b" " * ((length - len(text) - 4) % 32) + b"#}"
    changed = content[:start] + struct.pack("<Q", len(text)) + text + content[start + 8 + length :]
    Shelf(root).add(name, ("model", changed), ("params", '{"temperature": 0}'))


def add_seeing(
    root: Path,
    name: str,
    *layers: tuple[str, str],
    sees: bool = True,
    hears: bool = False,
    config: dict[str, object] | None = None,
) -> None:
    """Puts a model into the store at `root`: the one in the box, with a projector beside it."""
    from projectors import write_projector

    weights, header = boxed()
    root.mkdir(parents=True, exist_ok=True)
    file = write_projector(root / "projector.gguf", header.embedding_length, sees=sees, hears=hears)
    Shelf(root).add(name, ("model", weights), ("projector", file.read_bytes()), *layers, config=config)
    file.unlink()
