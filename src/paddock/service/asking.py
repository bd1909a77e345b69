"""Which model a name asks for, and whether it is here: models on other machines are refused."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.errors import CloudDisabled, ModelNotFound
from paddock.names import ModelName, Source, split_source
from paddock.store.models import Model, ModelStore


@dataclass(frozen=True, slots=True)
class Asked:
    """A name as it was sent, taken apart. `refusal` is what is said of a model that is elsewhere."""

    name: ModelName
    source: Source
    refusal: str | None

    def found(self, store: ModelStore) -> Model:
        """The model in `store`. Raises ModelNotFound, CloudDisabled, BrokenModel."""
        model = store.find(self.name)
        if not model.config.remote_host:
            return model
        if self.source is Source.LOCAL:
            raise ModelNotFound(self.name.short)
        raise _elsewhere(self.refusal)


def asked(text: str, refusal: str | None = None) -> Asked:
    """What `text` asks for. Raises InvalidName, BadRequest where its suffixes contradict each other, and
    CloudDisabled."""
    base, source = split_source(text)
    if source is Source.CLOUD:
        raise _elsewhere(refusal)
    return Asked(ModelName.parse(base), source, refusal)


def _elsewhere(refusal: str | None) -> CloudDisabled:
    return CloudDisabled(refusal) if refusal else CloudDisabled()
