"""The words of llama-server's HTTP: what it is asked and what it answers, as values. No I/O.

Bytes that come from an engine are checked against the structs below before anybody uses them. Source:
the documentation of llama.cpp's server (`tools/server/README.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from paddock.messages import Logprob, Medium
from paddock.options import Sampling


@dataclass(frozen=True, slots=True)
class Mixed:
    """A prompt with pictures or recordings: in `text` the engine's marker stands for each of `media`, in
    order. BOS is not in it; the engine adds that."""

    text: str
    media: tuple[Medium, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """What to complete. `predict` bounds the answer in tokens; `alternatives` asks for log-probabilities
    with so many other candidates a token (None: none at all); `grammar` is GBNF; `endless` goes on where the
    model would end, so that a measurement has as many tokens as it asked for; `preserved` are special tokens
    whose text is wanted.

    Where the engine is to read something `mixed`, `tokens` only tell how many that will be.
    """

    tokens: tuple[int, ...]
    sampling: Sampling
    predict: int
    alternatives: int | None = None
    grammar: str = ""
    endless: bool = False
    preserved: tuple[str, ...] = ()
    mixed: Mixed | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the prompt is read: `processed` of `total` tokens, `cached` of them found in the slot, in
    `spent` nanoseconds."""

    total: int
    cached: int
    processed: int
    spent: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How a completion ended. Times are nanoseconds; `shifted` tokens fell out of the window meanwhile;
    `at_stop_word` says that a stop word came, whose tokens are told although its text is not."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    prompt_ns: int
    output_tokens: int
    output_ns: int
    shifted: int
    at_stop_word: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A step of a completion: some text, or how far the prompt is read. `end` is set on the last one.

    `written` counts the tokens of the answer so far. It may rise by more than `tokens` tells: those that
    end inside a character are counted and not told.
    """

    text: str = ""
    tokens: tuple[int, ...] = ()
    written: int = 0
    logprobs: tuple[Logprob, ...] = ()
    progress: Progress | None = None
    end: End | None = None


# ── what it is asked ──────────────────────────────────────────────────────────────────────────────

#: What Ollama has no option for stays out of the chain of samplers, or off; a model file might ask for it.
_UNASKED = {
    "samplers": ["penalties", "top_k", "typ_p", "top_p", "min_p", "temperature"],
    "mirostat": 0,
    "dynatemp_range": 0.0,
}


#: The engine counts in 32 bits.
_LARGEST = (1 << 31) - 1


def completion_body(wanted: Completion) -> dict[str, Any]:
    """Every sampling value is sent, because model files and engine defaults would fill the gaps."""
    body: dict[str, Any] = {"prompt": _prompt(wanted), "return_tokens": True}
    body |= sampling_body(wanted.sampling, wanted.predict, len(wanted.tokens) + wanted.predict)
    if wanted.alternatives is not None:
        body["n_probs"] = max(wanted.alternatives, 1)
    if wanted.grammar:
        body["grammar"] = wanted.grammar
    if wanted.endless:
        body["ignore_eos"] = True
    if wanted.preserved:
        body["preserved_tokens"] = wanted.preserved
    return body


def sampling_body(how: Sampling, predict: int, most: int) -> dict[str, Any]:
    """How to write an answer of `predict` tokens, `most` with the prompt."""
    return {
        "n_predict": predict,
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        "n_keep": max(-1, min(how.num_keep, _LARGEST)),
        "seed": how.seed,
        "temperature": how.temperature,
        "top_k": max(0, min(how.top_k, _LARGEST)),
        "top_p": how.top_p,
        "min_p": how.min_p,
        "typical_p": how.typical_p,
        "repeat_penalty": how.repeat_penalty,
        "presence_penalty": how.presence_penalty,
        "frequency_penalty": how.frequency_penalty,
        "stop": [word for word in how.stop if word],  # an empty one is found at once
        **_UNASKED,
        # Ollama's -1 is "the whole window". The engine takes no negative number, and reserves memory for a
        # large one; there will never be more tokens than these.
        "repeat_last_n": how.repeat_last_n if 0 <= how.repeat_last_n < most else most,
    }


def _prompt(wanted: Completion) -> Any:
    if wanted.mixed is None:
        return wanted.tokens
    media = [medium.encoded for medium in wanted.mixed.media]
    return {"prompt_string": wanted.mixed.text, "multimodal_data": media}


# ── what it answers ───────────────────────────────────────────────────────────────────────────────


class Reached(msgspec.Struct):
    """How far the prompt is read. The time is milliseconds."""

    total: int = 0
    cache: int = 0
    processed: int = 0
    time_ms: float = 0.0


class Timings(msgspec.Struct):
    """What a reply took. Times are milliseconds."""

    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0


class _Probability(msgspec.Struct):
    id: int = -1
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] = []
    top_logprobs: list[_Probability] = []


class Error(msgspec.Struct):
    """What went wrong, in the engine's words."""

    code: int = 500
    message: str = ""
    type: str = ""


class Event(msgspec.Struct):
    """One event of a streamed completion."""

    content: str = ""
    tokens: list[int] = []
    stop: bool = False
    stop_type: str = ""
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    tokens_cached: int = 0
    prompt_progress: Reached | None = None
    completion_probabilities: list[_Probability] = []
    timings: Timings | None = None
    error: Error | None = None


class _Failure(msgspec.Struct):
    error: Error


decode_event = msgspec.json.Decoder(Event).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode


class Properties(msgspec.Struct):
    """What `/props` says of a loaded model, as far as it matters here."""

    class Generation(msgspec.Struct):
        """How a slot generates by default."""

        n_ctx: int = 0

    class Modalities(msgspec.Struct):
        """What else than text the model takes in."""

        vision: bool = False
        audio: bool = False

    total_slots: int = 1
    default_generation_settings: Generation = msgspec.field(default_factory=Generation)
    modalities: Modalities = msgspec.field(default_factory=Modalities)
    chat_template: str = ""
    bos_token: str = ""
    media_marker: str = ""


class Slot(msgspec.Struct):
    """One slot."""

    is_processing: bool


class Saved(msgspec.Struct):
    """A slot was written to a file."""

    n_saved: int


class Restored(msgspec.Struct):
    """A slot was read from a file."""

    n_restored: int


class Tokens(msgspec.Struct):
    """A text as tokens."""

    tokens: list[int]


class Counted(msgspec.Struct):
    """How many tokens a chat has."""

    input_tokens: int


class Text(msgspec.Struct):
    """Tokens as text."""

    content: str


class Prompt(msgspec.Struct):
    """A conversation as one text."""

    prompt: str


class Vector(msgspec.Struct):
    """The rows of numbers for one text: one row where the engine pools. What is no number comes as null."""

    embedding: Annotated[list[list[float | None]], msgspec.Meta(min_length=1)]

    @property
    def pooled(self) -> tuple[float, ...]:
        """The first row, NaN where there is no number."""
        return tuple(math.nan if entry is None else entry for entry in self.embedding[0])


Vectors = Annotated[list[Vector], msgspec.Meta(min_length=1)]


def piece_of(event: Event) -> Piece:
    """An event that tells of no error, as a step of a completion."""
    if event.prompt_progress is not None:
        return Piece(progress=progress_of(event.prompt_progress))
    return Piece(
        text=event.content,
        tokens=tuple(event.tokens),
        written=event.tokens_predicted,
        logprobs=tuple(map(_logprob, event.completion_probabilities)),
        end=_end(event) if event.stop else None,
    )


def progress_of(seen: Reached) -> Progress:
    """How far the prompt is read."""
    return Progress(seen.total, seen.cache, seen.processed, round(seen.time_ms * 1e6))


def _logprob(seen: _Probability) -> Logprob:
    top = tuple(map(_logprob, seen.top_logprobs))
    return Logprob(seen.token, seen.logprob, tuple(seen.bytes), top, seen.id)


def _end(event: Event) -> End:
    spent = event.timings or Timings()
    # The last token written is never in the cache, hence the one; the rest was shifted out.
    in_all = event.tokens_evaluated + event.tokens_predicted
    return End(
        reason="length" if event.stop_type == "limit" else "stop",
        prompt_tokens=spent.cache_n + spent.prompt_n or event.tokens_evaluated,
        cached_tokens=spent.cache_n,
        prompt_ns=round(spent.prompt_ms * 1e6),
        output_tokens=event.tokens_predicted,
        output_ns=round(spent.predicted_ms * 1e6),
        shifted=max(in_all - 1 - event.tokens_cached, 0),
        at_stop_word=event.stop_type == "word",
    )


def failure_of(data: bytes) -> Error:
    """The error in an answer that is none."""
    try:
        return _decode_failure(data).error
    except msgspec.DecodeError:
        return Error(message=data[:300].decode("utf-8", "replace"))
