"""How a model is spoken to and how it answers: one frozen value, told from its files.

`renderer` names what makes its prompts, `format` takes its replies apart. Both are shown with the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.formats.gguf import Header
from paddock.prompts.replies.formats import PLAIN, Format, of_jinja


@dataclass(frozen=True, slots=True)
class Speech:
    """`renderer` is `jinja` where the engine renders the template of the GGUF, `none` where there is no
    template that could be rendered. `obeys_think` says that the template is told whether to think, and
    does something about it."""

    renderer: str = "none"
    format: Format = PLAIN
    obeys_think: bool = False


def speech(header: Header | None) -> Speech:
    """The speech of a model with these weights; None for one that has no GGUF."""
    template = header.chat_template if header else ""
    if not template:
        return Speech()
    return Speech("jinja", of_jinja(template), "enable_thinking" in template)
