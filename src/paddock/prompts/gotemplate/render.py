"""Renders Go templates: a tree becomes closures once, which then run for every request.

A rendering always ends: its steps, its output and the depth of its templates are bounded, and a number to
loop to is no way around that. What Go reports while it executes a template is a TemplateError here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from paddock.errors import TemplateError
from paddock.prompts.gotemplate.compute import NIL, Compute, Frame, Limits, compiled
from paddock.prompts.gotemplate.formatting import display
from paddock.prompts.gotemplate.functions import FUNCTIONS, SHORT_CIRCUIT
from paddock.prompts.gotemplate.lexer import error_at
from paddock.prompts.gotemplate.parser import parse
from paddock.prompts.gotemplate.syntax import (
    Action,
    Block,
    Break,
    Continue,
    If,
    Invocation,
    Node,
    Pipeline,
    Range,
    Text,
    Tree,
    Variable,
    With,
    children,
    expressions,
)
from paddock.prompts.gotemplate.values import Byte, plain_text, truth

#: Nodes and expressions that one rendering may evaluate; a long conversation takes some ten thousand.
MAX_STEPS = 1_000_000
#: Characters that one rendering may make.
MAX_OUTPUT = 64 << 20
#: How deep templates may call each other, the blocks around each call counted.
MAX_DEPTH = 160

NAMES = frozenset(FUNCTIONS) | frozenset(SHORT_CIRCUIT)


class _Run(Limits):
    """One rendering: what it has written and what it may still do."""

    __slots__ = ("depth", "out")

    def __init__(self) -> None:
        super().__init__(MAX_STEPS, MAX_OUTPUT)
        self.depth = 0
        self.out: list[str] = []


#: What a node tells the block around it: nothing, or to leave the loop or this turn of it.
_Jump = type[Break] | type[Continue] | None
_Step = Callable[[_Run, Any, Frame], _Jump]


class Template:
    """A template ready to be rendered. Safe to use from several threads at once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._bodies: dict[str, tuple[_Step, int]] = {}
        compiler = _Compiler(tree.source, self._bodies)
        self._main = compiler.block(tree.main.nodes), tree.main.places
        for name, body in tree.defined.items():
            compiled = None if body is tree.main else (compiler.block(body.nodes), body.places)
            self._bodies[name] = compiled or self._main

    @classmethod
    def parse(cls, source: str) -> Template:
        """Raises TemplateError."""
        return cls(parse(source, NAMES))

    def render(self, data: Mapping[str, Any]) -> str:
        """The text of the template for `data`, which is the value in hand at its start. Raises
        TemplateError."""
        run = _Run()
        block, places = self._main
        try:
            block(run, data, [data, *[None] * (places - 1)])
        except RecursionError:  # data that is nested without end, printed
            raise error_at(self.tree.source, 0, "a value is nested too deeply to be printed") from None
        return plain_text("".join(run.out))


class _Compiler:
    """Makes closures of nodes; expressions are compiled by `compute`."""

    def __init__(self, source: str, bodies: Mapping[str, tuple[_Step, int]]) -> None:
        self._source = source
        self._bodies = bodies

    def block(self, nodes: Block) -> _Step:
        """A step that takes all of these in order."""
        steps = tuple(self._node(node) for node in nodes)
        cost = 1 + sum(_cost(node) for node in nodes)
        at = nodes[0].at if nodes else 0
        source = self._source

        def run_block(run: _Run, dot: Any, frame: Frame) -> _Jump:
            run.steps -= cost
            if run.steps < 0:
                raise error_at(source, at, f"the template takes more than {MAX_STEPS} steps")
            for step in steps:
                jump = step(run, dot, frame)
                if jump is not None:
                    return jump
            return None

        return run_block

    def _node(self, node: Node) -> _Step:
        match node:
            case Text():
                return self._text(node)
            case Action():
                return self._action(node)
            case If() | With():
                return self._condition(node)
            case Range():
                return self._range(node)
            case Invocation():
                return self._invocation(node)
            case Break() | Continue():
                jump = type(node)
                return lambda run, dot, frame: jump

    def _value(self, pipeline: Pipeline) -> Compute:
        return compiled(pipeline, self._source)

    def _text(self, node: Text) -> _Step:
        text, write = node.text, self._write(node.at)

        def run_text(run: _Run, dot: Any, frame: Frame) -> _Jump:
            write(run, text)
            return None

        return run_text

    def _write(self, at: int) -> Callable[[_Run, str], None]:
        source = self._source

        def write(run: _Run, text: str) -> None:
            run.room -= len(text)
            if run.room < 0:
                raise error_at(source, at, f"the template writes more than {MAX_OUTPUT} characters")
            run.out.append(text)

        return write

    def _action(self, node: Action) -> _Step:
        value, write = self._value(node.pipeline), self._write(node.at)
        prints = not node.pipeline.names

        def run_action(run: _Run, dot: Any, frame: Frame) -> _Jump:
            found = value(run, dot, frame)
            if prints:
                write(run, found if type(found) is str else display(found))
            return None

        return run_action

    def _condition(self, node: If | With) -> _Step:
        branches = tuple((self._value(each.pipeline), self.block(each.body)) for each in node.branches)
        otherwise, holds = self.block(node.otherwise), isinstance(node, With)

        def run_condition(run: _Run, dot: Any, frame: Frame) -> _Jump:
            for value, body in branches:
                found = value(run, dot, frame)
                if truth(found):
                    return body(run, found if holds else dot, frame)
            return otherwise(run, dot, frame)

        return run_condition

    def _range(self, node: Range) -> _Step:
        value, body, otherwise = self._value(node.pipeline), self.block(node.body), self.block(node.otherwise)
        pairs = self._pairs(node)
        put = _putter(node.pipeline.names)

        def run_range(run: _Run, dot: Any, frame: Frame) -> _Jump:
            found = value(run, dot, frame)
            if found is None:
                return otherwise(run, dot, frame)
            anything = False
            for key, element in pairs(run, found):
                anything = True
                element = NIL if element is None else element
                put(frame, key, element)
                if body(run, element, frame) is Break:
                    break
            return None if anything else otherwise(run, dot, frame)

        return run_range

    def _pairs(self, node: Range) -> Callable[[_Run, Any], Iterable[tuple[Any, Any]]]:
        source, at, two = self._source, node.pipeline.at, len(node.pipeline.names) > 1

        def refused(value: Any) -> TemplateError:
            return error_at(source, at, f"range can't iterate over {display(value)}")

        def pairs(run: _Run, value: Any) -> Iterable[tuple[Any, Any]]:
            match value:
                case list() | tuple():
                    return enumerate(value)
                case bytes():
                    return enumerate(map(Byte, value))
                case Mapping():
                    run.steps -= len(value) // 16  # they are sorted, however few are looked at
                    return [(key, value[key]) for key in sorted(value)]
                case bool():
                    raise refused(value)
                case int():
                    if two:
                        raise error_at(
                            source, at, f"can't use {value} to iterate over more than one variable"
                        )
                    return ((number, number) for number in range(value))
                case _:
                    raise refused(value)

        return pairs

    def _invocation(self, node: Invocation) -> _Step:
        source, bodies, name, levels = self._source, self._bodies, node.name, node.depth + 1
        value = None if node.pipeline is None else self._value(node.pipeline)

        def run_invocation(run: _Run, dot: Any, frame: Frame) -> _Jump:
            if name not in bodies:
                raise error_at(source, node.at, f"template {name!r} not defined")
            block, places = bodies[name]
            data = None if value is None else value(run, dot, frame)
            run.depth += levels
            if run.depth > MAX_DEPTH:
                raise error_at(source, node.at, "the templates call each other too deeply")
            block(run, data, [data, *[None] * (places - 1)])
            run.depth -= levels
            return None

        return run_invocation


def _putter(names: Sequence[Variable]) -> Callable[[Frame, Any, Any], None]:
    """Puts key and element of one turn of a loop where its variables stand."""
    places = [variable.place for variable in names]

    def put(frame: Frame, key: Any, element: Any) -> None:
        if places and (last := places[-1]) is not None:
            frame[last] = element
            if len(places) > 1 and (first := places[0]) is not None:
                frame[first] = key

    return put


def _cost(node: Node) -> int:
    """Steps of a node itself; the blocks in it count when they run."""
    return 1 + sum(1 for each in children(node) if isinstance(each, Pipeline) for _ in expressions(each))
