"""What a Go template says of its model: whether it takes tools, a text to insert into, a thought, and how it
marks them.

The rules are Ollama's, so that a model is told to be able to do the same things here as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paddock.prompts.gotemplate.syntax import (
    Action,
    Block,
    Branch,
    Field,
    If,
    Invocation,
    Literal,
    Node,
    Pipeline,
    Range,
    Text,
    Tree,
    Variable,
    With,
    children,
    expressions,
    names,
    walk,
)

#: What begins a call where the template shows no mark.
JSON_CALL = "{"


@dataclass(frozen=True, slots=True)
class Insight:
    """`fields` are all names of fields in it, in lower case. `thinking` are the marks around a thought.
    `call` is what stands before a tool call. `tool_results` says that it shows calls and their results."""

    fields: frozenset[str]
    thinking: tuple[str, str] | None
    call: str
    tool_results: bool

    @property
    def abilities(self) -> frozenset[str]:
        """Those of `tools`, `insert` and `thinking` that it makes room for."""
        found = {
            "tools": "tools" in self.fields,
            "insert": "suffix" in self.fields,
            "thinking": self.thinking is not None,
        }
        return frozenset(name for name, present in found.items() if present)


def insight(tree: Tree) -> Insight:
    """What `tree` says, the templates that it defines included."""
    blocks = tuple(body.nodes for body in tree.defined.values())
    fields = frozenset(name.lower() for nodes in blocks for name in _fields(nodes))
    words = {
        each.value
        for nodes in blocks
        for each in walk(nodes)
        if isinstance(each, Literal) and each.value == "tool"
    }
    return Insight(
        fields=fields,
        thinking=next((tags for nodes in blocks for tags in _thoughts(nodes, False)), None),
        call=next((mark for nodes in blocks for mark in _calls(nodes)), JSON_CALL),
        tool_results="toolcalls" in fields and bool(words or fields & {"toolname", "toolcallid"}),
    )


def _fields(nodes: Block) -> Iterator[str]:
    for each in walk(nodes):
        yield from getattr(each, "path", ())


def _inner(node: Node) -> Iterator[Block]:
    return (child for child in children(node) if not isinstance(child, Pipeline))


def _speaks_of(pipeline: Pipeline, name: str) -> bool:
    return name in names(pipeline)


# ── thoughts ──────────────────────────────────────────────────────────────────────────────────────


def _thoughts(nodes: Block, in_messages: bool) -> Iterator[tuple[str, str]]:
    """The texts at both ends of every list that prints the thought of a message."""
    if in_messages and any(isinstance(node, Action) and _prints_thought(node) for node in nodes):
        first, last = nodes[0], nodes[-1]
        if isinstance(first, Text) and isinstance(last, Text):
            opening, closing = first.text.strip(), last.text.strip()
            if opening and closing:
                yield opening, closing
    for node in nodes:
        messages = _speaks_of(node.pipeline, "Messages") if isinstance(node, Range) else in_messages
        for block in _inner(node):
            yield from _thoughts(block, messages)


def _prints_thought(action: Action) -> bool:
    found = expressions(action.pipeline)
    return any(isinstance(each, Field | Variable) and each.path[-1:] == ("Thinking",) for each in found)


# ── calls ─────────────────────────────────────────────────────────────────────────────────────────


def _calls(nodes: Block) -> Iterator[str]:
    """What stands first in each block that is there for tool calls, up to a brace."""
    for node in nodes:
        for pipeline, body in _guarded(node):
            text = next(_texts(body), None) if _speaks_of(pipeline, "ToolCalls") else None
            if text is not None:
                mark = text.partition("{")[0].strip()
                # What only ends a list does not begin a call.
                yield JSON_CALL if mark.startswith("]") else mark or JSON_CALL
        for block in _inner(node):
            yield from _calls(block)


def _guarded(node: Node) -> Iterator[tuple[Pipeline, Block]]:
    """The blocks of a node, each with what it depends on."""
    match node:
        case If(branches=branches) | With(branches=branches):
            yield from ((branch.pipeline, branch.body) for branch in branches)
        case Range(pipeline=pipeline, body=body):
            yield pipeline, body


def _texts(nodes: Block) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text) and node.text.strip():
            yield node.text
        for block in _inner(node):
            yield from _texts(block)


# ── cutting ───────────────────────────────────────────────────────────────────────────────────────


def up_to_response(nodes: Block) -> Block:
    """The nodes without what follows the first one that speaks of `.Response`: where the model goes on."""
    return _cut(nodes)[0]


def _cut(nodes: Block) -> tuple[Block, bool]:
    kept: list[Node] = []
    for node in nodes:
        node, found = _cut_node(node)
        kept.append(node)
        if found:
            return tuple(kept), True
    return nodes, False


def _cut_node(node: Node) -> tuple[Node, bool]:
    match node:
        case Action(pipeline=pipeline):
            return node, _speaks_of(pipeline, "Response")
        case Invocation(pipeline=Pipeline() as pipeline):
            return node, _speaks_of(pipeline, "Response")
        case If(at=at) | With(at=at):
            branches: list[Branch] = []
            for branch in node.branches:
                body, found = ((), True) if _speaks_of(branch.pipeline, "Response") else _cut(branch.body)
                branches.append(Branch(branch.pipeline, body))
                if found:
                    return type(node)(at, tuple(branches), ()), True
            otherwise, found = _cut(node.otherwise)
            return type(node)(at, node.branches, otherwise), found
        case Range(at=at, pipeline=pipeline):
            body, found = ((), True) if _speaks_of(pipeline, "Response") else _cut(node.body)
            if found:
                return Range(at, pipeline, body, ()), True
            otherwise, found = _cut(node.otherwise)
            return Range(at, pipeline, node.body, otherwise), found
        case _:
            return node, False
