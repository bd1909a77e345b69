"""Go templates: what real Go makes of them, Paddock makes of them."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotemplates import DATA, Made, Maker, by_paddock, known, value
from paddock.errors import TemplateError
from paddock.prompts.gotemplate.render import MAX_DEPTH, MAX_OUTPUT, MAX_STEPS, Template
from paddock.prompts.gotemplate.values import JsonMap

KNOWN = known()


def test_there_are_enough_of_them() -> None:
    assert len(KNOWN) >= 400
    assert sum(made.output is not None for _, _, made in KNOWN) >= 200


@pytest.mark.parametrize(("template", "data", "made"), KNOWN)
def test_a_template_gives_what_go_gives(template: str, data: object, made: Made) -> None:
    ours = by_paddock(template, data)
    assert ours.output == made.output, f"Go: {made.error}; Paddock: {ours.error}"
    assert ours.line == made.line, f"Go: {made.error}; Paddock: {ours.error}"


# ── where and why ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "line", "column", "problem"),
    [
        ("{{ if .A }}x", 1, 13, "unexpected end of template in if, which has no end"),
        ("a\n{{ end }}", 2, 4, "unexpected 'end' in template, which nothing opened"),
        ("a\nb {{ .A | nosuch }}", 2, 11, "function 'nosuch' not defined"),
        ("é {{ $x }}", 1, 6, "undefined variable '$x'"),
        ('{{ "a }}', 1, 4, "unterminated quoted string"),
        ("\n\n{{ .A.B }}", 3, 4, "nil pointer evaluating interface {}.B"),
        ("{{ len 3 }}", 1, 4, "error calling len: len of type int"),
        ("x\n {{ range\n 1.5 }}{{ end }}", 3, 2, "range can't iterate over 1.5"),
    ],
)
def test_an_error_says_where_and_why(template: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(template).render({})
    assert (caught.value.line, caught.value.column, caught.value.problem) == (line, column, problem)
    assert str(caught.value) == f"template: :{line}:{column}: {problem}"


# ── it ends ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ range 1000000000000 }}{{ end }}", f"more than {MAX_STEPS} steps"),
        ("{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}", f"more than {MAX_STEPS} steps"),
        ('{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}', "too deeply"),
        ('{{ define "t" }}{{ template "u" . }}{{ end }}{{ define "u" }}{{ if true }}{{ template "t" . }}'
         '{{ end }}{{ end }}{{ template "t" . }}', "too deeply"),
        ('{{ $x := "ab" }}{{ range 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}', "printf makes more than"),
        ('{{ range 900 }}{{ printf "%1000000d" 1 }}{{ end }}', "characters"),
        ('{{ range 100 }}{{ $.Long }}{{ end }}', f"more than {MAX_OUTPUT} characters"),
        ('{{ printf "%1000000v" .Many }}', "printf makes more than"),
        ('{{ range 900000 }}{{ $x := len $.Wide }}{{ end }}', "steps"),
        ("{{ .Deep }}", "nested too deeply"),
        ("{{ json .Deep }}", "nested too deeply"),
    ],
)  # fmt: skip
def test_a_template_that_would_not_end_is_stopped(template: str, problem: str) -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    data = {"Long": "x" * (1 << 20), "Many": list(range(1000)), "Wide": "é" * (1 << 16), "Deep": deep}
    with pytest.raises(TemplateError, match=problem):
        Template.parse(template).render(data)


@pytest.mark.parametrize("opening", ["{{ if true }}", "{{ with 1 }}", "{{ range 1 }}"])
def test_blocks_nest_only_so_deep(opening: str) -> None:
    assert Template.parse(opening * 59 + "x" + "{{ end }}" * 59).render({}) == "x"
    with pytest.raises(TemplateError, match="nested deeper"):
        Template.parse(opening * 100 + "x" + "{{ end }}" * 100)


def test_so_do_parentheses() -> None:
    assert Template.parse("{{" + "(" * 60 + "1" + ")" * 60 + "}}").render({}) == "1"
    with pytest.raises(TemplateError, match="nested deeper"):
        Template.parse("{{" + "(" * 61 + "1" + ")" * 61 + "}}")


def test_the_deepest_calls_that_are_allowed_work() -> None:
    blocks = 40
    inside = "{{ if . }}" * blocks + '{{ template "t" (slice . 1) }}' + "{{ end }}" * blocks
    template = Template.parse('{{ define "t" }}' + inside + '{{ end }}{{ template "t" . }}!')
    assert template.render("x" * (MAX_DEPTH // (blocks + 2))) == "!"  # type: ignore[arg-type]


def test_a_long_template_is_refused() -> None:
    with pytest.raises(TemplateError, match="longer than"):
        Template.parse("x" * ((1 << 17) + 1))


def test_so_is_one_with_very_many_variables() -> None:
    assert Template.parse("{{ $x := 1 }}" * 199 + "{{ $x }}").render({}) == "1"
    with pytest.raises(TemplateError, match="more than 200 variables"):
        Template.parse("{{ $x := 1 }}" * 200)


@given(st.text(alphabet="{}-.$|()\"'`/*= \nabx1if end range with", max_size=60))
def test_whatever_the_text_there_is_an_output_or_an_error_of_ours(text: str) -> None:
    try:
        Template.parse(text).render({"a": 1, "b": [1, 2]})
    except TemplateError as error:
        assert error.line >= 1
        assert error.column >= 1


@given(st.randoms(use_true_random=False))
def test_one_template_serves_many_times_and_is_never_changed(random: Random) -> None:
    template = Maker(random.randrange(1 << 30)).template()
    first = by_paddock(template, DATA)
    if first.output is not None:
        parsed = Template.parse(template)
        assert [parsed.render(value(DATA)) for _ in range(2)] == [first.output] * 2


# ── what Ollama adds ──────────────────────────────────────────────────────────────────────────────


def test_the_date_is_todays_and_yesterdays_whatever_the_arguments() -> None:
    before = date.today()
    text = Template.parse('{{ currentDate }} {{ currentDate "x" }} {{ yesterdayDate }}').render({})
    today, same, yesterday = (date.fromisoformat(each) for each in text.split())
    assert before <= today == same <= date.today()
    assert yesterday == today - timedelta(days=1)


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": ["number", "null"]}, "number | null"),
        ({"type": "array", "items": {"type": "string"}}, "any[]"),
        ({"type": "object"}, "Record<string, any>"),
        ({"type": "boolean"}, "boolean"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string | number"),
        ({"type": "strange"}, "any"),
        ({}, "any"),
    ],
)
def test_a_property_has_a_type_of_typescript(schema: dict[str, object], type_: str) -> None:
    assert Template.parse("{{ toTypeScriptType . }}").render(schema) == type_


def test_json_keeps_the_order_of_arguments_and_writes_whole_numbers_as_go_does() -> None:
    arguments = JsonMap({"zone": "b", "at": 3.0, "half": 0.5, "big": 1e21, "more": {"y": 1.0, "x": "<"}})
    text = Template.parse("{{ . }} {{ .at }} {{ range $k, $v := . }}{{ $k }} {{ end }}").render(arguments)
    shown = '{"zone":"b","at":3,"half":0.5,"big":1e+21,"more":{"x":"\\u003c","y":1}}'
    assert text == shown + " 3 at big half more zone "
