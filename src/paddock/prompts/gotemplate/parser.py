"""Builds the tree of a Go template by recursive descent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from paddock.errors import TemplateError
from paddock.prompts.gotemplate import literals
from paddock.prompts.gotemplate.lexer import Kind, Token, error_at, tokens
from paddock.prompts.gotemplate.syntax import (
    Action,
    Block,
    Body,
    Branch,
    Break,
    Chain,
    Command,
    Continue,
    Dot,
    Expression,
    Field,
    Function,
    If,
    Invocation,
    Literal,
    Nil,
    Node,
    Pipeline,
    Range,
    Text,
    Tree,
    Variable,
    With,
)

#: How deep blocks and parentheses may stand inside each other.
MAX_NESTING = 60
#: Variables that one template may declare, so that looking one up stays cheap.
MAX_VARIABLES = 200

_CONSTANT = (Literal, Dot, Nil)
_ENDS_OPERANDS = (Kind.CLOSE, Kind.RIGHT_PAREN, Kind.PIPE)


def parse(source: str, functions: Collection[str]) -> Tree:
    """The tree of a template in which `functions` may be called. Raises TemplateError."""
    return _Parser(source, functions).tree()


class _Scope:
    """The variables of one template: which names are seen now, and how many places they take."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int | None]] = [("$", 0)]
        self.places = 1
        self.loops = 0

    def knows(self, name: str) -> bool:
        return any(seen == name for seen, _ in self.seen)

    def find(self, name: str) -> int | None:
        """Where it stands. Assigning to what nobody declared is an error only when it happens."""
        if not self.knows(name):
            self.seen.append((name, None))
        return next(place for seen, place in reversed(self.seen) if seen == name)

    def declare(self, name: str) -> int:
        self.seen.append((name, self.places))
        self.places += 1
        return self.places - 1


class _Parser:
    def __init__(self, source: str, functions: Collection[str]) -> None:
        self._source = source
        self._functions = functions
        # Read as they are needed, so that of two errors the first one in the text is told.
        self._coming = tokens(source)
        self._tokens: list[Token] = []
        self._next = 0
        self._depth = 0
        self._scope = _Scope()
        self._defined: dict[str, Body] = {}

    # ── tokens ────────────────────────────────────────────────────────────────────────────────────

    def _peek(self, ahead: int = 0) -> Token:
        while len(self._tokens) <= self._next + ahead:
            # Behind the end there is only the end.
            self._tokens.append(next(self._coming, None) or self._tokens[-1])
        return self._tokens[self._next + ahead]

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, context: str, *kinds: Kind) -> Token:
        token = self._take()
        if token.kind not in kinds:
            raise self._unexpected(token, context)
        return token

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        what = "end of template" if token.kind is Kind.END else repr(token.text)
        return error_at(self._source, token.at, f"unexpected {what} in {context}")

    @contextmanager
    def _nested(self, at: int) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise error_at(self._source, at, f"nested deeper than {MAX_NESTING}")
        try:
            yield
        finally:
            self._depth -= 1

    # ── templates ─────────────────────────────────────────────────────────────────────────────────

    def tree(self) -> Tree:
        nodes: list[Node] = []
        while self._peek().kind is not Kind.END:
            if self._is_action("define"):
                self._definition()
            elif self._is_action("end", "else"):
                raise self._unexpected(self._peek(1), "template, which nothing opened")
            else:
                self._node(nodes)
        main = Body(tuple(nodes), self._scope.places)
        self._define("", main, 0)
        return Tree(self._source, main, self._defined)

    def _is_action(self, *keywords: str) -> bool:
        second = self._peek(1)
        return self._peek().kind is Kind.OPEN and second.kind is Kind.KEYWORD and second.text in keywords

    def _definition(self) -> None:
        self._next += 2
        name = self._expect("define clause", Kind.STRING, Kind.RAW_STRING)
        self._expect("define clause", Kind.CLOSE)
        self._define(self._string(name), self._own_body(name.at, "define"), name.at)

    def _own_body(self, at: int, context: str) -> Body:
        """A body with a frame of its own, up to its end."""
        outer, self._scope = self._scope, _Scope()
        with self._nested(at):
            nodes = self._block(context)
            if self._take().text != "end":
                self._next -= 1
                raise self._unexpected(self._peek(), f"{context} clause")
            self._expect("end", Kind.CLOSE)
        scope, self._scope = self._scope, outer
        return Body(nodes, scope.places)

    def _define(self, name: str, body: Body, at: int) -> None:
        """Empty definitions give way, as in Go."""
        known = self._defined.get(name)
        if known is None or _is_empty(known.nodes):
            self._defined[name] = body
        elif not _is_empty(body.nodes):
            raise error_at(self._source, at, f"multiple definition of template {name!r}")

    # ── nodes ─────────────────────────────────────────────────────────────────────────────────────

    def _block(self, context: str) -> Block:
        """Nodes up to an `end` or `else`, whose keyword is the next token then."""
        nodes: list[Node] = []
        while not self._is_action("end", "else"):
            if self._peek().kind is Kind.END:
                raise self._unexpected(self._peek(), f"{context}, which has no end")
            self._node(nodes)
        self._next += 1
        return tuple(nodes)

    def _node(self, nodes: list[Node]) -> None:
        token = self._expect("input", Kind.TEXT, Kind.OPEN)
        if token.kind is Kind.TEXT:
            nodes.append(Text(token.at, token.text))
            return
        keyword = self._peek()
        if keyword.kind is not Kind.KEYWORD:
            nodes.append(Action(token.at, self._pipeline("command", Kind.CLOSE)))
            return
        self._next += 1
        match keyword.text:
            case "if" | "with":
                nodes.append(self._condition(keyword))
            case "range":
                nodes.append(self._range(keyword))
            case "template":
                nodes.append(self._invocation(keyword))
            case "block":
                nodes.append(self._inline_block(keyword))
            case "break" | "continue":
                nodes.append(self._jump(keyword))
            case _:
                raise self._unexpected(keyword, "command")

    def _condition(self, keyword: Token) -> If | With:
        kind = keyword.text
        branches: list[Branch] = []
        seen = len(self._scope.seen)
        with self._nested(keyword.at):
            while True:
                pipeline = self._pipeline(kind, Kind.CLOSE)
                # What a condition declares is seen by the branches after it too.
                known = len(self._scope.seen)
                branches.append(Branch(pipeline, self._block(kind)))
                del self._scope.seen[known:]
                otherwise = self._else(kind)
                if otherwise is not None:
                    break
        del self._scope.seen[seen:]
        return (If if kind == "if" else With)(keyword.at, tuple(branches), otherwise)

    def _else(self, kind: str) -> Block | None:
        """What stands after a branch, up to the end; None where another condition follows."""
        token = self._take()
        if token.text == "end":
            self._expect("end", Kind.CLOSE)
            return ()
        if kind != "range" and self._peek().kind is Kind.KEYWORD and self._peek().text == kind:
            self._next += 1
            return None
        self._expect("else", Kind.CLOSE)
        nodes = self._block(kind)
        end = self._take()
        if end.text != "end":
            raise error_at(self._source, end.at, "expected end; found else")
        self._expect("end", Kind.CLOSE)
        return nodes

    def _range(self, keyword: Token) -> Range:
        seen = len(self._scope.seen)
        with self._nested(keyword.at):
            pipeline = self._pipeline("range", Kind.CLOSE)
            self._scope.loops += 1
            body = self._block("range")
            self._scope.loops -= 1
            otherwise = self._else("range")
        del self._scope.seen[seen:]
        return Range(keyword.at, pipeline, body, otherwise or ())

    def _jump(self, keyword: Token) -> Break | Continue:
        self._expect(keyword.text, Kind.CLOSE)
        if not self._scope.loops:
            raise error_at(self._source, keyword.at, f"{{{{{keyword.text}}}}} outside {{{{range}}}}")
        return (Break if keyword.text == "break" else Continue)(keyword.at)

    def _invocation(self, keyword: Token) -> Invocation:
        name = self._expect("template clause", Kind.STRING, Kind.RAW_STRING)
        if self._peek().kind is Kind.CLOSE:
            self._next += 1
            return Invocation(keyword.at, self._string(name), None, self._depth)
        pipeline = self._pipeline("template clause", Kind.CLOSE)
        return Invocation(keyword.at, self._string(name), pipeline, self._depth)

    def _inline_block(self, keyword: Token) -> Invocation:
        name = self._expect("block clause", Kind.STRING, Kind.RAW_STRING)
        pipeline = self._pipeline("block clause", Kind.CLOSE)
        self._define(self._string(name), self._own_body(name.at, "block"), name.at)
        return Invocation(keyword.at, self._string(name), pipeline, self._depth)

    # ── expressions ───────────────────────────────────────────────────────────────────────────────

    def _pipeline(self, context: str, end: Kind) -> Pipeline:
        at = self._peek().at
        names, declares = self._names(context)
        commands: list[Command] = []
        while True:
            token = self._peek()
            if token.kind is end:
                self._next += 1
                break
            commands.append(self._command(context))
            if self._peek().kind is Kind.PIPE:
                self._next += 1  # Go lets a pipeline end with it
            elif self._peek().kind is not end:
                raise self._unexpected(self._peek(), context)
        if not commands:
            raise error_at(self._source, at, f"missing value for {context}")
        self._check_stages(commands)
        return Pipeline(at, tuple(commands), self._bind(names, declares), declares)

    def _names(self, context: str) -> tuple[list[Token], bool]:
        """The variables in front of `:=` or `=`, and which of the two it was."""
        found: list[Token] = []
        while self._peek().kind is Kind.VARIABLE:
            after = self._peek(1)
            if after.kind in (Kind.DECLARE, Kind.ASSIGN):
                found.append(self._take())
                return found, self._take().kind is Kind.DECLARE
            if after.kind is not Kind.COMMA:
                break
            found.append(self._take())
            self._next += 1
            if context != "range" or len(found) > 1:
                raise error_at(self._source, after.at, f"too many declarations in {context}")
            if self._peek().kind is not Kind.VARIABLE:
                raise error_at(self._source, self._peek().at, "range can only initialize variables")
        return found, True

    def _bind(self, names: Sequence[Token], declares: bool) -> tuple[Variable, ...]:
        # After its commands were read: `$x := $x` speaks of an older $x.
        if declares and names and self._scope.places + len(names) > MAX_VARIABLES:
            raise error_at(self._source, names[0].at, f"more than {MAX_VARIABLES} variables")
        place = self._scope.declare if declares else self._scope.find
        return tuple(Variable(token.at, token.text, place(token.text)) for token in names)

    def _check_stages(self, commands: Sequence[Command]) -> None:
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], _CONSTANT):
                raise error_at(self._source, command.at, f"non executable command in pipeline stage {stage}")

    def _command(self, context: str) -> Command:
        at = self._peek().at
        operands: list[Expression] = []
        while self._peek().kind not in _ENDS_OPERANDS:
            if operands and not self._peek().spaced:
                raise self._unexpected(self._peek(), "operand")
            operands.append(self._operand(context))
        if not operands:
            raise error_at(self._source, at, f"missing value for {context}")
        return Command(at, tuple(operands))

    def _operand(self, context: str) -> Expression:
        token = self._take()
        term = self._term(token, context)
        path: list[str] = []
        while self._peek().kind is Kind.FIELD and not self._peek().spaced:
            path.append(self._take().text[1:])
        if not path:
            return term
        match term:
            case Field(path=start):
                return Field(token.at, (*start, *path))
            case Variable(name=name, place=place):
                return Variable(token.at, name, place, tuple(path))
            case Literal() | Nil() | Dot():
                raise error_at(self._source, token.at, f"unexpected . after term {token.text!r}")
            case _:
                return Chain(token.at, term, tuple(path))

    def _term(self, token: Token, context: str) -> Expression:
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    raise error_at(self._source, token.at, f"function {token.text!r} not defined")
                return Function(token.at, token.text)
            case Kind.DOT:
                return Dot(token.at)
            case Kind.NIL:
                return Nil(token.at)
            case Kind.FIELD:
                return Field(token.at, (token.text[1:],))
            case Kind.VARIABLE:
                if not self._scope.knows(token.text):
                    raise error_at(self._source, token.at, f"undefined variable {token.text!r}")
                return Variable(token.at, token.text, self._scope.find(token.text))
            case Kind.LEFT_PAREN:
                with self._nested(token.at):
                    return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
            case Kind.BOOL | Kind.NUMBER | Kind.CHAR | Kind.STRING | Kind.RAW_STRING:
                return Literal(token.at, self._constant(token), token.text)
            case _:
                raise self._unexpected(token, context)

    def _constant(self, token: Token) -> object:
        try:
            match token.kind:
                case Kind.BOOL:
                    return token.text == "true"
                case Kind.NUMBER:
                    return literals.number(token.text)
                case Kind.CHAR:
                    return literals.character(token.text)
                case _:
                    return literals.string(token.text)
        except ValueError as error:
            raise error_at(self._source, token.at, str(error)) from None

    def _string(self, token: Token) -> str:
        return str(self._constant(token))


def _is_empty(nodes: Block) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
