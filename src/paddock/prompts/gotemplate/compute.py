"""The values of expressions: pipelines become closures.

Three ways of being nothing meet here, as in Go. None is nil and a value that is not there, and a field of
it is None again. NIL is an element of a collection that is nil: a field of it is an error. So is a field of
a field that is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paddock.errors import TemplateError
from paddock.prompts.gotemplate.formatting import MOST_TEXT, TooLong
from paddock.prompts.gotemplate.functions import FUNCTIONS, SHORT_CIRCUIT, CallError, Signature
from paddock.prompts.gotemplate.lexer import error_at
from paddock.prompts.gotemplate.syntax import (
    Chain,
    Command,
    Dot,
    Expression,
    Field,
    Function,
    Literal,
    Nil,
    Pipeline,
    Variable,
)
from paddock.prompts.gotemplate.values import Record, kind_of, truth

#: A nil inside a collection, as the value in hand or of a variable.
NIL = type("NilElement", (), {"__bool__": lambda self: False})()
_MISSING = object()
_KIBI = 10  # a shift


class Limits:
    """What one rendering may still do: `steps` to take and `room` for characters to make."""

    __slots__ = ("room", "steps")

    def __init__(self, steps: int, room: int) -> None:
        self.steps = steps
        self.room = room


#: The variables of a template, the data it was called with at 0.
Frame = list[Any]
Compute = Callable[[Limits, Any, Frame], Any]
_Staged = Callable[[Limits, Any, Frame, Any], Any]  # with the value of the command before, or _MISSING


def compiled(pipeline: Pipeline, source: str) -> Compute:
    """A closure that computes `pipeline` and puts its value into its variables."""
    return _Compiler(source).pipeline(pipeline)


class _Compiler:
    def __init__(self, source: str) -> None:
        self._source = source

    def _error(self, at: int, problem: str) -> TemplateError:
        return error_at(self._source, at, problem)

    def pipeline(self, pipeline: Pipeline) -> Compute:
        """All of its commands, the value of each handed to the next."""
        first, *others = [self._command(command) for command in pipeline.commands]
        if not others and not pipeline.names:
            return lambda run, dot, frame: first(run, dot, frame, _MISSING)
        names = pipeline.names

        def compute(run: Limits, dot: Any, frame: Frame) -> Any:
            value = first(run, dot, frame, _MISSING)
            for command in others:
                value = command(run, dot, frame, value)
            for variable in names:
                if variable.place is None:
                    raise self._error(variable.at, f"undefined variable: {variable.name}")
                frame[variable.place] = value
            return value

        return compute

    def _command(self, command: Command) -> _Staged:
        first, *others = command.operands
        if isinstance(first, Function):
            return self._call(first, others)
        if isinstance(first, Nil):
            return self._refused(first.at, "nil is not a command")
        value = self._operand(first)
        if not others:
            return self._alone(first, value)
        return self._with_arguments(first, value)

    def _refused(self, at: int, problem: str) -> _Staged:
        def compute(run: Limits, dot: Any, frame: Frame, final: Any) -> Any:
            raise self._error(at, problem)

        return compute

    def _alone(self, operand: Expression, value: Compute) -> _Staged:
        refuse = self._with_arguments(operand, value)

        def compute(run: Limits, dot: Any, frame: Frame, final: Any) -> Any:
            if final is _MISSING:
                return value(run, dot, frame)
            return refuse(run, dot, frame, final)

        return compute

    def _with_arguments(self, operand: Expression, value: Compute) -> _Staged:
        """What has no methods takes no arguments; a field of nothing does not mind them."""
        path: tuple[str, ...] = getattr(operand, "path", ())
        owner = self._owner(operand) if path else None

        def compute(run: Limits, dot: Any, frame: Frame, final: Any) -> Any:
            if owner is None:
                raise self._error(operand.at, "can't give argument to non-function")
            if owner(run, dot, frame) is None and len(path) == 1:
                return None
            raise self._error(operand.at, f"{path[-1]} is not a method but has arguments")

        return compute

    def _owner(self, operand: Expression) -> Compute:
        """What the last field of an operand is a field of."""
        match operand:
            case Field(at=at, path=path):
                return self._fields(lambda run, dot, frame: dot, path[:-1], at)
            case Variable(at=at, name=name, place=place, path=path):
                return self._operand(Variable(at, name, place, path[:-1]))
            case Chain(base=base, path=path, at=at):
                return self._fields(self._operand(base), path[:-1], at)
        raise AssertionError(operand)

    # ── operands ──────────────────────────────────────────────────────────────────────────────────

    def _operand(self, operand: Expression) -> Compute:
        match operand:
            case Literal(value=value):
                return lambda run, dot, frame: value
            case Nil():
                return lambda run, dot, frame: None
            case Dot():
                return lambda run, dot, frame: None if dot is NIL else dot
            case Field(at=at, path=path):
                return self._fields(lambda run, dot, frame: dot, path, at)
            case Variable():
                return self._variable(operand)
            case Chain(at=at, base=base, path=path):
                return self._fields(self._operand(base), path, at)
            case Function():
                called = self._call(operand, ())
                return lambda run, dot, frame: called(run, dot, frame, _MISSING)
            case Pipeline():
                return self.pipeline(operand)

    def _variable(self, variable: Variable) -> Compute:
        place = variable.place
        if place is None:
            refused = self._refused(variable.at, f"undefined variable: {variable.name}")
            return lambda run, dot, frame: refused(run, dot, frame, _MISSING)
        if variable.path:
            return self._fields(lambda run, dot, frame: frame[place], variable.path, variable.at)
        if place == 0:
            return lambda run, dot, frame: frame[0]

        def compute(run: Limits, dot: Any, frame: Frame) -> Any:
            value = frame[place]
            return None if value is NIL else value

        return compute

    def _fields(self, base: Compute, path: Sequence[str], at: int) -> Compute:
        if not path:
            return base
        first, others = path[0], path[1:]

        def one(run: Limits, dot: Any, frame: Frame) -> Any:
            return self._field(base(run, dot, frame), first, at)

        if not others:
            return one

        def compute(run: Limits, dot: Any, frame: Frame) -> Any:
            start = base(run, dot, frame)
            value = self._field(start, first, at)
            for name in others:
                if value is None and start is not None:
                    raise self._error(at, f"nil pointer evaluating interface {{}}.{name}")
                value = self._field(value, name, at)
            return value

        return compute

    def _field(self, value: Any, name: str, at: int) -> Any:
        if isinstance(value, dict):
            return value.get(name)
        if isinstance(value, Record):
            found = value.fields.get(name, _MISSING)
            if found is _MISSING:
                raise self._error(at, f"can't evaluate field {name} in type {value.kind}")
            return found
        if value is None:
            return None
        if value is NIL:
            raise self._error(at, f"nil pointer evaluating interface {{}}.{name}")
        if isinstance(value, Mapping):
            return value.get(name)
        raise self._error(at, f"can't evaluate field {name} in type {kind_of(value)}")

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────

    def _call(self, function: Function, operands: Sequence[Expression]) -> _Staged:
        name, at = function.name, function.at
        arguments = tuple(self._operand(operand) for operand in operands)
        if name in SHORT_CIRCUIT:
            return self._short_circuit(name, arguments, at)
        signature = FUNCTIONS[name]
        call = signature.call

        def compute(run: Limits, dot: Any, frame: Frame, final: Any) -> Any:
            values = [argument(run, dot, frame) for argument in arguments]
            if final is not _MISSING:
                values.append(final)
            if not signature.least <= len(values) or (
                signature.most is not None and len(values) > signature.most
            ):
                raise self._error(at, _wrong_number(name, signature, len(values)))
            for value in values:
                if type(value) is str:
                    run.steps -= len(value) >> _KIBI
            try:
                result = call(values)
            except CallError as error:
                raise self._error(at, f"error calling {name}: {error}") from None
            except TooLong:
                raise self._error(at, f"{name} makes more than {MOST_TEXT} characters") from None
            if type(result) is str:
                run.room -= len(result)
                if run.room < 0:
                    raise self._error(at, f"{name} makes too many characters")
            return result

        return compute

    def _short_circuit(self, name: str, arguments: Sequence[Compute], at: int) -> _Staged:
        """`and` and `or` stop at the argument that decides."""
        decides = SHORT_CIRCUIT[name]

        def compute(run: Limits, dot: Any, frame: Frame, final: Any) -> Any:
            if not arguments and final is _MISSING:
                raise self._error(at, f"wrong number of args for {name}: want at least 1 got 0")
            value: Any = None
            for argument in arguments:
                value = argument(run, dot, frame)
                if decides(truth(value)):
                    return value
            return value if final is _MISSING else final

        return compute


def _wrong_number(name: str, signature: Signature, got: int) -> str:
    least = "at least " if signature.most is None else ""
    return f"wrong number of args for {name}: want {least}{signature.least} got {got}"
