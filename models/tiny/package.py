"""Put the model into the box: the read-only store inside the package, in Ollama's own layout.

    python -m models.tiny.package --gguf FILE --tokenizer FILE

Nothing is written before the engine has agreed with training about the template and the tokens.
Blobs come first and the manifest last, each by rename, so that a reader never finds a name without its
bytes; blobs that no manifest mentions any longer go at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

import gguf

from models.tiny import agree, tokenizer
from models.tiny.engine import running

CHECKOUT = Path(__file__).resolve().parents[2]
BOX = CHECKOUT / "src" / "paddock" / "store" / "box"
GO_TEMPLATE = Path(__file__).with_name("template.gotmpl")
MANIFEST = Path("manifests/registry.ollama.ai/library/tiny/latest")
LARGEST = 12 * 1000 * 1000
PARAMETERS = {"temperature": 0}

_LAYER = "application/vnd.ollama.image."
_CONFIG = "application/vnd.docker.container.image.v1+json"
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def place(path: Path, data: bytes) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def add_blob(box: Path, kind: str, data: bytes) -> dict[str, str | int]:
    """Store bytes under their own digest; returns the manifest's entry for them."""
    digest = hashlib.sha256(data).hexdigest()
    blob = box / "blobs" / f"sha256-{digest}"
    if not blob.exists():
        place(blob, data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def header_facts(path: Path) -> tuple[str, str]:
    """Size label and file type, as the GGUF's own header tells them."""
    reader = gguf.GGUFReader(str(path))
    label = reader.get_field("general.size_label")
    kind = reader.get_field("general.file_type")
    if label is None or kind is None:
        raise SystemExit(f"{path}: no size label or file type in the header")
    return str(label.contents()), gguf.LlamaFileType(int(kind.contents())).name.removeprefix("MOSTLY_")


def config_of(path: Path, model_digest: str) -> dict[str, object]:
    label, kind = header_facts(path)
    return {
        "model_format": "gguf",
        "model_family": "llama",
        "model_families": ["llama"],
        "model_type": label,
        "file_type": kind,
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [model_digest]},
    }


def fill(box: Path, model: Path, license_text: str) -> Path:
    """Write blobs, then the manifest, then drop what nothing mentions; returns the manifest's path."""
    weights = add_blob(box, _LAYER + "model", model.read_bytes())
    layers = [
        weights,
        add_blob(box, _LAYER + "template", GO_TEMPLATE.read_bytes()),
        add_blob(box, _LAYER + "license", license_text.encode()),
        add_blob(box, _LAYER + "params", encode(PARAMETERS)),
    ]
    config = add_blob(box, _CONFIG, encode(config_of(model, str(weights["digest"]))))
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "config": config, "layers": layers}
    place(box / MANIFEST, encode(manifest))
    kept = {str(entry["digest"]).replace(":", "-") for entry in (config, *layers)}
    for blob in (box / "blobs").iterdir():
        if blob.name not in kept:
            blob.unlink()
    return box / MANIFEST


def check(model: Path, words: Path) -> None:
    """The engine reads the file, renders like training and counts like training, or nothing ships."""
    with running(model, threads=1) as engine:
        rendered = agree.check_template(engine)
        read = agree.check_tokens(engine, tokenizer.load(words))
    print(f"the engine agrees on {rendered} rendered conversations and the tokens of {read} texts")


def main() -> None:
    parser = argparse.ArgumentParser(description="put a GGUF into the package's read-only store")
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of the same training")
    parser.add_argument("--box", type=Path, default=BOX)
    options = parser.parse_args()
    size = options.gguf.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{options.gguf} has {size} bytes; at most {LARGEST} may ship")
    check(options.gguf, options.tokenizer)
    license_text = (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    print(fill(options.box, options.gguf, license_text), size)


if __name__ == "__main__":
    main()
