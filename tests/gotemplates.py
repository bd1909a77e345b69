"""Pairs of template and data whose output real Go has made, and a maker of more of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddock.errors import TemplateError
from paddock.prompts.gotemplate.render import Template
from paddock.prompts.gotemplate.values import JsonList, JsonMap, Record, kind_of

PLACE = Path(__file__).parent / "data" / "gotemplates"


@dataclass(frozen=True)
class Made:
    """What became of a template: its output, or where it failed (line, counted from 1) and why."""

    output: str | None
    line: int = 0
    error: str = ""


def known() -> list[tuple[str, Any, Made]]:
    """Templates, their data and what Go made of them, checked in."""
    return list(made_by_go((PLACE / "expected.json").read_text()))


def made_by_go(output: str) -> Iterator[tuple[str, Any, Made]]:
    """Reads what expected.go prints."""
    for group in json.loads(output):
        for made in group["made"]:
            printed = made.get("output")
            # Go's name for the type of {"$json": ...}, where fmt shows types.
            printed = printed and printed.replace("main.jsonMap", "map[string]interface {}")
            yield made["template"], group["data"], Made(printed, made.get("line", 0), made.get("error", ""))


def by_paddock(template: str, data: Any) -> Made:
    """What Paddock makes of a template."""
    try:
        return Made(Template.parse(template).render(value(data)))
    except TemplateError as error:
        return Made(None, error.line, str(error))


def value(raw: Any) -> Any:
    """Data as expected.go describes it, in the values that Paddock's templates see."""
    if isinstance(raw, list):
        return [value(each) for each in raw]
    if not isinstance(raw, dict):
        return raw
    if "$bytes" in raw:
        return raw["$bytes"].encode()
    if "$struct" in raw:
        return _record({name: value(each) for name, each in raw["$struct"]})
    if "$json" in raw:
        inside = value(raw["$json"])
        # Go sorts the keys of a map; Paddock keeps the order in which they came.
        return JsonList(inside) if isinstance(inside, list) else JsonMap(sorted(inside.items()))
    return {key: value(each) for key, each in raw.items()}


def _record(fields: dict[str, Any]) -> Record:
    kinds = ("interface {}" if each is None else kind_of(each) for each in fields.values())
    declared = "; ".join(f"{name} {kind}" for name, kind in zip(fields, kinds, strict=True))
    return Record(f"struct {{ {declared} }}", fields)


# ── random pairs ──────────────────────────────────────────────────────────────────────────────────

DATA = {
    "s": "héllo <b>",
    "e": "",
    "n": None,
    "i": 3,
    "z": 0,
    "f": 2.5,
    "t": True,
    "no": False,
    "l": [1, "two", None, 3.5, True, [1, 2], {"k": "v"}],
    "el": [],
    "m": {"b": 2, "a": "x", "c": None, "m": {"deep": [1, 2]}},
    "by": {"$bytes": "ab"},
    "st": {"$struct": [["A", 1], ["B", "x"], ["C", None]]},
    "j": {"$json": {"q": 1.5, "a": ["<", 2]}},
    "msgs": [{"Role": "user", "Content": "hi"}, {"Role": "assistant", "Content": ""}],
}
_NAMES = [*DATA, "missing", "A", "Role", "Content", "k", "deep"]
_LITERALS = (
    '"a"', '"b c"', '""', "`raw`", "0", "1", "2", "-1", "7", "1.5", "2.0", "1e6", "'x'", "true", "false",
    "nil",     '"%d|%s"', '"%v"', '"%q"', '"%5.1f"', '"%x"', '"%-4v|"', "0x1f", "1_000",
)  # fmt: skip
_CALLS = (
    "print", "println", "printf", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge", "and",
    "or", "not",     "html", "js", "urlquery", "json",
)  # fmt: skip
#: Arguments that make sense, most of the time.
_SENSIBLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "len": ((".l", ".m", ".s", ".by", ".msgs", "$.j", '"añ"'),),
    "index": ((".l", "$.l", ".msgs", ".s"), ("0", "1", "(len .e)")),
    "slice": ((".l", ".s", '"abc"', "$.l"), ("0", "1"), ("1", "2")),
    "eq": ((".i", "1", "(len .s)"), ("3", "2", ".i", ".z")),
    "ne": ((".s", '"a"', ".m.a", ".e"), ('"x"', ".s", "`raw`")),
    "lt": ((".i", "1", "(len .m)"), ("3", "2", ".i", ".z")),
    "ge": ((".f", "1.5"), ("2.5", ".f")),
    "gt": (('"a"', ".s"), ('"b"', ".m.a")),
    "le": ((".i", "$.z"), ("(len .l)", "3")),
    "not": ((".e", ".t", ".no", ".l", ".missing", "."),),
    "printf": (('"%v|%s"', '"%d %q"', '"%5v"', '"%x"'), (".i", ".s", ".l", ".m"), (".f", ".st", ".j", ".")),
}
_TEXTS = ("x", " ", "\n", " a b ", "\n\n  ", "<|im_start|>", "}}", "{", "é")


class Maker:
    """Makes templates for DATA at random, most of them right, all of them from `seed`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._loops = 0
        self._variables: list[str] = ["$"]

    def template(self) -> str:
        """One more."""
        self._variables = ["$"]
        template = self._list(3)
        if self._random.random() < 0.3:
            template += '{{define "t"}}' + self._alone() + "{{end}}"
        if self._random.random() < 0.05:  # something goes wrong
            at = self._random.randrange(len(template) + 1)
            template = template[:at] + self._random.choice(
                ("", "}", "{{", " ", ".", "|", "(", '"', "$x", "-")
            )
            template += "{{end}}" if self._random.random() < 0.3 else ""
        return template

    def _alone(self) -> str:
        outer, self._variables = self._variables, ["$"]
        body = self._list(1)
        self._variables = outer
        return body

    def _list(self, depth: int) -> str:
        seen = len(self._variables)
        text = "".join(self._node(depth) for _ in range(self._random.randint(0, 4)))
        del self._variables[seen:]
        return text

    def _node(self, depth: int) -> str:
        kind = self._random.random()
        if kind < 0.25:
            return self._random.choice(_TEXTS)
        if kind < 0.3:
            return self._braces("/* note */", comment=True)
        if kind < 0.6 or not depth:
            return self._braces(self._action())
        if kind < 0.64:
            return self._braces(f'template "t"{self._random.choice(("", " .", " .m", " $"))}')
        return self._block(depth - 1)

    def _action(self) -> str:
        if self._random.random() < 0.2:
            pipeline = self._pipeline(2)
            name = f"$v{self._random.randint(0, 3)}"
            sign = "=" if name in self._variables and self._random.random() < 0.5 else ":="
            self._variables.append(name)
            return f"{name} {sign} {pipeline}"
        return self._pipeline(2)

    def _block(self, depth: int) -> str:
        kind = self._random.choice(("if", "if", "with", "range", "range"))
        seen = len(self._variables)
        if kind == "range":
            head = self._range_head()
            body = self._list(depth)
            if self._random.random() < 0.3:
                word = self._random.choice(("break", "continue"))
                body += self._braces(f"if {self._pipeline(1)}") + self._braces(word) + self._braces("end")
                body += self._list(depth)
        else:
            head = f"{kind} {self._action()}"
            body = self._list(depth)
        text = self._braces(head) + body
        if kind != "range" and self._random.random() < 0.3:
            text += self._braces(f"else {kind} {self._pipeline(1)}") + self._list(depth)
        if self._random.random() < 0.4:
            text += self._braces("else") + self._list(depth)
        del self._variables[seen:]
        return text + self._braces("end")

    def _range_head(self) -> str:
        over = self._random.choice(
            (".l", ".m", ".msgs", ".el", ".j", "3", ".by", "$.l", ".missing", self._pipeline(1))
        )
        form = self._random.random()
        if form < 0.4:
            return f"range {over}"
        if form < 0.6:
            self._variables.append("$e")
            return f"range $e := {over}"
        self._variables += ["$i", "$e"]
        return f"range $i, $e := {over}"

    def _pipeline(self, depth: int) -> str:
        return " | ".join(
            self._command(depth, stage) for stage in range(self._random.choice((1, 1, 1, 2, 3)))
        )

    def _command(self, depth: int, stage: int) -> str:
        if stage or self._random.random() < 0.45:
            name = self._random.choice(_CALLS)
            if self._random.random() < 0.85 and name in _SENSIBLE:
                choices = _SENSIBLE[name][: len(_SENSIBLE[name]) - min(stage, 1)]
                return " ".join([name, *(self._random.choice(each) for each in choices)])
            count = self._random.choice((0, 1, 1, 2, 2, 3))
            return " ".join([name, *(self._operand(depth) for _ in range(count))])
        return self._operand(depth)

    def _operand(self, depth: int) -> str:
        kind = self._random.random()
        if kind < 0.4:
            if self._random.random() < 0.7:
                return self._random.choice(
                    (".s", ".m.b", ".l", ".i", ".m.m.deep", "$.msgs", "$.s", ".st.A", ".missing")
                )
            return "".join(
                f".{self._random.choice(_NAMES)}" for _ in range(self._random.choice((1, 1, 1, 2)))
            )
        if kind < 0.5:
            return "."
        if kind < 0.6:
            fields = self._random.choice(("", "", ".s", ".m.b", ".l", ".Role"))
            return self._random.choice(self._variables) + fields
        if kind < 0.7 and depth:
            return f"({self._pipeline(depth - 1)})" + self._random.choice(("", "", "", ".b"))
        return self._random.choice(_LITERALS)

    def _braces(self, inside: str, comment: bool = False) -> str:
        left, right = self._random.choice(("{{", "{{", "{{- ")), self._random.choice(("}}", "}}", " -}}"))
        blank = "" if comment or self._random.random() < 0.5 else " "
        return f"{left}{blank}{inside}{blank}{right}"
