"""Which of its templates a model's prompts are made with: one decision, visible in `show`.

A model may bring a Go template of its own, and a Jinja template inside its GGUF, and they need not be able
to do the same. The rules are Ollama's; a renderer that is built into Ollama gives way to Jinja.
"""

from __future__ import annotations

import enum
import logging
import re
from dataclasses import dataclass

from paddock.errors import TemplateError, Unsupported
from paddock.prompts.templated import GoFormat

_log = logging.getLogger(__name__)

_COUNTED = frozenset({"tools", "thinking", "insert"})
_HARMONY = ("<|start|>", "<|end|>")
_GPT_OSS = frozenset({"gptoss", "gpt-oss"})
_TOOL_ROLE = re.compile(r"""['"](?:tool|ipython|tool_response)['"]|tool_call_id|tool_responses?\b""")


class Renderer(enum.Enum):
    """What makes the text of a prompt; the value is what `show` says."""

    GO = "go-template"
    JINJA = "jinja"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen. `format` is the Go template, also where conversations go through Jinja: a text to
    insert may need it. No prompt can be made with a renderer that is `unknown` here, nor with a Go template
    that is `broken` and has nothing to stand in for it."""

    renderer: Renderer
    format: GoFormat | None = None
    unknown: str = ""
    broken: str = ""

    def check(self) -> None:
        """Raises Unsupported or TemplateError where no prompt can be made."""
        if self.unknown:
            raise Unsupported(f'unknown renderer "{self.unknown}"', "completion")
        if self.broken:
            GoFormat.parse(self.broken)

    @property
    def is_bare(self) -> bool:
        """Whether the model has no template at all, so that it completes what it is given."""
        return self.renderer is Renderer.NONE and not self.unknown and not self.broken


def choose(
    go: str | None,
    jinja: str,
    named: str | None = None,
    family: str | None = None,
    prefer_go: bool | None = None,
) -> Choice:
    """The renderer of a model with the Go template `go`, the Jinja template `jinja`, each perhaps empty, and
    a renderer of Ollama's own that its config names. `prefer_go` is the user's word, None for none."""
    format_, problem = _parsed(go)
    if named:
        return Choice(Renderer.JINJA, format_) if jinja else Choice(Renderer.NONE, format_, unknown=named)
    if jinja and (format_ is None or not _go_wins(format_, go or "", jinja, family, prefer_go)):
        if problem is not None:
            _log.warning("the Go template cannot be read, the Jinja template is used: %s", problem)
        return Choice(Renderer.JINJA, format_)
    if format_ is not None:
        return Choice(Renderer.GO, format_)
    return Choice(Renderer.NONE, broken=go or "")


def _parsed(go: str | None) -> tuple[GoFormat | None, TemplateError | None]:
    if not go:
        return None, None
    try:
        return GoFormat.parse(go), None
    except TemplateError as error:
        return None, error


def _go_wins(format_: GoFormat, go: str, jinja: str, family: str | None, prefer_go: bool | None) -> bool:
    if prefer_go is not None:
        return prefer_go
    if family in _GPT_OSS and all(mark in go for mark in _HARMONY):
        return True
    ours, theirs = format_.says.abilities & _COUNTED, jinja_abilities(jinja) & _COUNTED
    results, their_results = format_.says.tool_results, jinja_shows_results(jinja)
    if len(theirs) > len(ours):
        return results and not their_results
    if theirs == ours and "tools" in ours:
        return results or not their_results
    return True


def jinja_abilities(template: str) -> frozenset[str]:
    """Those of `tools` and `thinking` that a Jinja template makes room for."""
    found = set()
    if "tools" in template or "tool_call" in template:
        found.add("tools")
    closes = "</think>" in template or "enable_thinking" in template
    cuts = re.search(r"""split\(\s*['"]</think>""", template)
    if cuts or ("<think>" in template and closes):
        found.add("thinking")
    return frozenset(found)


def jinja_shows_results(template: str) -> bool:
    """Whether a Jinja template shows tool calls and their results."""
    return "tool_calls" in template and _TOOL_ROLE.search(template) is not None
