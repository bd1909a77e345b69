"""From messages to prompt text through a model's Go template.

Three ways, told apart by what the template speaks of and what is asked. A template with `.Messages` sees
the whole conversation at once. An older one, with `.Prompt` and `.Response`, is rendered once for every
exchange, the last time only up to where the model goes on. For a text to insert between two others it sees
`.Prompt` and `.Suffix`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddock.messages import Message, Think
from paddock.prompts import tools as tool_values
from paddock.prompts.gotemplate.insight import Insight, insight, up_to_response
from paddock.prompts.gotemplate.parser import parse
from paddock.prompts.gotemplate.render import NAMES, Template
from paddock.prompts.gotemplate.syntax import Body, Tree
from paddock.prompts.gotemplate.values import Record

_RESPONSE = "{{ .Response }}"


@dataclass(frozen=True, slots=True)
class GoFormat:
    """A model's prompt format. Safe to use from several threads at once."""

    says: Insight
    _whole: Template
    _beginning: Template

    @classmethod
    def parse(cls, source: str) -> GoFormat:
        """Raises TemplateError, with the line and column in `source`."""
        tree = parse(source, NAMES)
        says = insight(tree)
        if not says.fields & {"messages", "response"}:
            # Where the answer goes is left unsaid: at the end.
            tree = parse(source + _RESPONSE, NAMES)
            says = insight(tree)
        return cls(says, Template(tree), Template(_up_to_response(tree)))

    def conversation(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], think: Think | None
    ) -> str:
        """The prompt that ends where the model goes on. Raises TemplateError."""
        system, said = collated(messages)
        if "messages" not in self.says.fields:
            return self._exchanges(said, thinking(think))
        return self._whole.render(
            {
                "System": system,
                "Messages": tuple(map(_message, said)),
                "Tools": tool_values.definitions(tools),
                "Response": "",
                **thinking(think),
            }
        )

    def insertion(self, prompt: str, suffix: str, think: Think | None) -> str:
        """The prompt for a text between `prompt` and `suffix`. Raises TemplateError."""
        return self._whole.render({"Prompt": prompt, "Suffix": suffix, "Response": "", **thinking(think)})

    def _exchanges(self, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        *earlier, last = exchanges(messages)
        parts = [self._whole.render({**exchange, **variables}) for exchange in earlier]
        return "".join((*parts, self._beginning.render({**last, **variables})))


def _up_to_response(tree: Tree) -> Tree:
    return replace(tree, main=Body(up_to_response(tree.main.nodes), tree.main.places))


def collated(messages: Sequence[Message]) -> tuple[str, tuple[Message, ...]]:
    """All system messages as one text, and the messages with neighbours of the same role made one, joined by
    a blank line; only results of tools stay apart."""
    found: list[Message] = []
    for message in messages:
        if found and found[-1].role == message.role != "tool":
            found[-1] = _joined(found[-1], message)
        else:
            found.append(message)
    return "\n\n".join(each.content for each in messages if each.role == "system"), tuple(found)


def _joined(first: Message, second: Message) -> Message:
    thoughts = [thought for thought in (first.thinking, second.thinking) if thought]
    return replace(
        first,
        content=f"{first.content}\n\n{second.content}",
        thinking="\n\n".join(thoughts),
        tool_calls=(*first.tool_calls, *second.tool_calls),
        media=(*first.media, *second.media),
    )


def exchanges(messages: Sequence[Message]) -> Iterator[dict[str, str]]:
    """What templates without `.Messages` see: system prompt, question and answer, up to three messages at a
    time. The last one is what the model has to go on with, and always comes."""
    turn = {"System": "", "Prompt": "", "Response": ""}
    for message in messages:
        match message.role:
            case "system":
                begins = turn["Prompt"] or turn["Response"]
                name = "System"
            case "user":
                begins = turn["Response"]
                name = "Prompt"
            case "assistant":
                begins = ""
                name = "Response"
            case _:
                continue
        if begins:
            yield turn
            turn = {"System": "", "Prompt": "", "Response": ""}
        turn[name] = message.content
    yield turn


def thinking(think: Think | None) -> dict[str, Any]:
    """The variables about thinking."""
    level = think if isinstance(think, str) else "medium" if think else ""
    return {"Think": bool(think), "ThinkLevel": level, "IsThinkSet": think is not None}


def _message(message: Message) -> Record:
    return Record(
        "api.Message",
        {
            "Role": message.role,
            "Content": message.content,
            "Thinking": message.thinking,
            # They stand in the content already; a template may only want to know how many there are.
            "Images": tuple(medium.digest for medium in message.media),
            "ToolCalls": tool_values.calls(message.tool_calls),
            "ToolName": message.tool_name,
            "ToolCallID": message.tool_call_id,
        },
    )
