"""How a model is spoken to and how it answers: one frozen value, told from its files.

`renderer` names what makes its prompts, `format` takes its replies apart. Both are shown with the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.formats.gguf import Header
from paddock.prompts.renderer import Choice, Renderer, choose, jinja_abilities
from paddock.prompts.replies.formats import PLAIN, Format, of_jinja, of_parser, of_tags
from paddock.prompts.replies.thinking import Tags
from paddock.store.manifests import Config

_NONE = Choice(Renderer.NONE)
_NO_CONFIG = Config()
_ABOUT_THINKING = frozenset({"think", "thinklevel", "isthinkset"})


@dataclass(frozen=True, slots=True)
class Speech:
    """`choice` is which of the model's templates makes its prompts. `obeys_think` says that the template is
    told whether to think, and does something about it; `by_engine` that only the engine knows how to read its
    calls."""

    choice: Choice = _NONE
    format: Format = PLAIN
    obeys_think: bool = False
    by_engine: bool = False

    @property
    def reads_calls(self) -> bool:
        """Whether tools can be used."""
        return self.by_engine or self.format.reads_calls

    @property
    def splitter(self) -> str:
        """What takes replies apart, as it is shown."""
        if not self.by_engine:
            return self.format.name
        return "engine, thinking" if self.format.thinks else "engine"

    @property
    def renderer(self) -> str:
        """What makes the prompts, as it is shown: `go-template`, `jinja` where the engine renders the
        template of the GGUF, `none`."""
        return self.choice.renderer.value


def jinja_of(header: Header | None) -> str:
    """The Jinja templates of a GGUF: the usual one, and the one that engines take where tools are offered."""
    if header is None:
        return ""
    return header.chat_template + header.text("tokenizer.chat_template.tool_use")


def speech(
    header: Header | None,
    template: str | None = None,
    config: Config = _NO_CONFIG,
    prefer_go: bool | None = None,
) -> Speech:
    """The speech of a model with these weights, None for one that has no GGUF, and the Go template
    `template`. A parser that the config names tells the format before any template does. `prefer_go` is the
    user's word on which template to take."""
    jinja, family = jinja_of(header), header.architecture if header else ""
    choice = choose(template, jinja, config.renderer, config.model_family or family, prefer_go)
    named = of_parser(config.parser) if config.parser else None
    if choice.renderer is Renderer.JINJA:
        found = named or of_jinja(jinja)
        by_engine = named is None and not found.reads_calls and "tools" in jinja_abilities(jinja)
        return Speech(choice, found, "enable_thinking" in jinja, by_engine)
    if choice.renderer is Renderer.NONE or choice.format is None:
        return Speech(choice, named or PLAIN)
    says = choice.format.says
    thoughts = Tags(*says.thinking) if says.thinking else None
    calls = says.call if says.fields & {"tools", "toolcalls"} else None
    found = named or of_tags(template or "", thoughts, calls)
    return Speech(choice, found, bool(says.fields & _ABOUT_THINKING))
