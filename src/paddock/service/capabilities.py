"""What a model can do, told from its files.

One function answers for lists and for details, so the two never disagree (Ollama leaves Jinja templates
out of its lists). A capability is named here when the model has it and Paddock can serve it.
"""

from __future__ import annotations

from paddock.formats.gguf import Header
from paddock.prompts.renderer import jinja_abilities
from paddock.service.speech import jinja_of, speech
from paddock.store.manifests import Config

#: The order in which capabilities are listed.
ORDER = ("completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio")

_SPEECH_IN_PARTS = "nemotron_h_omni"


def capabilities(
    config: Config,
    header: Header | None,
    template: str | None,
    projectors: tuple[Header, ...] = (),
    prefer_go: bool | None = None,
) -> tuple[str, ...]:
    """The capabilities of a model, in the order of ORDER.

    `header` is that of its weights, None for a model that has no GGUF; `template` its Go template;
    `prefer_go` the user's word on which template to take.
    """
    found = set(config.capabilities or ())
    if header is not None:
        found |= _of_weights(header) | _of_projectors(header, projectors)
        found |= jinja_abilities(jinja_of(header))
    spoken = speech(header, template, config, prefer_go)
    if spoken.choice.format is not None:
        found |= spoken.choice.format.says.abilities
    families = {config.model_family, header.architecture if header else None}
    if families & {"gptoss", "gpt-oss"}:
        found.add("thinking")
    if spoken.format.thinks:
        found.add("thinking")
    if not spoken.reads_calls:
        found.discard("tools")
    return tuple(name for name in ORDER if name in found)


def _of_weights(header: Header) -> set[str]:
    if header.pooling_type is not None:
        found = {"embedding"}
    elif header.has_fim:
        found = {"completion", "insert"}
    else:
        found = {"completion"}
    if header.number("vision.block_count"):
        found.add("vision")
    if header.number("audio.block_count"):
        found.add("audio")
    return found


def _of_projectors(header: Header, projectors: tuple[Header, ...]) -> set[str]:
    # A file of the times before there was anything to hear does not say that it sees.
    sees = any(each.metadata.get("clip.has_vision_encoder") is not False for each in projectors)
    found = {"vision"} if sees else set()
    if header.architecture != _SPEECH_IN_PARTS and any(_hears(projector) for projector in projectors):
        found.add("audio")
    return found


def _hears(projector: Header) -> bool:
    keys = ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type")
    # llama.cpp does not run the sound half of Gemma 3n, although the file announces one.
    if any(projector.text(key).startswith("gemma3n") for key in keys):
        return False
    return projector.metadata.get("clip.has_audio_encoder") is True
