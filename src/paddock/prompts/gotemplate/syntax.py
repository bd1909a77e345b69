"""From tokens to the tree of a Go template.

The tree is made of frozen values, so that one parsed template serves every request, and so that others can
look into it: which fields it speaks of, what stands around them. Names of variables are resolved here: each
declaration gets a place of its own in the frame of its template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# ── expressions ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: bool, int, float, complex or str."""

    at: int
    value: object
    text: str


@dataclass(frozen=True, slots=True)
class Nil:
    """The word nil."""

    at: int


@dataclass(frozen=True, slots=True)
class Dot:
    """The value in hand."""

    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B`, seen from the value in hand."""

    at: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name.A.B`. `place` is where its value stands in the frame; None if nothing has declared it."""

    at: int
    name: str
    place: int | None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).A.B` or `function.A.B`."""

    at: int
    base: Expression
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """An operand, or a function and its arguments."""

    at: int
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`. `names` are what its value is put in, `declares` whether they are new."""

    at: int
    commands: tuple[Command, ...]
    names: tuple[Variable, ...] = ()
    declares: bool = False


Expression = Literal | Nil | Dot | Field | Variable | Chain | Function | Pipeline

# ── nodes ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Text:
    """What is printed as it stands."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipeline}}`: its value is printed, unless it is put into a variable."""

    at: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """One condition of an `if` or `with`, and what it guards."""

    pipeline: Pipeline
    body: Block


@dataclass(frozen=True, slots=True)
class If:
    """`{{if}}`, its `{{else if}}`s and its `{{else}}`."""

    at: int
    branches: tuple[Branch, ...]
    otherwise: Block


@dataclass(frozen=True, slots=True)
class With:
    """`{{with}}`: as `if`, with the value in hand inside the branch."""

    at: int
    branches: tuple[Branch, ...]
    otherwise: Block


@dataclass(frozen=True, slots=True)
class Range:
    """`{{range}}`; `otherwise` is for when there is nothing to go through."""

    at: int
    pipeline: Pipeline
    body: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class Invocation:
    """`{{template "name" pipeline}}`. `depth` is how deep it stands inside blocks and parentheses."""

    at: int
    name: str
    pipeline: Pipeline | None
    depth: int


@dataclass(frozen=True, slots=True)
class Break:
    """`{{break}}`."""

    at: int


@dataclass(frozen=True, slots=True)
class Continue:
    """`{{continue}}`."""

    at: int


Node = Text | Action | If | With | Range | Invocation | Break | Continue
Block = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """What one template consists of; `places` is the size of its frame, the data's own place included."""

    nodes: Block
    places: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed template: the text itself, and the templates that it defines."""

    source: str = field(repr=False)
    main: Body
    defined: Mapping[str, Body]


# ── looking into a tree ───────────────────────────────────────────────────────────────────────────


def children(node: Node) -> Iterator[Pipeline | Block]:
    """The pipelines and blocks of a node, in the order of the text."""
    match node:
        case Action(pipeline=pipeline):
            yield pipeline
        case If(branches=branches, otherwise=otherwise) | With(branches=branches, otherwise=otherwise):
            for branch in branches:
                yield branch.pipeline
                yield branch.body
            yield otherwise
        case Range(pipeline=pipeline, body=body, otherwise=otherwise):
            yield from (pipeline, body, otherwise)
        case Invocation(pipeline=Pipeline() as pipeline):
            yield pipeline


def expressions(pipeline: Pipeline) -> Iterator[Expression]:
    """Every expression in a pipeline, those in parentheses too, in the order of the text."""
    for command in pipeline.commands:
        for operand in command.operands:
            yield operand
            base = operand.base if isinstance(operand, Chain) else operand
            if base is not operand:
                yield base
            if isinstance(base, Pipeline):
                yield from expressions(base)


def walk(nodes: Block) -> Iterator[Node | Expression]:
    """Every node and every expression in it, in the order of the text."""
    for node in nodes:
        yield node
        for child in children(node):
            yield from expressions(child) if isinstance(child, Pipeline) else walk(child)


def names(pipeline: Pipeline) -> frozenset[str]:
    """The field names that a pipeline speaks of."""
    found = (getattr(each, "path", ()) for each in expressions(pipeline))
    return frozenset(name for path in found for name in path)
