"""The options of a request one by one: what each does to an answer, told from answers of the real engine.

How probable the first token after a raw prompt is can be asked for (`top_logprobs`), and at an enormous
temperature every token that the samplers leave over is as likely as any other. So a few seeds show which
ones they leave.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from calls import post
from conftest import RunningServer
from stores import ENDLESSLY, add_endless

#: One token, any of the whole vocabulary.
WILD = {"temperature": 100.0, "top_k": 0, "top_p": 1.0, "num_predict": 1}
SEEDS = range(12)

Draw = Callable[..., set[str]]


def complete(server: RunningServer, prompt: str, model: str = "tiny", **options: Any) -> str:
    answer = post(server.url, "/api/generate", model=model, prompt=prompt, raw=True, options=options)
    assert answer.status == 200, answer.body
    assert answer.lines[-1]["done"] is True
    return answer.text


def likely(server: RunningServer, prompt: str) -> list[tuple[str, float]]:
    """The likeliest first tokens after a raw prompt and their probabilities."""
    asked = {"prompt": prompt, "raw": True, "stream": False, "logprobs": True, "top_logprobs": 20}
    answer = post(
        server.url, "/api/generate", model="tiny", **asked, options={"temperature": 0, "num_predict": 1}
    )
    (entry,) = answer.json.get("logprobs") or [{"top_logprobs": []}]
    return [(other["token"], math.exp(other["logprob"])) for other in entry["top_logprobs"]]


@pytest.fixture(scope="module")
def undecided(server: RunningServer) -> tuple[str, list[tuple[str, float]]]:
    """A prompt after which the model hesitates, and between what: tokens with text, none of them certain."""
    prompts = ["Hello", "What", "You", "I", "My", "They", "Good", "Where"]
    found = [(prompt, likely(server, prompt)) for prompt in prompts]
    return min(
        (
            (prompt, tokens)
            for prompt, tokens in found
            if len(tokens) == 20 and all(text and "\ufffd" not in text for text, _ in tokens[:3])
        ),
        key=lambda each: each[1][0][1],
    )


@pytest.fixture(scope="module")
def draw(server: RunningServer, undecided: tuple[str, list[tuple[str, float]]]) -> Draw:
    """The first tokens that some seeds give with these options."""
    return lambda **options: {
        complete(server, undecided[0], **WILD | {"seed": seed} | options) for seed in SEEDS
    }


@pytest.fixture(scope="module")
def endless(server: RunningServer) -> str:
    """A model that never ends by itself, for what shows only in longer answers."""
    add_endless(server.store)
    return "endless"


# ── which token ───────────────────────────────────────────────────────────────────────────────────


def test_temperature_is_how_much_is_left_to_chance(draw: Draw, undecided: tuple[str, list[Any]]) -> None:
    assert len(draw()) > len(SEEDS) // 2
    assert draw(temperature=0) == {undecided[1][0][0]}
    assert draw(temperature=1e-6) == {undecided[1][0][0]}


def test_a_seed_repeats_an_answer_and_others_give_others(server: RunningServer, endless: str) -> None:
    options = {"temperature": 2.0, "num_predict": 12}
    first, again, other = (complete(server, "Hello", endless, **options, seed=seed) for seed in (7, 7, 8))
    assert first == again != other
    assert complete(server, "Hello", endless, **options) != complete(server, "Hello", endless, **options)


def test_top_k_keeps_so_many_of_the_likeliest(draw: Draw, undecided: tuple[str, list[Any]]) -> None:
    texts = [text for text, _ in undecided[1]]
    assert draw(top_k=1) == {texts[0]}
    assert len(drawn := draw(top_k=3)) > 1
    assert drawn <= set(texts[:3])


def test_top_p_keeps_the_likeliest_that_make_up_so_much(draw: Draw, undecided: tuple[str, list[Any]]) -> None:
    (first, share), (second, more), *_ = undecided[1]
    assert draw(top_p=share / 2) == {first}
    assert draw(top_p=share + more / 2) == {first, second}


def test_min_p_keeps_those_near_the_likeliest(draw: Draw, undecided: tuple[str, list[Any]]) -> None:
    (first, share), (second, more), (_, less), *_ = undecided[1]
    assert draw(min_p=1.0) == {first}
    assert draw(min_p=(more + less) / 2 / share) == {first, second}


def test_typical_p_keeps_those_that_are_as_surprising_as_the_rest(draw: Draw) -> None:
    assert len(draw(typical_p=0.001)) == 1
    assert len(draw(typical_p=1.0)) > len(SEEDS) // 2


# ── penalties ─────────────────────────────────────────────────────────────────────────────────────


def written(server: RunningServer, model: str, **options: Any) -> list[str]:
    """The tokens of a greedy answer of thirty."""
    answer = post(
        server.url, "/api/generate", model=model, prompt="Hello", raw=True, stream=False, logprobs=True,
        options={"temperature": 0, "num_predict": 30} | options,
    ).json  # fmt: skip
    return [entry["token"] for entry in answer["logprobs"]]


@pytest.fixture(scope="module")
def plain(server: RunningServer, endless: str) -> list[str]:
    return written(server, endless)


def test_a_presence_penalty_keeps_tokens_from_coming_again(server: RunningServer, endless: str) -> None:
    tokens = written(server, endless, presence_penalty=1000, repeat_last_n=-1)
    assert len(set(tokens)) == len(tokens) > 20


def test_a_frequency_penalty_counts_how_often_a_token_came(server: RunningServer, endless: str) -> None:
    tokens = written(server, endless, frequency_penalty=1000, repeat_last_n=-1)
    assert len(set(tokens)) == len(tokens) > 20
    assert len(set(written(server, endless, frequency_penalty=-1000))) == 1


def test_a_repeat_penalty_divides_the_score_of_what_was_there(
    server: RunningServer, endless: str, plain: list[str]
) -> None:
    assert written(server, endless, repeat_penalty=1.0) == plain
    assert len(set(written(server, endless, repeat_penalty=0.001))) == 1
    assert len(set(written(server, endless, repeat_penalty=1000, repeat_last_n=-1))) > 20


def test_repeat_last_n_is_how_far_back_the_penalties_look(
    server: RunningServer, endless: str, plain: list[str]
) -> None:
    assert written(server, endless, presence_penalty=1000, repeat_last_n=0) == plain
    tokens = written(server, endless, presence_penalty=1000, repeat_last_n=3)
    for number, token in enumerate(tokens):
        assert token not in tokens[max(number - 3, 0) : number]
    assert tokens != written(server, endless, presence_penalty=1000, repeat_last_n=-1)


# ── where it ends ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [1, 5])
def test_num_predict_is_how_many_tokens_are_written(server: RunningServer, endless: str, count: int) -> None:
    options = {"temperature": 1.0, "seed": 1, "num_predict": count}
    answer = post(server.url, "/api/generate", model=endless, prompt="Hello", raw=True, options=options)
    assert (answer.lines[-1]["eval_count"], answer.lines[-1]["done_reason"]) == (count, "length")


def test_without_a_limit_an_answer_ends_after_ten_windows(server: RunningServer, endless: str) -> None:
    asked = {"model": endless, "prompt": "Hello", "raw": True}
    for more in ({}, {"num_predict": -1}, {"num_predict": 10**9}):
        options = {"num_ctx": 8, **ENDLESSLY, **more}
        last = post(server.url, "/api/generate", **asked, options=options).lines[-1]
        assert (last["eval_count"], last["done_reason"]) == (80, "length")


def test_of_several_stop_words_the_first_that_comes_counts(server: RunningServer, endless: str) -> None:
    options = {**ENDLESSLY, "num_predict": 30}
    whole = complete(server, "Hello", endless, **options)
    near, far = whole[8:10], whole[15:17]
    cut = complete(server, "Hello", endless, **options, stop=[far, near])
    assert cut == whole[: min(whole.index(near), whole.index(far))]


def test_num_keep_is_how_much_of_the_beginning_survives(server: RunningServer) -> None:
    words = " ".join(f"w{number}" for number in range(200))

    def survives(keep: int) -> int:
        answer = post(
            server.url, "/api/generate", model="tiny", prompt=words, raw=True, _debug_render_only=True,
            options={"num_ctx": 128, "num_keep": keep},
        )  # fmt: skip
        shown = answer.json["_debug_info"]["rendered_template"]
        assert shown.endswith(words[-20:])
        return next(n for n, (a, b) in enumerate(zip(shown, words, strict=False)) if a != b)

    assert survives(0) < survives(8) < survives(48)
    assert survives(-1) >= survives(48)


# ── all of them together ──────────────────────────────────────────────────────────────────────────


def test_the_models_own_options_count_where_the_request_is_silent(server: RunningServer) -> None:
    shown = post(server.url, "/api/show", model="tiny").json["parameters"]
    assert json.loads(shown.split()[1]) == 0  # its temperature
    silent, said = (
        {complete(server, "Hello", num_predict=4, seed=seed, **more) for seed in SEEDS}
        for more in ({}, {"temperature": 50.0, "top_k": 0, "top_p": 1.0})
    )
    assert len(silent) == 1
    assert len(said) > 1


@pytest.mark.parametrize(
    "extreme",
    [
        {"top_k": 4_000_000_000}, {"top_k": -5}, {"top_p": 0}, {"top_p": 7}, {"min_p": 9}, {"typical_p": 0},
        {"seed": -7}, {"seed": 1 << 62}, {"num_keep": 1 << 62}, {"num_keep": -9}, {"temperature": -3},
        {"temperature": 1e18}, {"repeat_last_n": 1 << 40}, {"repeat_last_n": -9}, {"num_predict": -9},
        {"presence_penalty": 1e18}, {"stop": ["x"] * 500},
    ],
    ids=str,
)  # fmt: skip
def test_no_value_of_an_option_breaks_anything(server: RunningServer, extreme: dict[str, Any]) -> None:
    answer = post(
        server.url,
        "/api/generate",
        model="tiny",
        prompt="Hello!",
        think=False,
        options={"num_predict": 3} | extreme,
    )
    assert answer.status == 200
    assert answer.lines[-1]["done"] is True


def test_an_engines_refusal_of_an_option_is_the_callers_fault(server: RunningServer) -> None:
    answer = post(server.url, "/api/generate", model="tiny", prompt="x", options={"repeat_penalty": 0})
    assert answer.status == 400
    assert "penalty" in answer.json["error"]
