"""What a model can do, told from its files.

One function answers for lists and for details, so the two never disagree (Ollama leaves Jinja templates
out of its lists). A capability is named here when the model has it and Paddock can serve it.
"""

from __future__ import annotations

import re

from paddock.formats.gguf import Header
from paddock.service.speech import speech
from paddock.store.manifests import Config

#: The order in which capabilities are listed.
ORDER = ("completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio")

_GO_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_SPEECH_IN_PARTS = "nemotron_h_omni"


def capabilities(
    config: Config, header: Header | None, template: str | None, projectors: tuple[Header, ...] = ()
) -> tuple[str, ...]:
    """The capabilities of a model, in the order of ORDER, less what Paddock cannot serve: tools where the
    form of the model's calls is not known.

    `header` is that of its weights, None for a model that has no GGUF; `template` its Go template.
    """
    found = set(config.capabilities or ())
    if header is not None:
        found |= _of_weights(header) | _of_projectors(header, projectors)
        found |= _of_jinja(header.chat_template)
    found |= _of_go_template(template or "")
    families = {config.model_family, header.architecture if header else None}
    if families & {"gptoss", "gpt-oss"}:
        found.add("thinking")
    format_ = speech(header).format
    if format_.thinks:
        found.add("thinking")
    if not format_.reads_calls:
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


def _of_jinja(template: str) -> set[str]:
    found = set()
    if "tools" in template or "tool_call" in template:
        found.add("tools")
    closes = "</think>" in template or "enable_thinking" in template
    cuts = re.search(r"""split\(\s*['"]</think>""", template)
    if cuts or ("<think>" in template and closes):
        found.add("thinking")
    return found


def _of_go_template(template: str) -> set[str]:
    actions = " ".join(_GO_ACTION.findall(template))
    words = {".Tools": "tools", ".Suffix": "insert", ".Thinking": "thinking"}
    return {name for word, name in words.items() if re.search(rf"{re.escape(word)}\b", actions)}
