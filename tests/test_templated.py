"""Which template a model takes, what a Go template says of its model, and what it is given."""

from __future__ import annotations

import json

import pytest

from paddock.errors import TemplateError, Unsupported
from paddock.messages import Medium, Message, ToolCall
from paddock.prompts.gotemplate.insight import insight
from paddock.prompts.gotemplate.parser import parse
from paddock.prompts.gotemplate.render import NAMES, Template
from paddock.prompts.renderer import Renderer, choose
from paddock.prompts.templated import GoFormat, collated, exchanges
from paddock.prompts.tools import definitions

PLAIN = "{{ .Prompt }}"
TOOLS = "{{ .Tools }}{{ range .Messages }}{{ .Content }}{{ end }}"
RESULTS = """{{ .Tools }}{{ range .Messages }}
{{- if .ToolCalls }}<call>{{ range .ToolCalls }}{{ .Function }}{{ end }}
{{- else if eq .Role "tool" }}{{ .Content }}{{ end }}{{ end }}"""
JINJA = "{% for message in messages %}{{ message.content }}{% endfor %}"
JINJA_TOOLS = "{% if tools %}<tool_call>{% endif %}"
JINJA_RESULTS = JINJA_TOOLS + "{% if message.tool_calls %}{% elif message.role == 'tool' %}{% endif %}"
JINJA_THINKS = JINJA + "<think></think>"


# ── which of two ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("go", "jinja", "chosen"),
    [
        (None, "", Renderer.NONE),
        ("", JINJA, Renderer.JINJA),
        (PLAIN, "", Renderer.GO),
        (PLAIN, JINJA, Renderer.GO),
        (PLAIN, JINJA_TOOLS, Renderer.JINJA),
        (PLAIN, JINJA_THINKS, Renderer.JINJA),
        (TOOLS, JINJA, Renderer.GO),
        (TOOLS, JINJA_TOOLS, Renderer.GO),
        (TOOLS, JINJA_RESULTS, Renderer.JINJA),
        (RESULTS, JINJA_TOOLS, Renderer.GO),
        (RESULTS, JINJA_RESULTS, Renderer.GO),
        (RESULTS, JINJA_TOOLS + JINJA_THINKS, Renderer.GO),
        (RESULTS, JINJA_RESULTS + JINJA_THINKS, Renderer.JINJA),
        ("{{ if }}", JINJA, Renderer.JINJA),
    ],
)
def test_the_template_that_can_do_more_is_taken(go: str | None, jinja: str, chosen: Renderer) -> None:
    assert choose(go, jinja).renderer is chosen


def test_the_users_word_counts_where_there_are_two() -> None:
    assert choose(PLAIN, JINJA_TOOLS, prefer_go=True).renderer is Renderer.GO
    assert choose(RESULTS, JINJA, prefer_go=False).renderer is Renderer.JINJA
    assert choose(PLAIN, "", prefer_go=False).renderer is Renderer.GO
    assert choose(None, JINJA, prefer_go=True).renderer is Renderer.JINJA


def test_gpt_oss_keeps_its_go_template() -> None:
    go = "<|start|>{{ .Prompt }}<|end|>"
    assert choose(go, JINJA_RESULTS, family="gptoss").renderer is Renderer.GO
    assert choose(go, JINJA_RESULTS, family="llama").renderer is Renderer.JINJA


def test_a_renderer_of_ollamas_own_gives_way_to_jinja() -> None:
    assert choose(PLAIN, JINJA, named="qwen3-coder").renderer is Renderer.JINJA
    alone = choose(PLAIN, "", named="qwen3-coder")
    with pytest.raises(Unsupported, match='unknown renderer "qwen3-coder"'):
        alone.check()


def test_a_broken_template_without_another_is_told_when_it_is_needed() -> None:
    broken = choose("{{ if }}", "")
    assert not broken.is_bare
    with pytest.raises(TemplateError, match="missing value for if"):
        broken.check()
    assert choose(None, "").is_bare
    choose(None, "").check()


# ── what a template says ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "tags"),
    [
        ("{{ range .Messages }}{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}", ("<t>", "</t>")),
        (
            "{{ range .Messages }}{{ if .Thinking }} <t>\n{{ .Thinking }}\n</t>\n{{ end }}{{ end }}",
            ("<t>", "</t>"),
        ),
        (
            "{{ range $i, $m := .Messages }}{{ if $m.Thinking }}[{{ $m.Thinking }}]{{ end }}{{ end }}",
            ("[", "]"),
        ),
        ("{{ range .Messages }}{{ if .Thinking }}{{ .Thinking }}{{ end }}{{ end }}", None),
        ("{{ if .Thinking }}<t>{{ .Thinking }}</t>{{ end }}", None),
        ("{{ range .Others }}<t>{{ .Thinking }}</t>{{ end }}", None),
        ("{{ range .Messages }}{{ range .Others }}<t>{{ .Thinking }}</t>{{ end }}{{ end }}", None),
        (PLAIN, None),
    ],
)
def test_the_tags_of_a_thought_stand_around_it(template: str, tags: tuple[str, str] | None) -> None:
    assert insight(parse(template, NAMES)).thinking == tags


@pytest.mark.parametrize(
    ("template", "mark"),
    [
        ('{{ if .ToolCalls }}<call>{"name": {{ .Name }}}{{ end }}', "<call>"),
        ('{{ if .ToolCalls }} [CALLS] [{{ range .ToolCalls }}{"name"{{ end }}]{{ end }}', "[CALLS] ["),
        (
            "{{ if and $.Tools .ToolCalls }}{{ range .ToolCalls }}\n<call>{{ .Name }}{{ end }}{{ end }}",
            "<call>",
        ),
        ('{{ range .ToolCalls }}<call>{"name"{{ end }}', "<call>"),
        ('{{ if .ToolCalls }}{"name": 1}{{ end }}', "{"),
        ('{{ if .ToolCalls }}{"name": 1}{{ end }}{{ if .ToolCalls }}<other>{{ end }}', "{"),
        ("{{ if .ToolCalls }}{{ range .ToolCalls }}{{ . }}{{ end }}]{{ end }}", "{"),
        ("{{ if .ToolCalls }}{{ end }}", "{"),
        (PLAIN, "{"),
    ],
)
def test_the_first_text_for_calls_begins_them(template: str, mark: str) -> None:
    assert insight(parse(template, NAMES)).call == mark


def test_abilities_are_told_in_templates_that_are_defined_too() -> None:
    template = '{{ template "t" . }}{{ define "t" }}{{ .Tools }}{{ .Suffix }}{{ end }}'
    assert insight(parse(template, NAMES)).abilities == {"tools", "insert"}


@pytest.mark.parametrize(
    ("template", "beginning"),
    [
        ("a{{ .Prompt }}b{{ .Response }}c", "aPb"),
        ("{{ if .Prompt }}a{{ .Response }}b{{ end }}c", "a"),
        ("{{ if .Response }}a{{ end }}b", ""),
        ("{{ if .Prompt }}a{{ else }}{{ .Response }}{{ end }}b", "a"),
        ("{{ with .Prompt }}{{ . }}{{ $.Response }}x{{ end }}y", "P"),
        ("{{ range .Prompt }}{{ end }}", None),
        ("{{ range 3 }}a{{ $.Response }}b{{ end }}c", "aaa"),
        ('{{ printf "%s" .Response }}x', ""),
        ("{{ .Prompt }}a", "Pa"),
    ],
)
def test_a_template_ends_where_the_model_goes_on(template: str, beginning: str | None) -> None:
    format_ = GoFormat.parse(template)
    if beginning is None:
        with pytest.raises(TemplateError):
            format_.conversation([Message("user", "P")], (), None)
    else:
        assert format_.conversation([Message("user", "P")], (), None) == beginning


# ── what a template is given ──────────────────────────────────────────────────────────────────────


def test_nothing_is_lost_where_neighbours_become_one() -> None:
    one, two = ToolCall("one", {}), ToolCall("two", {})
    first = Message("assistant", "A", thinking="hm", tool_calls=(one,))
    second = Message("assistant", "B", tool_calls=(two,))
    system, said = collated([Message("system", "S"), first, second, Message("system", "T")])
    assert system == "S\n\nT"
    joined = Message("assistant", "A\n\nB", thinking="hm", tool_calls=(one, two))
    assert said == (Message("system", "S"), joined, Message("system", "T"))


def test_a_template_can_count_pictures() -> None:
    picture = Medium("image", "png", "aGk=", "0" * 64, "images[0]")
    said = [Message("user", "[img-0]Look", media=(picture,)), Message("user", "And", media=(picture,))]
    format_ = GoFormat.parse("{{ range .Messages }}{{ len .Images }}{{ .Content }}{{ end }}")
    assert format_.conversation(said, (), None) == "2[img-0]Look\n\nAnd"


@pytest.mark.parametrize(
    ("roles", "turns"),
    [
        ("", [""]),
        ("u", ["u"]),
        ("sua", ["sua"]),
        ("suauau", ["sua", "ua", "u"]),
        ("us", ["u", "s"]),
        ("ua", ["ua"]),
        ("aua", ["a", "ua"]),
        ("utau", ["ua", "u"]),
        ("sa", ["sa"]),
    ],
)
def test_older_templates_see_exchanges(roles: str, turns: list[str]) -> None:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    found = exchanges([Message(names[role], role) for role in roles])
    shown = [turn["System"] + turn["Prompt"] + turn["Response"] for turn in found]
    assert shown == turns


SCHEMA = {
    "type": "function",
    "x-own": 1,
    "function": {
        "strict": True,
        "description": "Finds <it>",
        "name": "find",
        "parameters": {
            "additionalProperties": False,
            "properties": {
                "zone": {"description": "where", "type": "string", "default": "a"},
                "at": {"type": ["integer", "null"], "minimum": 1, "enum": [1, 2000000]},
                "any": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            },
            "required": ["zone"],
            "type": "object",
        },
    },
}


def test_a_definition_prints_whole_in_ollamas_order() -> None:
    shown = Template.parse("{{ .T }}").render({"T": definitions([SCHEMA])})
    (again,) = json.loads(shown)
    assert again == SCHEMA
    assert shown.index('"name"') < shown.index('"description"') < shown.index('"parameters"')
    assert shown.index('"parameters"') < shown.index('"strict"')
    assert shown.index('"required"') < shown.index('"properties"') < shown.index('"additionalProperties"')
    assert shown.index('"zone"') < shown.index('"at"') < shown.index('"any"')  # properties keep their order
    assert "Finds \\u003cit\\u003e" in shown


def test_a_template_can_go_through_a_definition() -> None:
    text = """{{ range .T }}{{ .Type }} {{ .Function.Name }} {{ .Function.Parameters.Type }}
{{- range $name, $property := .Function.Parameters.Properties }}
{{ $name }}: {{ $property.Type }} {{ len $property.Type }} {{ toTypeScriptType $property }}
{{- with $property.Enum }} {{ . }}{{ end }}{{ with $property.Description }} ({{ . }}){{ end }}
{{- end }}
{{ range .Function.Parameters.Required }}!{{ . }}{{ end }}{{ end }}"""
    assert Template.parse(text).render({"T": definitions([SCHEMA])}) == (
        "function find object\n"
        "any:  0 string | number\n"
        "at: [integer null] 2 number | null [1 2e+06]\n"
        "zone: string 1 string (where)\n"
        "!zone"
    )


def test_a_definition_with_little_in_it_is_no_error() -> None:
    text = "{{ range .T }}{{ .Function.Name }}{{ range .Function.Parameters.Properties }}x{{ end }}|{{ end }}"
    tools = definitions([{"function": {"name": "f"}}, {"function": {"name": "g", "parameters": {}}}])
    assert Template.parse(text).render({"T": tools}) == "f|g|"
