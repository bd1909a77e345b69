"""GBNF, written and read: a client's own grammar, and thoughts before an answer."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammars import Drawing, Recognition, bounds, lengths, rules_of
from paddock.errors import BadGrammar
from paddock.prompts.grammar import Thought, after_thought, of_json, of_text
from paddock.prompts.grammar.gbnf import BLOCK, Grammar, Part, Text, chars, one_of, repeat


def accepts(grammar: str, text: str) -> bool:
    return Recognition(of_text(grammar)).accepts(text)


#: Forty rules of which each is begun by the next one in two ways: a million million paths.
SHARED = "root ::= r0\n" + "".join(f'r{n} ::= r{n + 1} | r{n + 1} "x"\n' for n in range(40)) + 'r40 ::= "z"'


# ── a client's own ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        ('root ::= "yes" | "no"', ["yes", "no"], ["", "yesno"]),
        ('root ::= line+ # lines\nline ::= [a-z0-9_]* "\\n"\n', ["a\n", "\nb_1\n"], ["a", ""]),
        ('root ::= ("a"\n  | "b" # or\n) "c"', ["ac", "bc"], ["c"]),
        ('root ::= [^"\\\\\\n] .', ["ab", "日本"], ['"a', "a"]),
        ("root ::= [\\x41-\\x43\\u3042\\U0001F600-\\U0001F64F]", ["B", "あ", "😀"], ["D"]),
        ("root ::= [-a] [a-]", ["--", "aa"], ["b-"]),
        ('root ::= "x"{2} "y"{1,} "z"{0,2}', ["xxy", "xxyyzz"], ["xy", "xxyzzz"]),
        ('root ::= "" | "a"', ["", "a"], ["b"]),
        ('root ::= item ("," item)*\nitem ::= [0-9]+ | "(" root ")"', ["1,(2,3)"], ["(1"]),
        ('root ::= a\n\na ::=\n  "x"', ["x"], []),
        ("root ::= [a-z]{3000}", ["x" * 3000], ["x" * 2999]),
    ],
)
def test_it_means_what_it_says(grammar: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not accepts(grammar, text)] == []
    assert [text for text in bad if accepts(grammar, text)] == []


@pytest.mark.parametrize(
    ("grammar", "cause"),
    [
        ("", 'no rule "root"'),
        ('main ::= "x"', 'no rule "root"'),
        ('root = "x"', '"::=" is expected (line 1, column 6)'),
        ('root ::= "x', "ends too early (line 1, column 12)"),
        ("root ::= [a", "ends too early"),
        ('root ::= "a" |\nb ::= )', "end of the line is expected (line 2"),
        ("root ::= other", '"other", which is not there'),
        ("root ::= []", "no character is in this class"),
        ("root ::= [^\\x01-\\uD7FF\\uE000-\\U0010FFFF]", "no character is in this class"),
        ("root ::= [b-a]", "no range"),
        ('root ::= "\\q"', "no escape \\q"),
        ('root ::= "\\x4"', "2 hexadecimal digits"),
        ('root ::= "\\x00"', "no character that a model could write"),
        ('root ::= "\\uD800"', "no character that a model could write"),
        ("root ::= * ", "nothing stands before"),
        ('root ::= "a"{3,2}', "out of order"),
        ('root ::= "a"{,2}', "a number is expected"),
        ('root ::= "a"{999999999}', "too many"),
        ('root ::= ("a"', '")" is expected'),
        ('root ::= "a" )', "end of the line is expected"),
        ("root ::= <[12]>", "tokens are not supported"),
        ("root ::= !<think>", "tokens are not supported"),
        ("%llguidance {}\nstart: /a/", "a rule's name is expected (line 1, column 1)"),
        ("root ::= " + "(" * 200 + '"a"' + ")" * 200, "nested too deeply"),
        ("root ::= " + '"a" ' * 200_000, "longer than"),
        # What would keep an engine busy for ever, or end it.
        ('root ::= root "a" | "b"', "left recursion"),
        ('root ::= a "x"\na ::= b\nb ::= root | "y"', "left recursion"),
        ('root ::= empty root "x" | "y"\nempty ::= nothing\nnothing ::= "" | "z"', "left recursion"),
        ('root ::= ("a"?)*', "may be empty is repeated without end"),
        ('root ::= "a" root', "never ends"),
        (SHARED, "share each other too often"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(grammar: str, cause: str) -> None:
    with pytest.raises(BadGrammar) as refusal:
        of_text(grammar)
    assert cause in str(refusal.value)
    assert str(refusal.value).startswith("invalid grammar: ")


_PIECES = [
    "root",
    "::=",
    '"a"',
    "[a-z]",
    "|",
    "(",
    ")",
    "*",
    "+",
    "?",
    "{2}",
    "{1,3}",
    "\n",
    "x",
    '"',
    ".",
    "\\",
]


@given(st.text(max_size=30) | st.lists(st.sampled_from(_PIECES), max_size=25).map(" ".join))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_any_text_is_a_grammar_or_refused(text: str) -> None:
    with contextlib.suppress(BadGrammar):
        Drawing(of_text(f"root ::= {text}"), 1).draw()


DOUBLING = "".join(f'x{n} ::= "a" x{n + 1} "b" | "a" x{n + 1} "c"\n' for n in range(30))


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= "a" root "b" | "a" root "c" | "d"',
        f'root ::= x0\n{DOUBLING}x30 ::= "d"',
        'root ::= [a-z]+ root "!" | [a-m]+ root "?" | "."',
    ],
)
def test_a_grammar_that_leaves_too_many_ways_open_is_refused(grammar: str) -> None:
    with pytest.raises(BadGrammar, match="too many ways open"):
        of_text(grammar)


def test_ways_that_are_many_and_do_not_grow_are_no_harm() -> None:
    words = " | ".join(f'"{number} is a word"' for number in range(3000))
    assert accepts(f"root ::= ({words})+", "7 is a word2999 is a word")
    assert accepts('root ::= "(" root ")" | "[" root "]" | [a-z]{0,900}', "([x])")


def test_rules_that_nobody_needs_are_left_out() -> None:
    assert of_text('root ::= "a"\nother ::= "b"').text == 'root ::= "a"\n'


# ── writing ───────────────────────────────────────────────────────────────────────────────────────

_atoms: st.SearchStrategy[Part] = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3).map(Text),
    st.lists(st.tuples(st.integers(1, 0xD7FF), st.integers(0, 40)), min_size=1, max_size=3).map(
        lambda spans: chars((low, min(low + more, 0xD7FF)) for low, more in spans)
    ),
)


@given(_atoms, st.integers(0, 3), st.integers(0, 3))
@settings(deadline=None, derandomize=True)
def test_what_is_written_is_read_back(part: Part, least: int, more: int) -> None:
    grammar = Grammar({"root": repeat(part, least, least + more)})
    again = Grammar(rules_of(grammar.text))
    drawing, recognition = Drawing(grammar, 1), Recognition(again)
    for _ in range(5):
        assert recognition.accepts(drawing.draw())


@pytest.mark.parametrize("least", [0, 1, BLOCK, 3 * BLOCK + 5])
@pytest.mark.parametrize("more", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, BLOCK * BLOCK + 70, None])
def test_large_repetitions_are_exact_and_no_bound_in_them_is_large(least: int, more: int | None) -> None:
    most = None if more is None else least + more
    rules = rules_of(Grammar({"root": repeat(chars(((97, 122),)), least, most)}).text)
    assert max(bound for part in rules.values() for bound in bounds(part)) <= BLOCK
    far = least + (200 if more is None else more + 2)
    assert lengths(rules["root"], rules, far) == set(range(least, (far if most is None else most) + 1))


@given(st.sets(st.text("abc", max_size=4), min_size=1, max_size=40))
@settings(deadline=None, derandomize=True)
def test_a_tree_of_texts_holds_these_texts(texts: set[str]) -> None:
    recognition = Recognition(Grammar({"root": one_of(texts)}))
    assert all(recognition.accepts(text) for text in texts)
    assert not any(recognition.accepts(text + "a") for text in texts if text + "a" not in texts)


# ── thoughts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("closing", ["</think>", "<|END|>", "[/THINK]", "aab"])
def test_a_thought_ends_at_its_first_closing_tag_and_the_answer_follows(closing: str) -> None:
    opened = Recognition(after_thought(of_json(), Thought("<think>", closing), opened=True))
    for thought in ("", "so < and </thin", closing[:-1] * 2, "aa", "日本\n\n"):
        assert opened.accepts(f'{thought}{closing}{{"a": 1}}')
        assert opened.accepts(f"{thought}{closing}\n\n{{}}")
        assert not opened.accepts(f"{thought}{closing}")
        assert not opened.accepts(f"{thought}{closing}more {{}}")
    assert not opened.accepts("{}")
    assert not opened.accepts("thinking for ever")


def test_a_model_may_think_first_or_answer_at_once() -> None:
    grammar = of_text('root ::= "a" | "(" root ")"')
    recognition = Recognition(after_thought(grammar, Thought("<think>", "</think>"), opened=False))
    assert recognition.accepts("((a))")
    assert recognition.accepts("<think>\nhm</think>\n\n(a)")
    assert not recognition.accepts("<think>(a)")
    assert not recognition.accepts("hm</think>(a)")


def test_rules_of_a_client_may_be_called_anything() -> None:
    grammar = of_text('root ::= answer thought-0\nanswer ::= "x"\nthought-0 ::= "y"')
    assert Recognition(after_thought(grammar, Thought("<a>", "</a>"), opened=True)).accepts("..</a>xy")


def test_an_answer_may_have_a_head_of_its_own() -> None:
    channels = Thought("<|analysis|>", "<|end|>", "<|start|>", "<|final|>")
    recognition = Recognition(after_thought(of_text('root ::= "a"'), channels, opened=False))
    assert recognition.accepts("<|final|>a")
    assert recognition.accepts("<|analysis|>hm<|end|><|start|><|final|>a")
    assert not recognition.accepts("a")
    assert not recognition.accepts("<|analysis|>hm<|end|>a")
