"""The model a request is about: found under the name that was sent, and what its files say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from paddock.engines.estimate import Shape
from paddock.errors import ModelNotFound, Unsupported
from paddock.formats.gguf import Header
from paddock.service import planning
from paddock.service.asking import asked
from paddock.service.library import Library
from paddock.service.speech import Speech
from paddock.store.models import Model, ModelStore, Texts
from paddock.store.watch import Watch

_KEPT = 256


@dataclass(frozen=True, slots=True)
class Subject:
    """The model a request is about, and what its files say."""

    model: Model
    header: Header
    shape: Shape
    texts: Texts
    abilities: tuple[str, ...]
    speech: Speech
    projectors: tuple[Header, ...] = ()


class Subjects:
    """Finds subjects, and remembers them for as long as their files stay as they are."""

    def __init__(self, store: ModelStore, library: Library) -> None:
        self._store = store
        self._library = library
        # By the name as sent: a few looks at the file system cost far less than reading the model again.
        self._known: dict[str, tuple[Watch, Subject]] = {}

    async def find(self, text: str) -> Subject:
        """The model called `text`. Raises InvalidName, ModelNotFound, CloudDisabled, Unsupported (it has no
        GGUF weights), BrokenModel, InvalidGGUF."""
        known = self._known.get(text)
        if known is not None and not known[0].changed():
            return known[1]
        return await asyncio.to_thread(self._look_up, text)

    def _look_up(self, text: str) -> Subject:
        if not text:
            raise ModelNotFound("")
        wanted = asked(text)
        watch = self._store.watch(wanted.name)
        try:
            model = wanted.found(self._store)
        except ModelNotFound:
            raise ModelNotFound(text) from None
        header = self._library.header(model)
        if header is None:
            raise Unsupported(f"{model.name.short} has no GGUF weights that could be run here", "completion")
        shape, abilities = planning.shape_of(model, header), self._library.capabilities(model)
        texts, projectors = model.texts(), self._library.projectors(model)
        spoken = self._library.speech(model, texts.template)
        subject = Subject(model, header, shape, texts, abilities, spoken, projectors)
        if model.name.parts == wanted.name.parts:  # found under another spelling, it is not what was watched
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[text] = (watch, subject)
        return subject
