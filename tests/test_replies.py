"""Calls, thoughts and answers apart, in every format built in, however the text is cut.

The texts are written after each vendor's documentation, which the modules of `prompts/replies` name.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.prompts.replies import deepseek, gemma, harmony, hermes, llama, mistral, qwen_coder
from paddock.prompts.replies.calls import Offered
from paddock.prompts.replies.formats import PLAIN, Channels, Format, Marked, of_jinja, of_parser, of_tags
from paddock.prompts.replies.said import Said
from paddock.prompts.replies.thinking import Tags

HERMES = Marked("hermes", Tags(), hermes.GRAMMAR, hermes.PRESERVED)
LLAMA = Marked("llama", None, llama.GRAMMAR, llama.PRESERVED)
MISTRAL = Marked("mistral", mistral.THOUGHTS, mistral.GRAMMAR, mistral.PRESERVED)
DEEPSEEK = Marked("deepseek", Tags(), deepseek.GRAMMAR, deepseek.PRESERVED)
GEMMA = Marked("gemma", None, gemma.GRAMMAR)
HARMONY = Channels()
TAGGED = of_tags("{{ .Tools }}", None, "<function_call>")
QWEN_CODER = Marked("qwen-coder", Tags(), qwen_coder.GRAMMAR, qwen_coder.PRESERVED)
BARE = of_tags("{{ .Tools }}", None, "{")
FORMATS: dict[str, Format] = {
    "hermes": HERMES,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "deepseek": DEEPSEEK,
    "gemma": GEMMA,
    "harmony": HARMONY,
    "tagged": TAGGED,
    "qwen-coder": QWEN_CODER,
    "bare": BARE,
}

_NAMES = (
    *("get_weather", "get_weather_forecast", "brave_search", "code_interpreter"),
    *("get_product_name_by_PID", "now"),
)
TOOLS: dict[str, dict[str, Any]] = {name: {} for name in _NAMES}
TOOLS["add"] = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "b": {"type": ["number", "null"]},
        "list": {"type": "array"},
        "flag": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "text": {"type": "string"},
    },
}


def said(found: Format, pieces: Sequence[str], offered: Offered = TOOLS, prompt: str = "") -> Said:
    splitter = found.splitter(offered, True, prompt)
    whole = Said()
    for piece in pieces:
        whole += splitter.feed(piece)
    return whole + splitter.flush()


def asked(whole: Said) -> list[tuple[str, dict[str, Any]]]:
    assert [call.index for call in whole.tool_calls] == list(range(len(whole.tool_calls)))
    return [(call.name, dict(call.arguments)) for call in whole.tool_calls]


def cut(text: str, places: Sequence[int]) -> list[str]:
    marks = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(marks)]


PARIS = ("get_weather", {"city": "Paris"})
ROME = ("get_weather", {"city": "Rome"})
FENCED = "```json\n%s\n```"

#: Format, text, thinking, content, calls.
WELL_FORMED: list[tuple[str, str, str, str, list[tuple[str, dict[str, Any]]]]] = [
    # Hermes 2 Pro and Qwen: each call in tags of its own, prose before it allowed.
    (
        "hermes",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        "",
        "",
        [PARIS],
    ),
    (
        "hermes",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>',
        "",
        "",
        [PARIS, ROME],
    ),
    (
        "hermes",
        'I will look. \n<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}</tool_call>\n Done.',
        "",
        "I will look.Done.",
        [PARIS],
    ),
    # Qwen 3 thinks first.
    (
        "hermes",
        "<think>\nThe user asks for\nthe weather.\n</think>\n\n"
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        "The user asks for\nthe weather.",
        "",
        [PARIS],
    ),
    ("hermes", "<think>\nSmall talk.\n</think>\n\nHello there!", "Small talk.", "Hello there!", []),
    ("hermes", '<tool_call>{"name": "now"}</tool_call>', "", "", [("now", {})]),
    (
        "hermes",
        '<tool_call>{"arguments": {"text": "a </tool_call> b", "q": "\\"{"}, "name": "add"}</tool_call>',
        "",
        "",
        [("add", {"text": "a </tool_call> b", "q": '"{'})],
    ),
    # An answer that ends with the object has said everything.
    ("hermes", '<tool_call>{"name": "add", "arguments": {"a": 1}}', "", "", [("add", {"a": 1})]),
    # Llama 3.1: a custom function as bare JSON, a built-in one after the python tag.
    (
        "llama",
        '{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}',
        "",
        "",
        [PARIS],
    ),
    ("llama", '{"name": "get_weather", "parameters": {"city": "Paris"}}', "", "", [PARIS]),
    (
        "llama",
        '{"name": "get_weather", "parameters": {"city": "Paris"}}; '
        '{"name": "get_weather", "parameters": {"city": "Rome"}}',
        "",
        "",
        [PARIS, ROME],
    ),
    (
        "llama",
        '<|python_tag|>brave_search.call(query="Menlo Park weather")',
        "",
        "",
        [("brave_search", {"query": "Menlo Park weather"})],
    ),
    ("llama", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}', "", "", [PARIS]),
    (
        "llama",
        "<|python_tag|>import math\nprint(math.pi * 2)\n",
        "",
        "",
        [("code_interpreter", {"code": "import math\nprint(math.pi * 2)"})],
    ),
    ("llama", '{"function": "get_weather", "parameters": {"city": "Paris"}}', "", "", [PARIS]),
    # Mistral: an array up to version 7 of its tokenizer, name and arguments since version 11.
    (
        "mistral",
        '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "VvvODy9mT"}]',
        "",
        "",
        [PARIS],
    ),
    (
        "mistral",
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}},'
        ' {"name": "get_weather", "arguments": {"city": "Rome"}}]',
        "",
        "",
        [PARIS, ROME],
    ),
    (
        "mistral",
        'Let me see.[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}'
        '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}',
        "",
        "Let me see.",
        [PARIS, ROME],
    ),
    ("mistral", '[TOOL_CALLS]get_weather[CALL_ID]VvvODy9mT[ARGS]{"city": "Paris"}', "", "", [PARIS]),
    ("mistral", "[THINK]Easy.[/THINK]It is four.", "Easy.", "It is four.", []),
    # DeepSeek-R1 thinks, and calls between marks of its own.
    ("deepseek", "<think>\nHm.\n</think>\n\nFour.", "Hm.", "Four.", []),
    (
        "deepseek",
        "<think>\nHm.\n</think>\n\n"
        + f"{deepseek.CALLS_BEGIN}{deepseek.CALL_BEGIN}function{deepseek.SEPARATOR}get_weather\n"
        + FENCED % '{"city": "Paris"}'
        + f"{deepseek.CALL_END}\n{deepseek.CALL_BEGIN}function{deepseek.SEPARATOR}get_weather\n"
        + FENCED % '{"city": "Rome"}'
        + f"{deepseek.CALL_END}{deepseek.CALLS_END}",
        "Hm.",
        "",
        [PARIS, ROME],
    ),
    (
        "deepseek",
        f"{deepseek.CALLS_BEGIN}{deepseek.CALL_BEGIN}get_weather{deepseek.SEPARATOR}"
        '{"city": "Paris"}' + f"{deepseek.CALL_END}{deepseek.CALLS_END}",
        "",
        "",
        [PARIS],
    ),
    # Gemma 3: the two forms of its documentation, and the fence of its examples.
    (
        "gemma",
        '[get_product_name_by_PID(PID="807ZPKBL9V")]',
        "",
        "",
        [("get_product_name_by_PID", {"PID": "807ZPKBL9V"})],
    ),
    (
        "gemma",
        "[get_weather(city='Paris'), add(a=1, b=-2.5, list=[1, 'two', True], more={\"k\": None}), now()]",
        "",
        "",
        [PARIS, ("add", {"a": 1, "b": -2.5, "list": [1, "two", True], "more": {"k": None}}), ("now", {})],
    ),
    ("gemma", "[add(1, None, text='x')]", "", "", [("add", {"a": 1, "b": None, "text": "x"})]),
    (
        "gemma",
        '{"name": "get_product_name_by_PID", "parameters": {"PID": "807ZPKBL9V"}}',
        "",
        "",
        [("get_product_name_by_PID", {"PID": "807ZPKBL9V"})],
    ),
    ("gemma", '```tool_code\nget_weather(city="Paris")\n```', "", "", [PARIS]),
    ("gemma", '```tool_code\n[get_weather(city="Paris")]\n```', "", "", [PARIS]),
    ("gemma", FENCED % '{"name": "get_weather", "parameters": {"city": "Paris"}}', "", "", [PARIS]),
    # Harmony: OpenAI's examples of an answer, a call and a preamble, which ends in special tokens that
    # engines take for the end.
    (
        "harmony",
        "<|channel|>analysis<|message|>Simple arithmetic.<|end|>"
        "<|start|>assistant<|channel|>final<|message|>2 + 2 = 4.<|return|>",
        "Simple arithmetic.",
        "2 + 2 = 4.",
        [],
    ),
    (
        "harmony",
        "<|channel|>analysis<|message|>Need the weather.<|end|><|start|>assistant<|channel|>commentary "
        'to=functions.get_weather <|constrain|>json<|message|>{"city":"Paris"}<|call|>',
        "Need the weather.",
        "",
        [PARIS],
    ),
    (
        "harmony",
        "<|channel|>commentary<|message|>**Plan**: look, then answer.<|end|><|start|>assistant<|channel|>"
        'commentary to=functions.get_weather<|constrain|>json<|message|>{"city":"Paris"}',
        "",
        "**Plan**: look, then answer.",
        [PARIS],
    ),
    (
        "harmony",
        ' to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{"city":"Paris"}<|call|>'
        '<|start|>assistant to=functions.get_weather<|channel|>commentary<|message|>{"city":"Rome"}<|call|>',
        "",
        "",
        [PARIS, ROME],
    ),
    ("harmony", "<|channel|>commentary to=functions.now<|message|><|call|>", "", "", [("now", {})]),
    ("harmony", "Without any channel.", "", "Without any channel.", []),
    ("harmony", "<|channel|>analysis<|message|>broken o", "broken o", "", []),
    ("harmony", "<|channel|>anal", "", "", []),
    ("harmony", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assist", "Hm.", "", []),
    # Qwen 3 Coder: a tag an argument, and the definition says of which type a value is.
    (
        "qwen-coder",
        "Adding.\n<tool_call>\n<function=add>\n<parameter=a>\n12\n</parameter>\n"
        "<parameter=b>\nnull\n</parameter>\n<parameter=list>\n[1, 2]\n</parameter>\n"
        "<parameter=flag>True</parameter>\n<parameter=text>\n7\nlines\n</parameter>\n<parameter=other>{}</parameter>\n</function>\n</tool_call>",
        "",
        "Adding.",
        [("add", {"a": 12, "b": None, "list": [1, 2], "flag": True, "text": "7\nlines", "other": "{}"})],
    ),
    (
        "qwen-coder",
        "<function=add>\n<parameter=a>\nmany\n</parameter>\n</function>\n</tool_call>\n<tool_call><function=now>\n"
        "</function></tool_call>",
        "",
        "",
        [("add", {"a": "many"}), ("now", {})],
    ),
    (
        "qwen-coder",
        "<tool_call><function=now></function><function=add><parameter=a>1</parameter></function></tool_call>",
        "",
        "",
        [("now", {}), ("add", {"a": 1})],
    ),
    # A tag from a Go template, by Ollama's lenient rule.
    (
        "tagged",
        'Well.\n<function_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</function_call>\n',
        "",
        "Well.",
        [PARIS],
    ),
    ("tagged", '<function_call>get_weather {"city": "Paris"}', "", "", [PARIS]),
    ("tagged", '<function_call>{"get_weather": {"city": "Paris"}}', "", "", [PARIS]),
    (
        "tagged",
        '<function_call>[{"function": {"name": "get_weather", "parameters": "{\\"city\\": \\"Paris\\"}"}},'
        ' {"name": "get_weather", "arguments": {"city": "Rome"}}]',
        "",
        "",
        [PARIS, ROME],
    ),
    ("tagged", '<function_call>get_weather_forecast {"d": 1}', "", "", [("get_weather_forecast", {"d": 1})]),
    ("bare", '{"name": "get_weather", "parameters": {"city": "Paris"}}', "", "", [PARIS]),
]


@pytest.mark.parametrize(("name", "text", "thinking", "content", "calls"), WELL_FORMED)
def test_every_format_is_read_as_its_vendor_writes_it(
    name: str, text: str, thinking: str, content: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    for pieces in ([text], list(text), cut(text, range(3, len(text), 7))):
        whole = said(FORMATS[name], pieces)
        assert (whole.thinking, whole.content, asked(whole)) == (thinking, content, calls)


R1_CALL = deepseek.CALLS_BEGIN + deepseek.CALL_BEGIN
MALFORMED = [
    ("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": }}</tool_call>'),
    ("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Par'),
    ("hermes", '<tool_call>{"name": "delete_everything", "arguments": {}}</tool_call> Sorry.'),
    ("hermes", "Calls begin with <tool_call> and end with </tool_call>."),
    ("hermes", '<tool_call>{"name": "add", "arguments": [1]}</tool_call>'),
    ("hermes", '<tool_call>{"name": "add", "arguments": {}} and so on</tool_call>'),
    ("hermes", '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "add", "arguments": {"a": "\\ud800"}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "add", "arguments": {"a": 1e999}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "add", "arguments": ' + "[" * 500),
    ("hermes", "<tool_call>[]</tool_call>"),
    ("hermes", "a < b and <tool"),
    ("llama", '{"capital": "Paris"}'),
    ("llama", '{"name": "Ada", "parameters": {}} is my answer'),
    ("llama", '{"name": "get_weather", "parameters": {"city"'),
    ("llama", 'Use {"name": "get_weather", "parameters": {}} for that.'),
    ("llama", "; not a call"),
    ("llama", "<|python_tag|>"),
    ("mistral", '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}}'),
    ("mistral", "[TOOL_CALLS] are what I write."),
    ("mistral", '[TOOL_CALLS]wipe[ARGS]{"city": "Paris"}'),
    ("mistral", "[1, 2] is a list, [TOOL"),
    ("deepseek", R1_CALL + f"function{deepseek.SEPARATOR}wipe\n" + FENCED % "{}"),
    ("deepseek", R1_CALL + "function"),
    ("gemma", "[1, 2, 3]"),
    ("gemma", "[get_weather(city=Paris)]"),
    ("gemma", "[get_weather('Paris')]"),
    ("gemma", "[add(1, a=2)]"),
    ("gemma", "[add(1, 2, [3], true, 'x', 6)]"),
    ("qwen-coder", "<tool_call>\n<function=wipe>\n</function>\n</tool_call>"),
    ("qwen-coder", "<tool_call>\n<function=add>\n<parameter=a>\n12\n"),
    ("qwen-coder", "<tool_call>\n<function=add>\n<parameter=a>1</parameter> and"),
    ("qwen-coder", '<tool_call>{"name": "now"}</tool_call>'),
    ("gemma", "[get_weather(city='Paris')"),
    ("gemma", "[note: it's fine]"),
    ("gemma", "```tool_code\nprint(get_weather(city='Paris'))\n```"),
    ("gemma", "```python\nprint(1)\n```"),
    ("gemma", "``"),
    ("harmony", '<|channel|>commentary to=functions.wipe <|constrain|>json<|message|>{"a":1}<|call|>'),
    ("harmony", '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Par'),
    ("harmony", "<|channel|>commentary to=functions.get_w"),
    ("tagged", "<function_call>nothing follows"),
    ("tagged", '<function_call>{"name": "wipe"}'),
    ("bare", '{"answer": 42}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_what_is_no_call_comes_back_as_the_text_it_was(name: str, text: str) -> None:
    for pieces in ([text], list(text)):
        whole = said(FORMATS[name], pieces)
        assert (whole.content, whole.thinking, whole.tool_calls) == (text, "", ())


def test_a_broken_call_does_not_hide_the_next_one() -> None:
    broken = '<tool_call>{"name": "get_weather", "arguments": {"city": "x}</tool_call>'
    whole = said(HERMES, [broken + '<tool_call>{"name": "now"}</tool_call>'])
    assert (whole.content, asked(whole)) == (broken, [("now", {})])


def test_prose_is_told_at_once_and_only_half_a_mark_is_held_back() -> None:
    splitter = HERMES.splitter(TOOLS, None, "")
    assert splitter.feed("Let me") == Said(content="Let me")
    assert splitter.feed(" see <") == Said(content=" see")
    assert splitter.feed("b") == Said(content=" <b")
    assert splitter.feed("<tool_") == Said()
    assert splitter.feed("box>") == Said(content="<tool_box>")


def test_a_call_is_told_as_soon_as_it_is_whole() -> None:
    splitter = HERMES.splitter(TOOLS, None, "")
    splitter.feed('<tool_call>{"name": "now"}</tool_call')
    assert [call.name for call in splitter.feed(">").tool_calls] == ["now"]


def test_the_order_of_arguments_is_kept() -> None:
    whole = said(HERMES, ['<tool_call>{"name": "add", "arguments": {"z": 1, "a": 2, "m": 3}}</tool_call>'])
    assert list(whole.tool_calls[0].arguments) == ["z", "a", "m"]


def test_without_tools_a_reply_is_left_alone() -> None:
    text = '<tool_call>{"name": "now"}</tool_call>'
    assert said(HERMES, [text], {}) == Said(content=text)
    assert said(LLAMA, ['{"name": "now"}'], {}) == Said(content='{"name": "now"}')


def test_where_nobody_said_which_tools_there_are_only_marked_calls_count() -> None:
    assert asked(said(HERMES, ['<tool_call>{"name": "anything"}</tool_call>'], None)) == [("anything", {})]
    for found in (GEMMA, LLAMA, BARE):
        assert said(found, ['{"name": "anything"}'], None) == Said(content='{"name": "anything"}')
    assert asked(said(LLAMA, ['<|python_tag|>{"name": "anything"}'], None)) == [("anything", {})]


def test_thoughts_stay_in_the_text_of_a_model_that_cannot_think() -> None:
    splitter = HERMES.splitter({}, None, "")
    assert splitter.feed("<think>x</think>y") + splitter.flush() == Said(content="<think>x</think>y")


def test_a_prompt_that_opened_a_thought_is_continued() -> None:
    for found in (HERMES, DEEPSEEK):
        whole = said(found, ["Hm.\n</think>\n\nYes."], prompt="…assistant\n<think>\n")
        assert whole == Said("Hm.", "Yes.")


@pytest.mark.parametrize(
    ("prompt", "reply", "expected"),
    [
        ("<|start|>assistant", "<|channel|>final<|message|>Yes.", Said(content="Yes.")),
        ("<|start|>assistant<|channel|>final<|message|>", "Yes.", Said(content="Yes.")),
        ("<|start|>assistant<|channel|>analysis<|message|>Hm", ", yes.", Said(", yes.")),
        ("<|start|>assistant<|channel|>analysis", "<|message|>Hm.", Said("Hm.")),
    ],
)
def test_harmony_goes_on_where_the_prompt_ended(prompt: str, reply: str, expected: Said) -> None:
    assert said(HARMONY, list(reply), prompt=prompt) == expected


def test_a_long_argument_costs_no_more_than_its_length() -> None:
    """A reader that looked at everything again with each piece would need 200 million steps."""
    text = "x" * 20_000
    call = json.dumps({"name": "add", "arguments": {"text": text}})
    splitter = HERMES.splitter(TOOLS, None, "")
    whole = Said()
    for piece in cut(f"<tool_call>{call}</tool_call>", range(0, 20_000, 2)):
        whole += splitter.feed(piece)
    assert asked(whole + splitter.flush()) == [("add", {"text": text})]


# ── however it is cut ─────────────────────────────────────────────────────────────────────────────

MARKS = sorted(
    {
        *hermes.PRESERVED,
        *llama.PRESERVED,
        *mistral.PRESERVED,
        *deepseek.PRESERVED,
        *(qwen_coder.FUNCTION, qwen_coder.FUNCTION_END, qwen_coder.PARAMETER, qwen_coder.PARAMETER_END),
        *harmony.PRESERVED,
        "<think>",
        "</think>",
        "<function_call>",
        "```tool_code",
        "```",
    }
)
FRAGMENTS = [
    *MARKS,
    *(text for _, text, *_ in WELL_FORMED),
    *(text for _, text in MALFORMED),
    '{"name": "now"}',
    "[now()]",
    "analysis",
    "assistant",
    " to=functions.now",
    "{",
    "}",
    "[",
    '"',
    "'",
    "\\",
    ";",
    " ",
    "\n",
    "word",
    "é",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join)
places = st.lists(st.integers(0, 400), max_size=12)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), texts, places, st.booleans())
def test_cutting_changes_nothing(name: str, text: str, where: list[int], offered: bool) -> None:
    tools = TOOLS if offered else None
    assert said(FORMATS[name], cut(text, where), tools) == said(FORMATS[name], [text], tools)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted({name for name, *_ in WELL_FORMED})),
    st.lists(st.integers(0, 400), max_size=12),
    st.data(),
)
def test_no_mark_of_a_well_formed_reply_is_ever_told(name: str, where: list[int], data: Any) -> None:
    choices = [text for each, text, *_ in WELL_FORMED if each == name]
    text = data.draw(st.sampled_from(choices))
    splitter = FORMATS[name].splitter(TOOLS, True, "")
    told = [splitter.feed(piece) for piece in cut(text, where)] + [splitter.flush()]
    for mark in MARKS:
        for part in told:
            assert mark not in part.content + part.thinking


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["hermes", "llama", "mistral", "deepseek", "gemma", "tagged", "qwen-coder"]), texts)
def test_no_word_is_lost(name: str, text: str) -> None:
    """What was told, put together again, has every character but those of marks, calls and white space."""
    found = FORMATS[name]
    splitter = found.splitter(TOOLS, None, "")
    whole = splitter.feed(text) + splitter.flush()
    if not whole.tool_calls:
        assert whole.content == text
    else:
        assert set("".join(whole.content.split())) <= set(text)
        rest = iter(text)
        assert all(character in rest for character in whole.content)


# ── which format ──────────────────────────────────────────────────────────────────────────────────

CHATML = "{% if tools %}{% endif %}<|im_start|>"


@pytest.mark.parametrize(
    ("template", "name", "calls", "thinks"),
    [
        (CHATML + "<tool_call>\n", "hermes", True, False),
        (CHATML + "<tool_call> <think> {{ '</think>' }}", "hermes, thinking", True, True),
        (CHATML + "<tool_call>\n<function=", "qwen-coder", True, False),
        ("{% if tools %}<|start_header_id|> <|python_tag|>", "llama", True, False),
        ("{% if tools %}<|start_header_id|>", "llama", True, False),
        ("{% if tools %}[AVAILABLE_TOOLS] [TOOL_CALLS]", "mistral", True, False),
        ("{% if tools %}[TOOL_CALLS] [THINK] [/THINK]", "mistral, thinking", True, True),
        (
            f"{{% if message.tool_calls %}}{deepseek.CALLS_BEGIN} content.split('</think>')",
            "deepseek, thinking",
            True,
            True,
        ),
        ("<|start|>assistant<|channel|>final<|message|>", "harmony", True, True),
        ("{% if tools %}<start_of_turn>model", "gemma", True, False),
        ("<start_of_turn>model", "plain", False, False),
        ("<think>{{ x }}</think>", "thinking", False, True),
        ("{% if tools %}of a kind nobody knows", "plain", False, False),
        ("", "plain", False, False),
    ],
)
def test_a_jinja_template_tells_the_format(template: str, name: str, calls: bool, thinks: bool) -> None:
    found = of_jinja(template)
    assert (found.name, found.reads_calls, found.thinks) == (name, calls, thinks)


def test_a_parser_that_a_configuration_names_tells_the_format() -> None:
    named = {
        name: of_parser(name) for name in ("qwen3", "qwen3-coder", "ministral", "harmony", "passthrough")
    }
    assert {name: found.name for name, found in named.items() if found} == {
        "qwen3": "hermes, thinking",
        "qwen3-coder": "qwen-coder",
        "ministral": "mistral, thinking",
        "harmony": "harmony",
        "passthrough": "plain",
    }
    assert of_parser("glimmer") is None


def test_tags_of_a_go_template_tell_the_format() -> None:
    assert of_tags("{{ .Tools }}<tool_call>", None, "<tool_call>").name == "hermes"
    assert of_tags("{{ .Tools }}<|start_header_id|>", None, "{").name == "llama"
    assert of_tags("{{ .Tools }}", Tags(), "<call>").name == "tagged, thinking"
    assert of_tags("{{ .Prompt }}", None, None) == PLAIN
    assert of_tags("<|channel|> <|message|>", None, None).name == "harmony"


def test_a_tag_of_a_go_template_may_end_in_a_bracket() -> None:
    mistral_tag = of_tags("{{ .Tools }}[TOOL_CALLS] [{", None, "[TOOL_CALLS] [")
    assert mistral_tag.name == "mistral"
    for tag, before, after in (
        ("Action: ```json\n[", "Action: ```json\n", "\n```"),
        ("functools[", "functools", ""),
    ):
        found = of_tags("{{ .Tools }}", None, tag)
        text = (
            before + '[\n{"name": "now", "parameters": {}}, {"name": "add", "parameters": {"a": 1}}]' + after
        )
        assert found.name == "tagged"
        for pieces in ([text], list(text)):
            whole = said(found, pieces)
            assert (whole.content, asked(whole)) == ("", [("now", {}), ("add", {"a": 1})])


def test_marks_that_an_engine_would_swallow_are_named() -> None:
    found = of_jinja(CHATML + "<tool_call> <think></think>")
    assert found.preserved == ("<tool_call>", "</tool_call>", "<think>", "</think>")
    assert set(of_jinja("<|channel|><|message|>").preserved) >= {"<|channel|>", "<|message|>", "<|end|>"}


def test_harmony_has_three_efforts() -> None:
    efforts = [HARMONY.effort(think) for think in (False, True, "low", "medium", "high", "max")]  # type: ignore[arg-type]
    assert efforts == ["low", "medium", "low", "medium", "high", "high"]
    assert [HERMES.effort(think) for think in (True, False)] == [True, False]


def test_thinking_is_turned_off_in_the_prompt_where_the_template_does_not() -> None:
    assert DEEPSEEK.quiet("…<think>\n", obeys=False) == "…<think>\n\n</think>\n\n"
    assert HERMES.quiet("…", obeys=True) == "…"
    assert LLAMA.quiet("…", obeys=False) == "…"
    assert HARMONY.quiet("…", obeys=False) == "…"
