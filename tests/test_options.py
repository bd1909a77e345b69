"""The options object: whose word counts, and what is refused in which words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import BadOption
from paddock.options import LoadOptions, Options, Sampling, merge

INTEGERS = [
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "seed", "num_predict", "top_k",
    "repeat_last_n",
]  # fmt: skip
FLOATS = [
    "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty"
]  # fmt: skip
BOOLEANS = ["use_mmap"]


def value_of(name: str, options: Options) -> Any:
    return getattr(options.load, name) if hasattr(options.load, name) else getattr(options.sampling, name)


def test_the_defaults_are_ollamas() -> None:
    assert merge() == Options(
        LoadOptions(None, None, -1, None, None, 0),
        Sampling(4, -1, -1, 40, 0.9, 0.0, 1.0, 64, 0.8, 1.0, 0.0, 0.0, ()),
    )


def test_the_request_has_the_last_word_and_the_model_the_one_before() -> None:
    merged = merge({"temperature": 0.1, "top_k": 5, "num_ctx": 512}, {"temperature": 0.2, "num_ctx": 1024})
    assert (merged.sampling.temperature, merged.sampling.top_k, merged.load.num_ctx) == (0.2, 5, 1024)
    assert merged.sampling.top_p == Sampling().top_p


def test_a_null_keeps_what_was_there() -> None:
    merged = merge(
        {"top_k": 5, "stop": ["x"], "use_mmap": False}, {"top_k": None, "stop": None, "use_mmap": None}
    )
    assert (merged.sampling.top_k, merged.sampling.stop, merged.load.use_mmap) == (5, ("x",), False)
    assert merge({"temperature": None}) == merge()


def test_a_list_of_stops_replaces_the_models() -> None:
    assert merge({"stop": ["a", "b"]}, {"stop": ["c"]}).sampling.stop == ("c",)
    assert merge({"stop": ["a", "b"]}, {"stop": []}).sampling.stop == ()


def test_a_single_stop_is_a_list_of_one() -> None:
    assert merge({"stop": "</s>"}).sampling.stop == ("</s>",)


@pytest.mark.parametrize(
    ("given", "taken"), [(3, 3), (3.0, 3), (3.9, 3), (-3.9, -3), (-1, -1), (0, 0), (1e3, 1000)]
)
@pytest.mark.parametrize("name", INTEGERS)
def test_whole_numbers_are_cut_from_what_json_calls_a_number(name: str, given: float, taken: int) -> None:
    found = value_of(name, merge({name: given}))
    assert (found, type(found)) == (taken, int)


@pytest.mark.parametrize("name", FLOATS)
def test_a_whole_number_will_do_for_a_broken_one(name: str) -> None:
    found = value_of(name, merge({name: 1}))
    assert (found, type(found)) == (1.0, float)


@pytest.mark.parametrize(
    "wrong", ["3", "", [3], {}, True, False, math.nan, math.inf, -math.inf, 1 << 63, -(10**400), 1e300]
)
@pytest.mark.parametrize(("names", "kind"), [(INTEGERS, "integer"), (FLOATS, "float32")])
def test_what_is_no_number_is_refused_in_ollamas_words(names: list[str], kind: str, wrong: object) -> None:
    for name in names:
        with pytest.raises(BadOption) as caught:
            merge({name: wrong})
        assert str(caught.value) == f'option "{name}" must be of type {kind}'
        assert (caught.value.option, caught.value.status) == (name, 500)


@pytest.mark.parametrize("wrong", [0, 1, 1.0, "true", [], {}])
def test_what_is_no_boolean_is_refused(wrong: object) -> None:
    with pytest.raises(BadOption, match=r'^option "use_mmap" must be of type boolean$'):
        merge({"use_mmap": wrong})


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (1, "of type array"), (True, "of type array"), ({"a": 1}, "of type array"),
        ([1], "of an array of strings"), (["a", None], "of an array of strings"),
        ([["a"]], "of an array of strings"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_texts_is_refused(wrong: object, kind: str) -> None:
    with pytest.raises(BadOption) as caught:
        merge({"stop": wrong})
    assert str(caught.value) == f'option "stop" must be {kind}'


def test_a_wrong_option_of_the_model_is_refused_although_the_request_says_better() -> None:
    with pytest.raises(BadOption):
        merge({"top_k": "many"}, {"top_k": 5})


def test_unknown_names_are_told_once_each_and_change_nothing() -> None:
    merged = merge({"mirostat": 1, "top_K": 5, "load": 3}, {"mirostat": 2, "stop": ["x"], "nothing": None})
    assert merged.unknown == ("mirostat", "top_K", "load")
    assert merged.sampling.top_k == 40


names = st.sampled_from([*INTEGERS, *FLOATS, *BOOLEANS, "stop", "unknown"])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.text(max_size=2), max_size=2),
)
layers = st.dictionaries(names, values, max_size=4)


@given(layers, layers)
def test_merging_is_refused_or_gives_every_option_its_own_type(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    try:
        merged = merge(first, second)
    except BadOption:
        return
    for name in INTEGERS:
        assert type(value_of(name, merged)) in (int, type(None))
    for name in FLOATS:
        assert type(value_of(name, merged)) is float
        assert math.isfinite(value_of(name, merged))
    assert all(isinstance(stop, str) for stop in merged.sampling.stop)


def test_every_option_is_tested_here() -> None:
    tested = {*INTEGERS, *FLOATS, *BOOLEANS, "stop"}
    assert tested == {*LoadOptions.__dataclass_fields__, *Sampling.__dataclass_fields__}
