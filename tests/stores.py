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


def add_endless(root: Path) -> None:
    """Puts a model called `endless` into the store at `root`: the one in the box, which never stops.

    Its marks for the end of a turn are renamed, so that the engine does not know them for such, and the
    end is said to be a token that a greedy answer never contains.
    """
    box = ModelStore(root, builtin.box()).find(ModelName.parse("tiny"))
    assert box.weights is not None
    content = box.weights.read_bytes()
    for mark in (b"<|im_end|>", b"<|endoftext|>"):
        content = content.replace(mark, mark.upper())
    never = gguf.read(box.weights).fim_tokens
    assert never is not None
    for key in (b"tokenizer.ggml.eos_token_id", b"tokenizer.ggml.eot_token_id"):
        at = content.index(key) + len(key) + 4  # the type of the value comes between
        content = content[:at] + struct.pack("<I", never[0]) + content[at + 4 :]
    Shelf(root).add("endless", ("model", content))
