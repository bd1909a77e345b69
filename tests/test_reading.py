"""JSON bodies: read as Ollama reads them, and whatever is wrong is a 400 that says where."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paddock.api.wire import native as wire
from paddock.api.wire.reading import read
from paddock.errors import BadField, BadFormat, BadRequest
from paddock.messages import ChatRequest, GenerateRequest, Message, ToolCall


def chat(**body: Any) -> ChatRequest:
    return wire.chat_request(read(json.dumps(body).encode(), wire.Chat), "me")


def generate(**body: Any) -> GenerateRequest:
    return wire.generate_request(read(json.dumps(body).encode(), wire.Generate), "me")


# ── what Go's JSON lets pass ──────────────────────────────────────────────────────────────────────


def test_keys_match_in_any_case_on_every_level() -> None:
    body = b"""{"MODEL": "m", "Messages": [{"ROLE": "user", "Content": "hi", "Tool_Calls": [
        {"ID": "1", "Function": {"NAME": "f", "Arguments": {"Keep": {"This": 1}}}}]}],
        "_DEBUG_render_only": true}"""
    found = read(body, wire.Chat)
    assert (found.model, found.debug_render_only) == ("m", True)
    (turn,) = found.messages
    assert (turn.role, turn.content) == ("user", "hi")
    (call,) = turn.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("1", "f", {"Keep": {"This": 1}})


def test_of_two_spellings_of_a_key_the_last_counts_and_a_null_does_not() -> None:
    assert read(b'{"Model": "a", "model": "b"}', wire.Chat).model == "b"
    assert read(b'{"model": "a", "MODEL": "b"}', wire.Chat).model == "b"
    assert read(b'{"model": "a", "MODEL": null}', wire.Chat).model == "a"


def test_unknown_fields_are_ignored_on_every_level() -> None:
    body = b'{"model": "m", "nonsense": {"a": [1]}, "messages": [{"role": "user", "colour": 3}]}'
    assert read(body, wire.Chat).messages == [wire.Turn(role="user")]


def test_a_null_is_as_good_as_silence() -> None:
    nothing = dict.fromkeys(wire.Chat.__struct_fields__) | {"_debug_render_only": None}
    assert read(json.dumps(nothing).encode(), wire.Chat) == wire.Chat()
    assert read(b'{"messages": [{"role": null, "content": "x"}]}', wire.Chat).messages[0].role == ""


@pytest.mark.parametrize("rest", [b" trailing", b"{}", b'\n{"model": "other"}', b"]", b"\x00"])
def test_only_the_first_value_of_a_body_counts(rest: bytes) -> None:
    assert read(b'{"model": "m"}' + rest, wire.Chat).model == "m"


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n\r\t ", b"\xef\xbb\xbf \n"])
def test_white_space_and_a_byte_order_mark_before_it_do_not_count(before: bytes) -> None:
    assert read(before + b'{"model": "m"}', wire.Chat).model == "m"
    assert read(before + b'{"model": "m"} x', wire.Chat).model == "m"


def test_half_a_character_becomes_the_sign_for_one_that_is_missing() -> None:
    found = read(rb'{"model": "a\ud800b", "options": {"\udc00": ["\ud83d\ude00"]}}', wire.Chat)
    assert found.model == "a\ufffdb"
    assert found.options == {"\ufffd": ["\U0001f600"]}
    json.dumps(found.options, ensure_ascii=False).encode()  # it can be written again


# ── what is wrong, and where ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [b"", b" ", b"\n\r\n\t"])
def test_an_empty_body_is_said_to_be_missing(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^missing request body$"):
        read(body, wire.Chat)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"model": "m"', "line 1, column 14"),
        (b"{'model': 1}", "line 1, column 2"),
        (b'{\n  "model" "m"\n}', "line 2, column 11"),
        (b'\n\n {"model" 1}', "line 3, column 11"),
        (b'\xef\xbb\xbf{"model" 1}', "line 1, column 10"),
        (b"nonsense", "line 1, column 1"),
        (b"\xef\xbb\xbf", "line 1, column 1"),
    ],
)
def test_malformed_json_is_told_with_line_and_column(body: bytes, where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body, wire.Chat)
    assert str(caught.value).startswith("the request body is not valid JSON: ")
    assert str(caught.value).endswith(where)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_calls_json_is_refused(word: str) -> None:
    with pytest.raises(BadRequest, match=rf"^the request body is not valid JSON: {word} is no number$"):
        read(f'{{"keep_alive": {word}}}'.encode(), wire.Chat)


def test_bytes_that_are_no_utf8_are_told_with_their_place() -> None:
    with pytest.raises(BadRequest, match=r"not UTF-8: byte 11 cannot be read$"):
        read(b'{"model": "\xff"}', wire.Chat)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"a number has more than 1000 digits$"):
        read(b'{"keep_alive": ' + b"9" * 5000 + b"}", wire.Chat)


@pytest.mark.parametrize("opening", [b'{"a":', b"[", b'{"options":{"a":', b'{"model":"m","x":['])
def test_nesting_without_end_is_refused_and_breaks_nothing(opening: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the request body is nested too deeply$"):
        read(opening * 100_000, wire.Chat)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "an array"), (b'"m"', "a string"), (b"1", "a number"), (b"1.5", "a number"),
        (b"true", "a boolean"), (b"null", "null"),
    ],
)  # fmt: skip
def test_a_body_must_be_an_object(body: bytes, kind: str) -> None:
    with pytest.raises(BadRequest, match=f"^the request body must be a JSON object, not {kind}$"):
        read(body, wire.Chat)


@pytest.mark.parametrize(
    ("body", "field", "what"),
    [
        ({"model": 1}, "model", "expected a string, got an integer"),
        ({"MODEL": 1}, "model", "expected a string, got an integer"),
        ({"stream": "yes"}, "stream", "expected a boolean, got a string"),
        ({"options": []}, "options", "expected an object, got an array"),
        ({"messages": {}}, "messages", "expected an array, got an object"),
        ({"messages": ["hi"]}, "messages[0]", "expected an object, got a string"),
        ({"messages": [{}, {"content": ["x"]}]}, "messages[1].content", "expected a string, got an array"),
        ({"messages": [{"Content": 3}]}, "messages[0].content", "expected a string, got an integer"),
        (
            {"messages": [{"tool_calls": [{}, {"function": {"arguments": "{}"}}]}]},
            "messages[0].tool_calls[1].function.arguments",
            "expected an object, got a string",
        ),
        ({"top_logprobs": 1.5}, "top_logprobs", "expected an integer, got a number"),
        ({"shift": 1}, "shift", "expected a boolean or null, got an integer"),
        ({"_debug_render_only": 1}, "_debug_render_only", "expected a boolean, got an integer"),
    ],
)
def test_a_wrong_type_is_told_with_the_path_of_its_field(body: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(BadField) as caught:
        read(json.dumps(body).encode(), wire.Chat)
    assert str(caught.value) == f"invalid value for {field}: {what}"
    assert (caught.value.field, caught.value.status) == (field, 400)


@pytest.mark.parametrize("token", [-1, 1 << 31, 1.5, "1", None])
def test_a_context_holds_tokens_and_nothing_else(token: object) -> None:
    with pytest.raises(BadField, match=r"^invalid value for context\[1\]: expected an integer"):
        generate(model="m", context=[7, token])
    assert generate(model="m", context=[0, (1 << 31) - 1]).context == (0, (1 << 31) - 1)


SHAPES: list[type[msgspec.Struct]] = [
    wire.Chat,
    wire.Generate,
    wire.Embed,
    wire.LegacyEmbed,
    wire.Show,
    wire.Copy,
    wire.Delete,
]
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=4),
    st.just(10**400),
)
KEYS = st.sampled_from(
    sorted(
        {name for shape in (*SHAPES, wire.Turn, wire.Call, wire.Function) for name in shape.__struct_fields__}
    )
) | st.text(max_size=2)
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(KEYS, anything, max_size=5).map(lambda value: json.dumps(value).encode())


def understood(body: bytes) -> None:
    """Every shape, and on to the request: only BadRequest may come out, and BadFormat, which is a 500 as
    Ollama's is."""
    for shape in SHAPES:
        try:
            found = read(body, shape)
            match found:
                case wire.Chat():
                    wire.chat_request(found, "")
                case wire.Generate():
                    wire.generate_request(found, "")
                case wire.Embed():
                    wire.embed_request(found, "")
                case wire.LegacyEmbed():
                    wire.keep_alive(found.keep_alive)
        except (BadRequest, BadFormat) as error:
            str(error).encode()  # it can be sent


@settings(max_examples=100)
@given(st.binary(max_size=60))
@example(b'{"keep_alive": 1e999}')
@example(b'{"keep_alive": -1e999}')
@example(b"\xef\xbb\xbf\xef\xbb\xbf{}")
@example(b'{"think": "\\ud800"}')
@example(b'{"keep_alive": "\\ud800"}')
@example(b'{"\\ud800": 1, "MODEL": "\\udfff"}')
def test_no_bytes_at_all_raise_anything_but_a_bad_request(body: bytes) -> None:
    understood(body)


@settings(max_examples=70)
@given(bodies, st.integers(0, 200), st.binary(max_size=2))
def test_no_json_raises_anything_but_a_bad_request_damaged_or_whole(
    body: bytes, place: int, junk: bytes
) -> None:
    understood(body)
    understood(body[:place] + junk + body[place:])
    understood(body[:place])


# ── from bodies to requests ───────────────────────────────────────────────────────────────────────


def test_a_chat_arrives_whole() -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": {"b": 1, "a": 2}, "index": 3}}
    turns = [
        {"role": "USER", "content": "hi", "thinking": "hm"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "7", "tool_name": "f", "tool_call_id": "c1"},
    ]
    asked = chat(
        model="m", messages=turns, options={"seed": 1}, keep_alive="1m", think="high", truncate=False,
        shift=True, logprobs=True, top_logprobs=3, _debug_render_only=True,
    )  # fmt: skip
    assert asked == ChatRequest(
        model="m",
        options={"seed": 1},
        keep_alive=60.0,
        think="high",
        truncate=False,
        shift=True,
        top_logprobs=3,
        render_only=True,
        client="me",
        messages=(
            Message("user", "hi", "hm"),
            Message("assistant", tool_calls=(ToolCall("f", {"b": 1, "a": 2}, 3, "c1"),)),
            Message("tool", "7", "", (), "f", "c1"),
        ),
    )
    assert list(asked.messages[1].tool_calls[0].arguments) == ["b", "a"]


def test_silence_in_a_chat_takes_ollamas_defaults() -> None:
    assert chat(model="m") == ChatRequest(model="m", client="me")
    assert read(b"{}", wire.Chat).stream is True
    assert read(b"{}", wire.Generate).stream is True


def test_a_completion_arrives_whole() -> None:
    asked = generate(model="m", prompt="a", suffix="b", system="s", context=[1, 2])
    assert asked == GenerateRequest(
        model="m", prompt="a", suffix="b", system="s", context=(1, 2), client="me"
    )
    assert generate(model="m", prompt="a", raw=True).raw is True
    assert generate(model="m", system="").system is None


@pytest.mark.parametrize("also", [{"template": "{{ .Prompt }}"}, {"system": "s"}, {"context": [1]}])
def test_a_raw_prompt_excludes_what_would_change_it(also: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"^raw mode does not support template, system, or context$"):
        generate(model="m", raw=True, **also)
    if "template" not in also:
        generate(model="m", **also)
    generate(model="m", raw=True)


@pytest.mark.parametrize("empty", [{"template": ""}, {"system": ""}, {"context": []}])
def test_a_raw_prompt_does_not_mind_empty_fields(empty: dict[str, Any]) -> None:
    assert generate(model="m", raw=True, **empty).raw


@pytest.mark.parametrize("form", ["json", {"type": "object"}, {}])
def test_formats_are_taken_as_they_are_sent(form: Any) -> None:
    assert chat(model="m", format=form).format == form
    assert generate(model="m", format=form).format == form


def test_a_grammar_is_taken_as_it_is_sent() -> None:
    assert chat(model="m", grammar='root ::= "a"').grammar == 'root ::= "a"'


@pytest.mark.parametrize(
    ("form", "quoted"), [("xml", '"\\"xml\\""'), ([1], '"[1]"'), (True, '"true"'), (0, '"0"')]
)
def test_what_is_no_format_is_quoted(form: Any, quoted: str) -> None:
    with pytest.raises(BadFormat) as caught:
        chat(model="m", format=form)
    assert str(caught.value) == f'invalid format: {quoted}; expected "json" or a valid JSON Schema object'
    assert caught.value.status == 500


def test_tools_are_taken_as_they_are_sent() -> None:
    tool = {"function": {"name": "f", "strict": True, "parameters": {"x": {"Minimum": 1}}}, "mine": None}
    assert chat(model="m", tools=[tool]).tools == (tool,)
    assert chat(model="m", tools=None).tools == ()


def test_a_template_comes_as_it_is() -> None:
    assert generate(model="m", template="{{ .Prompt }}").template == "{{ .Prompt }}"


@pytest.mark.parametrize("empty", [{"format": ""}, {"format": None}, {"images": []}, {"template": ""}])
def test_empty_fields_ask_for_nothing(empty: dict[str, Any]) -> None:
    assert generate(model="m", **empty) == generate(model="m")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), (0, 0.0), (300, 300.0), (1.5, 1.5), (-1, math.inf), ("5m", 300.0), ("0", 0.0),
        ("-1s", math.inf), (10**400, math.inf),
    ],
)  # fmt: skip
def test_keep_alive_is_seconds_or_a_duration(value: object, seconds: float | None) -> None:
    assert chat(model="m", keep_alive=value).keep_alive == seconds


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("300", 'time: missing unit in duration "300"'),
        ("", 'time: invalid duration ""'),
        (True, "Unsupported type: 'bool'"),
        ([5], "Unsupported type: '[]interface {}'"),
        ({"s": 5}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_what_is_no_keep_alive_is_refused_in_ollamas_words(value: object, sentence: str) -> None:
    with pytest.raises(BadField) as caught:
        chat(model="m", keep_alive=value)
    assert (str(caught.value), caught.value.field) == (sentence, "keep_alive")


@pytest.mark.parametrize("value", [None, True, False, "low", "medium", "high", "max"])
def test_thinking_is_on_off_or_so_hard(value: object) -> None:
    assert chat(model="m", think=value).think is value or value == chat(model="m", think=value).think


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("HIGH", 'invalid think value: "HIGH" (must be "high", "medium", "low", "max", true, or false)'),
        ("", 'invalid think value: "" (must be "high", "medium", "low", "max", true, or false)'),
        (1, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
        ([], 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    ],
)
def test_what_is_no_way_to_think_is_refused_in_ollamas_words(value: object, sentence: str) -> None:
    with pytest.raises(BadField) as caught:
        chat(model="m", think=value)
    assert (str(caught.value), caught.value.field) == (sentence, "think")


@pytest.mark.parametrize("number", [-1, 21, 10**30])
def test_too_many_candidates_a_token_are_refused(number: int) -> None:
    with pytest.raises(BadField, match=r"^top_logprobs must be between 0 and 20$"):
        generate(model="m", logprobs=True, top_logprobs=number)


def test_candidates_are_given_only_to_those_who_ask_for_probabilities() -> None:
    assert generate(model="m", logprobs=True, top_logprobs=20).top_logprobs == 20
    assert generate(model="m", logprobs=True).top_logprobs == 0
    assert generate(model="m", top_logprobs=20).top_logprobs is None


@pytest.mark.parametrize(
    ("given_input", "texts"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), (["a", ""], ("a", "")), ([], ()), ("", ()), (None, ())],
)
def test_what_to_embed_is_a_text_or_several(given_input: object, texts: tuple[str, ...]) -> None:
    body = read(json.dumps({"model": "m", "input": given_input}).encode(), wire.Embed)
    assert wire.embed_request(body, "me").texts == texts


@pytest.mark.parametrize("wrong", [1, True, {}, [1], ["a", None], [["a"]]])
def test_anything_else_is_no_input(wrong: object) -> None:
    body = read(json.dumps({"model": "m", "input": wrong}).encode(), wire.Embed)
    with pytest.raises(BadField, match=r"^invalid input type$"):
        wire.embed_request(body, "me")
