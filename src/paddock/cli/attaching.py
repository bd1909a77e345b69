"""Files named in a prompt: pictures and recordings that go along with it.

Only what begins like a path (`/`, `./`, `../`, `~/`, a drive), ends like a picture or a recording, and is
there is taken for one. Spaces in it are escaped, or it stands between single quotes: that is how terminals
write a file that is dropped on them. A model that neither sees nor hears gets the text as it was typed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError, cause_of

#: Ollama's limit.
MOST_BYTES = 100 * 1000 * 1000

_START = r"(?:[a-zA-Z]:|~|\.\.?)?[/\\]"
_KINDS = r"\.(?:jpe?g|png|webp|wav)"
_PATH = re.compile(
    rf"'({_START}[^'\n]*?{_KINDS})'|(?<!\S)({_START}(?:\\.|[^\s\\'])*?{_KINDS})(?!\w)", re.IGNORECASE
)
_ESCAPED = re.compile(r"\\([^\w\s]|\s)")


class BadFile(PaddockError):
    """A file that was to be sent along cannot be."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"couldn't attach '{path}': {why}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: the text without the files' names, and the files as base64."""

    text: str
    images: tuple[str, ...] = ()

    def fields(self, name: str) -> dict[str, object]:
        """As fields of a request, the text under `name`."""
        images: dict[str, object] = {"images": list(self.images)} if self.images else {}
        return {name: self.text} | images


def attached(here: Surroundings, model: str, text: str) -> Prompt:
    """`text` with the files it names, which are told on stderr. Raises BadFile, and the client's errors."""
    named = list(_named(text))
    if not named or not _multimodal(here, model):
        return Prompt(text)
    images: list[str] = []
    for written, path in named:
        data = _read(path)
        images.append(base64.b64encode(data).decode())
        kind = "audio" if data[8:12] == b"WAVE" else "image"
        here.terminal.say(f"Added {kind} '{path}'")
        text = text.replace(f"'{written}'", "").replace(written, "")
    return Prompt(text.strip(), tuple(images))


def _named(text: str) -> Iterator[tuple[str, Path]]:
    """The files that `text` names and that are there, each as it is written and where it is."""
    seen = set()
    for match in _PATH.finditer(text):
        written = match[1] or match[2]
        path = Path(match[1] or _ESCAPED.sub(r"\1", match[2])).expanduser()
        if written not in seen and path.is_file():
            seen.add(written)
            yield written, path


def _multimodal(here: Surroundings, model: str) -> bool:
    able = here.client.post("/api/show", {"model": model}).get("capabilities") or ()
    return not {"vision", "audio"}.isdisjoint(able)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadFile(path, "it is larger than 100 MB")
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(path, cause_of(error)) from error
    riff = data[8:12] if data.startswith(b"RIFF") else b""
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) and riff not in (b"WEBP", b"WAVE"):
        raise BadFile(path, "it is neither a JPEG, PNG or WebP picture nor a WAV recording")
    return data
