"""How a model is spoken to and how it answers: one frozen value, told from its files.

`renderer` names what makes its prompts, `format` takes its replies apart. Both are shown with the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.formats.gguf import Header
from paddock.prompts.renderer import Choice, Renderer, choose
from paddock.prompts.replies.formats import PLAIN, Format, of_jinja, of_tags
from paddock.prompts.replies.thinking import Tags
from paddock.store.manifests import Config

_NONE = Choice(Renderer.NONE)
_NO_CONFIG = Config()
_ABOUT_THINKING = frozenset({"think", "thinklevel", "isthinkset"})


@dataclass(frozen=True, slots=True)
class Speech:
    """`choice` is which of the model's templates makes its prompts. `obeys_think` says that the template is
    told whether to think, and does something about it."""

    choice: Choice = _NONE
    format: Format = PLAIN
    obeys_think: bool = False

    @property
    def renderer(self) -> str:
        """What makes the prompts, as it is shown: `go-template`, `jinja` where the engine renders the
        template of the GGUF, `none`."""
        return self.choice.renderer.value


def speech(
    header: Header | None,
    template: str | None = None,
    config: Config = _NO_CONFIG,
    prefer_go: bool | None = None,
) -> Speech:
    """The speech of a model with these weights, None for one that has no GGUF, and the Go template
    `template`. `prefer_go` is the user's word on which template to take."""
    jinja, family = (header.chat_template, header.architecture) if header else ("", "")
    choice = choose(template, jinja, config.renderer, config.model_family or family, prefer_go)
    if choice.renderer is Renderer.JINJA:
        return Speech(choice, of_jinja(jinja), "enable_thinking" in jinja)
    if choice.renderer is Renderer.NONE or choice.format is None:
        return Speech(choice)
    says = choice.format.says
    thoughts = Tags(*says.thinking) if says.thinking else None
    calls = says.call if says.fields & {"tools", "toolcalls"} else None
    format_ = of_tags(template or "", thoughts, calls)
    return Speech(choice, format_, bool(says.fields & _ABOUT_THINKING))
