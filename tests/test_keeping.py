"""How long a model stays loaded and when it is loaded anew, told from `/api/ps` and from its engine."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from calls import get, post, until
from conftest import RunningServer

FOR_EVER = 200 * 365 * 86400.0


@pytest.fixture
def empty(server: RunningServer) -> RunningServer:
    """A server with nothing loaded."""
    for model in get(server.url, "/api/ps").json["models"]:
        post(server.url, "/api/generate", model=model["name"], keep_alive=0)
    until(lambda: get(server.url, "/api/ps").json == {"models": []})
    return server


def seconds_left(server: RunningServer) -> float:
    (model,) = get(server.url, "/api/ps").json["models"]
    expires = datetime.datetime.fromisoformat(model["expires_at"])
    return (expires - datetime.datetime.now(datetime.UTC)).total_seconds()


# ── keep_alive ────────────────────────────────────────────────────────────────────────────────────


def test_keep_alive_is_seconds_or_a_duration_and_negative_for_ever(empty: RunningServer) -> None:
    forms = [
        (600, 600.0), (90.5, 90.5), ("10m", 600.0), ("1h30m", 5400.0), ("90500ms", 90.5), ("+2m", 120.0),
        (-1, FOR_EVER), (-0.5, FOR_EVER), ("-1s", FOR_EVER), ("-5m", FOR_EVER), (10**30, FOR_EVER),
    ]  # fmt: skip
    for given, seconds in forms:
        assert post(empty.url, "/api/generate", model="tiny", keep_alive=given).status == 200
        left = seconds_left(empty)
        assert left > seconds if seconds == FOR_EVER else seconds - 30 < left <= seconds, given


@pytest.mark.parametrize(
    ("path", "nothing"),
    [("/api/generate", 0), ("/api/generate", "0"), ("/api/chat", 0.0), ("/api/chat", "0s")],
)
def test_a_keep_alive_of_nothing_unloads_at_once(empty: RunningServer, path: str, nothing: object) -> None:
    post(empty.url, path, model="tiny")
    for _ in range(2):  # also what is not there
        answer = post(empty.url, path, model="tiny", keep_alive=nothing)
        assert answer.json["done_reason"] == "unload"
        assert get(empty.url, "/api/ps").json == {"models": []}


def test_a_keep_alive_of_nothing_with_a_prompt_unloads_after_the_answer(empty: RunningServer) -> None:
    answer = post(empty.url, "/api/generate", model="tiny", prompt="Hello!", keep_alive=0)
    assert answer.lines[-1]["done_reason"] == "stop"
    until(lambda: get(empty.url, "/api/ps").json == {"models": []})
    post(empty.url, "/api/embed", model="tiny", input="x", keep_alive=0)
    until(lambda: get(empty.url, "/api/ps").json == {"models": []})


def test_a_fraction_of_a_second_is_a_time_too(empty: RunningServer) -> None:
    post(empty.url, "/api/generate", model="tiny", keep_alive=0.05)
    until(lambda: get(empty.url, "/api/ps").json == {"models": []})


def test_what_was_said_last_counts_and_silence_changes_nothing(empty: RunningServer) -> None:
    post(empty.url, "/api/generate", model="tiny", keep_alive="1h")
    post(empty.url, "/api/chat", model="tiny", messages=[{"role": "user", "content": "Hello!"}])
    assert 3500 < seconds_left(empty) <= 3600
    post(empty.url, "/api/chat", model="tiny", keep_alive="2h")
    assert 7100 < seconds_left(empty) <= 7200
    post(empty.url, "/api/generate", model="tiny", keep_alive=0)
    post(empty.url, "/api/generate", model="tiny")
    assert 270 < seconds_left(empty) <= 300  # loaded anew, it gets the server's own


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("300", 'time: missing unit in duration "300"'),
        ("", 'time: invalid duration ""'),
        ("soon", 'time: invalid duration "soon"'),
        ("5 m", 'time: unknown unit " m" in duration "5 m"'),
        ("5d", 'time: unknown unit "d" in duration "5d"'),
        (True, "Unsupported type: 'bool'"),
        ([5], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
@pytest.mark.parametrize("path", ["/api/generate", "/api/chat", "/api/embed", "/api/embeddings"])
def test_what_is_no_time_is_refused_in_the_documented_words(
    server: RunningServer, path: str, given: object, error: str
) -> None:
    answer = post(server.url, path, model="tiny", prompt="x", input="x", keep_alive=given)
    assert (answer.status, answer.json) == (400, {"error": error})


# ── options that shape an engine ──────────────────────────────────────────────────────────────────


def told(pid: int) -> dict[str, Any]:
    """What the engine was started with."""
    parsed = json.loads(psutil.Process(pid).cmdline()[-1])
    assert isinstance(parsed, dict)
    return parsed


@pytest.mark.parametrize(
    ("option", "value", "other", "shown"),
    [
        ("num_ctx", 512, 1024, lambda said: said["kv_unified_per_slot"]),
        ("num_batch", 32, 64, lambda said: said["n_batch"]),
        ("num_gpu", 0, 3, lambda said: said["n_gpu_layers"]),
        ("num_thread", 1, 2, lambda said: said["cpuparams.n_threads"]),
        ("use_mmap", False, True, lambda said: said["load_mode"][1] == "LLAMA_LOAD_MODE_MMAP"),
    ],
)
def test_another_value_of_a_load_option_loads_the_model_anew_and_the_same_does_not(
    empty: RunningServer, option: str, value: object, other: object, shown: Callable[[Any], object]
) -> None:
    def engine(given: object, **more: object) -> int:
        options = {option: given, "num_predict": 2, **more}
        answer = post(empty.url, "/api/generate", model="tiny", prompt="Hello!", options=options)
        assert answer.status == 200
        assert answer.lines[-1]["done"] is True
        (pid,) = empty.engines()
        return pid

    first = engine(value)
    assert shown(told(first)) == value
    assert engine(value) == first
    assert engine(value, temperature=1, seed=3, num_keep=9, stop=["x"], top_k=3) == first
    second = engine(other)
    assert shown(told(second)) == other
    assert second != first


def test_allowing_shifts_or_not_is_part_of_an_engine_too(empty: RunningServer) -> None:
    def engine(**more: object) -> tuple[int, bool]:
        assert post(empty.url, "/api/generate", model="tiny", **more).status == 200
        (pid,) = empty.engines()
        return pid, told(pid)["ctx_shift"]

    shifts = engine()
    assert engine(shift=True) == engine(truncate=False) == shifts
    fixed = engine(shift=False)
    assert fixed[0] != shifts[0]
    assert (shifts[1], fixed[1]) == (True, False)


def test_leaving_a_decision_to_the_server_is_no_other_option(empty: RunningServer) -> None:
    post(empty.url, "/api/generate", model="tiny")
    before = empty.engines()
    silent = {
        "num_gpu": -1,
        "num_thread": 0,
        "num_batch": 0,
        "num_ctx": 0,
        "use_mmap": None,
        "main_gpu": None,
    }
    post(empty.url, "/api/generate", model="tiny", options=silent)
    post(empty.url, "/api/generate", model="tiny", options={"num_gpu": -5, "num_thread": -1})
    assert empty.engines() == before


@pytest.mark.parametrize("few", [1, 3])
def test_a_batch_smaller_than_the_slots_does_not_end_the_engine(empty: RunningServer, few: int) -> None:
    asked = {"model": "tiny", "prompt": "Hello!", "options": {"num_batch": few, "num_predict": 2}}
    assert post(empty.url, "/api/generate", **asked).lines[-1]["eval_count"] == 2
    (pid,) = empty.engines()
    assert told(pid)["n_batch"] == told(pid)["n_parallel"]


@pytest.mark.parametrize(
    "extreme", [{"num_batch": 10**9}, {"num_ctx": 1}, {"num_ctx": -7}, {"num_gpu": 4_000_000_000}], ids=str
)
def test_no_value_of_a_load_option_keeps_a_model_from_loading(
    empty: RunningServer, extreme: dict[str, int]
) -> None:
    answer = post(empty.url, "/api/generate", model="tiny", prompt="Hi", options={"num_predict": 1} | extreme)
    assert answer.status == 200
    assert answer.lines[-1]["done"] is True


# ── the window and its end ────────────────────────────────────────────────────────────────────────


LONG = "one two three four five six seven eight nine ten " * 40


def test_truncation_that_is_forbidden_is_refused_in_the_documented_words(server: RunningServer) -> None:
    options = {"num_ctx": 128}
    too_long = (
        "the prompt is longer than the context length currently available to the model; shorten the prompt, "
        "adjust the context length in settings, or use a model with a longer context length"
    )
    asked = [
        ("/api/generate", {"prompt": LONG}, too_long),
        ("/api/generate", {"prompt": LONG, "raw": True}, too_long),
        ("/api/chat", {"messages": [{"role": "user", "content": LONG}]}, too_long),
        ("/api/embed", {"input": LONG}, "the input length exceeds the context length"),
        ("/api/embed", {"input": ["short", LONG]}, "the input length exceeds the context length"),
    ]
    for path, body, error in asked:
        refused = post(server.url, path, model="tiny", options=options, truncate=False, **body)
        assert (refused.status, refused.json) == (400, {"error": error})
        assert (
            post(server.url, path, model="tiny", options=options | {"num_predict": 1}, **body).status == 200
        )


def test_without_shifting_an_answer_ends_with_its_window(server: RunningServer) -> None:
    asked = {"prompt": "Hello", "raw": True, "shift": False, "options": {"num_ctx": 16, "temperature": 9}}
    seen = set()
    for seed in range(20):
        asked["options"] |= {"seed": seed, "top_k": 0, "top_p": 1.0}  # type: ignore[operator]
        last = post(server.url, "/api/generate", model="tiny", **asked).lines[-1]
        assert last["prompt_eval_count"] + last["eval_count"] <= 17
        seen.add(last["done_reason"])
        if "length" in seen:
            return
    raise AssertionError("no answer was long enough")


# ── embeddings ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dimensions", [1, 16, 0, -4, 10**9])
def test_dimensions_cut_a_vector_and_leave_it_one_long(server: RunningServer, dimensions: int) -> None:
    (whole,) = post(server.url, "/api/embed", model="tiny", input="x").json["embeddings"]
    (cut,) = post(server.url, "/api/embed", model="tiny", input="x", dimensions=dimensions).json["embeddings"]
    size = dimensions if 0 < dimensions < len(whole) else len(whole)
    assert len(cut) == size
    length = sum(x * x for x in whole[:size]) ** 0.5
    assert cut == pytest.approx([x / length for x in whole[:size]], abs=1e-5)
