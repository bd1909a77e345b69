"""The family of failures: one class a kind, its HTTP status on the class, its data on the error.

Every error a user may see descends from PaddockError. The sentence is for people and follows Ollama's
wording where clients match on it; code reads the attributes. Only `api` reads `status`.
"""

from __future__ import annotations

import json


class PaddockError(Exception):
    """Anything Paddock reports on purpose. `str(error)` is the sentence for the user."""

    status = 500


def cause_of(error: OSError) -> str:
    """What the operating system says, as part of a sentence: without its number and the path."""
    return (error.strerror or str(error)).lower()


# ── what the caller got wrong ─────────────────────────────────────────────────────────────────────


class BadRequest(PaddockError):
    """The request cannot be understood or combines things that exclude each other."""

    status = 400


class BadField(BadRequest):
    """A field of the request has the wrong type or value; `field` is its path, as in `options.stop[0]`."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class BadOption(PaddockError):
    """An option of the wrong JSON type. Ollama answers 500 here, and clients may rely on it."""

    def __init__(self, option: str, wanted: str) -> None:
        super().__init__(f'option "{option}" must be {wanted}')
        self.option = option


class BadFormat(PaddockError):
    """`format` is neither "json" nor an object. Ollama answers 500 here, and quotes what was sent as Go
    does."""

    def __init__(self, sent: str) -> None:
        quoted = json.dumps(sent, ensure_ascii=False)
        super().__init__(f'invalid format: {quoted}; expected "json" or a valid JSON Schema object')
        self.sent = sent


class BadSchema(BadField):
    """A JSON schema that is invalid, or asks for what no grammar can hold. `pointer` is where, as in
    `#/properties/age`, and `keyword` what."""

    def __init__(self, pointer: str, keyword: str, cause: str) -> None:
        what = f'"{keyword}" at {pointer}' if keyword else f"the schema at {pointer}"
        super().__init__("format", f"invalid format: {what}: {cause}")
        self.pointer = pointer
        self.keyword = keyword


class BadGrammar(BadField):
    """A grammar in GBNF that is invalid or would harm the engine; lines and columns count from 1."""

    def __init__(self, cause: str, line: int = 0, column: int = 0) -> None:
        where = f" (line {line}, column {column})" if line else ""
        super().__init__("grammar", f"invalid grammar: {cause}{where}")
        self.line = line
        self.column = column


class InvalidName(BadRequest):
    """`text` is no model name."""

    def __init__(self, text: str, sentence: str = "invalid model name") -> None:
        super().__init__(sentence)
        self.text = text


class InvalidDigest(BadRequest):
    """`text` is no digest; a digest is `sha256:` and 64 hexadecimal digits."""

    def __init__(self, text: str) -> None:
        super().__init__("invalid digest format")
        self.text = text


class DigestMismatch(BadRequest):
    """The bytes that came do not have the digest they were announced under."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f'digest mismatch, expected "{expected}", got "{actual}"')
        self.expected = expected
        self.actual = actual


class BuiltinModel(BadRequest):
    """The model ships inside the program and cannot be removed from it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model '{name}' comes with Paddock and cannot be deleted")
        self.name = name


class InvalidMedia(BadRequest):
    """Bytes are no picture and no recording that can be read; the sentence says what is wrong with them."""


class PromptTooLong(BadRequest):
    """The prompt does not fit the context window and the caller forbade shortening it."""

    def __init__(self, tokens: int, window: int) -> None:
        super().__init__(
            "the prompt is longer than the context length currently available to the model; shorten the "
            "prompt, adjust the context length in settings, or use a model with a longer context length"
        )
        self.tokens = tokens
        self.window = window


class InputTooLong(BadRequest):
    """A text to embed does not fit and the caller forbade cutting it."""

    def __init__(self, tokens: int, window: int) -> None:
        super().__init__("the input length exceeds the context length")
        self.tokens = tokens
        self.window = window


class EmbeddingNotFinite(BadRequest):
    """The engine computed a vector that is no vector."""

    def __init__(self) -> None:
        super().__init__("embedding contains NaN or Inf values")


class BodyTooLarge(BadRequest):
    """A request body longer than `limit` bytes."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body is larger than {limit} bytes")
        self.limit = limit


class Unsupported(BadRequest):
    """The model, as loaded, cannot do `ability`."""

    def __init__(self, sentence: str, ability: str) -> None:
        super().__init__(sentence)
        self.ability = ability


class TemplateError(PaddockError):
    """A Go template that cannot be read, or rendered with what it was given. `line` and `column` count from
    1, in characters. Ollama answers 500 here."""

    def __init__(self, problem: str, line: int, column: int, name: str = "") -> None:
        super().__init__(f"template: {name}:{line}:{column}: {problem}")
        self.problem = problem
        self.line = line
        self.column = column
        self.name = name


class NotFound(PaddockError):
    """Something named in the request does not exist."""

    status = 404


class ModelNotFound(NotFound):
    """No installed model has this name. `quoted` is the name in the form the sentence shows."""

    def __init__(self, name: str, sentence: str | None = None) -> None:
        super().__init__(sentence or f"model '{name}' not found")
        self.name = name


class BlobNotFound(NotFound):
    """The store holds no file with this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f'blob "{digest}" not found')
        self.digest = digest


class CloudDisabled(PaddockError):
    """The name asks for a model that runs on somebody else's machine. Paddock never calls home."""

    status = 403

    def __init__(self, what: str = "remote model is unavailable") -> None:
        super().__init__(f"ollama cloud is disabled: {what}")


# ── what this machine cannot do now ───────────────────────────────────────────────────────────────


class Refused(PaddockError):
    """Right request, wrong moment: trying again later may work."""

    status = 503


class QueueFull(Refused):
    """More requests wait than OLLAMA_MAX_QUEUE allows. The two spaces are Ollama's."""

    def __init__(self, waiting: int) -> None:
        super().__init__("server busy, please try again.  maximum pending requests exceeded")
        self.waiting = waiting


class ShuttingDown(Refused):
    """The server has been told to stop and takes no new work."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class StoreError(PaddockError):
    """The model store cannot be read or written; the sentence names the file and the cause."""

    def __init__(self, sentence: str, path: str = "") -> None:
        super().__init__(sentence)
        self.path = path


class BrokenModel(StoreError):
    """A file of an installed model is missing or is not what its manifest says."""


class InvalidGGUF(PaddockError):
    """A file is no GGUF, or one that is damaged; the sentence says at which byte and why."""

    def __init__(self, sentence: str, offset: int = 0, cause: str = "") -> None:
        super().__init__(sentence)
        self.offset = offset
        self.cause = cause or sentence


# ── engines ───────────────────────────────────────────────────────────────────────────────────────


class EngineError(PaddockError):
    """An engine failed; `log` is the end of what it printed, oldest line first."""

    def __init__(self, sentence: str, log: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.log = log


class EngineLoadFailed(EngineError):
    """The engine could not load the model."""


class EngineGone(EngineError):
    """The engine's process ended while it was needed."""


class EngineSlow(EngineError):
    """The engine did not answer, or not finish loading, within its time."""

    status = 504


class EngineRefused(EngineError):
    """The engine answered a request with an error of its own; `code` is the status it gave. A 400 is the
    caller's fault to us too."""

    def __init__(self, sentence: str, code: int, log: tuple[str, ...] = ()) -> None:
        super().__init__(sentence, log)
        self.code = code
        if code == BadRequest.status:
            self.status = code


class ContextOverflow(EngineError):
    """The engine's cache ran full. The scheduler exists so that this never happens."""
