"""Model names: `[scheme://][host/][namespace/]model[:tag]`, in Ollama's grammar.

A ModelName that exists is valid: the constructor checks every part, so no value of this type can lead
out of the store's directory. Case is kept as written; look-ups compare `folded`. The suffixes `:local`
and `:cloud` are no part of a name, they say where to look for it; `split_source` takes them off before
a name is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from paddock.errors import BadRequest, InvalidName

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
DEFAULT_SCHEME = "https"

# No part may start with a dot: that alone keeps `..` out of every path built from a name.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_LEAF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A complete model name. Raises InvalidName when a part breaks the grammar.

    `scheme` says how the registry is reached; it does not take part in equality, nor in paths.
    """

    host: str
    namespace: str
    model: str
    tag: str
    scheme: str = field(default=DEFAULT_SCHEME, compare=False)

    def __post_init__(self) -> None:
        valid = (
            _HOST.fullmatch(self.host)
            and _NAMESPACE.fullmatch(self.namespace)
            and _LEAF.fullmatch(self.model)
            and _LEAF.fullmatch(self.tag)
            and self.scheme in ("http", "https")
        )
        if not valid:
            raise InvalidName(f"{self.host}/{self.namespace}/{self.model}:{self.tag}")

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """The name `text` stands for, defaults filled in. Raises InvalidName."""
        scheme, marked, rest = text.partition("://")
        if not marked:
            scheme, rest = DEFAULT_SCHEME, text
        path, tag = _cut_tag(rest)
        parts = path.split("/")
        # A scheme speaks about a host, so the host must be written out too.
        if len(parts) > 3 or (marked and len(parts) != 3):
            raise InvalidName(text)
        defaults = (DEFAULT_HOST, DEFAULT_NAMESPACE)
        host, namespace, model = (*defaults[: 3 - len(parts)], *parts)
        try:
            return cls(host, namespace, model, DEFAULT_TAG if tag is None else tag, scheme)
        except InvalidName:
            raise InvalidName(text) from None

    @property
    def short(self) -> str:
        """The name as lists show it: default host and namespace dropped, the tag always there."""
        if self.host.lower() != DEFAULT_HOST:
            return self.full
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def full(self) -> str:
        """The name with nothing left out: `registry.ollama.ai/library/x:latest`."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Host, namespace, model, tag: also the path of the manifest below `manifests/`."""
        return (self.host, self.namespace, self.model, self.tag)

    @property
    def folded(self) -> tuple[str, str, str, str]:
        """The parts in lower case; two names with equal ones mean the same model."""
        return (self.host.lower(), self.namespace.lower(), self.model.lower(), self.tag.lower())

    def __str__(self) -> str:
        return self.short


class Source(Enum):
    """Where a request wants its model to run, as far as its name says."""

    UNSAID = "unsaid"
    LOCAL = "local"
    CLOUD = "cloud"


def split_source(text: str) -> tuple[str, Source]:
    """`text` without its source suffix, and what the suffix said.

    `x:cloud` gives `x`, `x:20b-cloud` gives `x:20b`, `x:local` gives `x`. Raises BadRequest where two
    suffixes contradict each other and InvalidName where one is written twice.
    """
    base, source = _cut_source(text)
    if source is Source.UNSAID:
        return text, source
    _, second = _cut_source(base)
    if second is source:
        raise InvalidName(text)
    if second is not Source.UNSAID:
        raise BadRequest(f'use either :local or :cloud, not both: "{text}"')
    return base, source


def _cut_source(text: str) -> tuple[str, Source]:
    path, tag = _cut_tag(text)
    match (tag or "").lower():
        case "local":
            return path, Source.LOCAL
        case "cloud":
            return path, Source.CLOUD
        case word if word.endswith("-cloud"):
            return text[: -len("-cloud")], Source.CLOUD
    return text, Source.UNSAID


def _cut_tag(text: str) -> tuple[str, str | None]:
    """A colon before the last slash belongs to the host's port, not to a tag."""
    path, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, None
    return path, tag
