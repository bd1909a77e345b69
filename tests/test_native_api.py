"""Ollama's own API, spoken to over HTTP, with the real engine and the model in the box."""

from __future__ import annotations

import http.client
import json
import math
import time
from urllib.parse import urlsplit

import pytest

from calls import call, get, opened, post, until
from conftest import RunningServer
from stores import ENDLESSLY, add_endless

LONG = {"num_predict": 400, "temperature": 1.5, "seed": 5}
SHORT = {"num_predict": 12}


def unload_all(server: RunningServer) -> None:
    """For tests that look at what is loaded: others leave models behind."""
    for model in get(server.url, "/api/ps").json["models"]:
        post(server.url, "/api/generate", model=model["name"], keep_alive=0)
    until(lambda: get(server.url, "/api/ps").json == {"models": []})


def ask(server: RunningServer, prompt: str, **more: object) -> str:
    answer = post(server.url, "/api/generate", model="tiny", prompt=prompt, stream=False, **more)
    assert answer.status == 200, answer.body
    text = answer.json["response"]
    assert isinstance(text, str)
    return text


# ── the server itself ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_banner_says_that_ollama_is_running(server: RunningServer, method: str) -> None:
    answer = call(server.url, method, "/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body == (b"Ollama is running" if method == "GET" else b"")


def test_the_version_is_ollamas_with_our_own_beside_it(server: RunningServer) -> None:
    from paddock import OLLAMA_VERSION, version

    assert get(server.url, "/api/version").json == {"version": OLLAMA_VERSION, "paddock": version()}
    assert call(server.url, "HEAD", "/api/version").status == 200


def test_the_status_says_that_there_is_no_cloud(server: RunningServer) -> None:
    assert get(server.url, "/api/status").json["cloud"]["disabled"] is True


@pytest.mark.parametrize("name", ["tiny:cloud", "tiny:20b-cloud", "gpt-oss:120B-CLOUD"])
def test_a_cloud_model_is_refused_with_the_documented_text(server: RunningServer, name: str) -> None:
    answer = post(server.url, "/api/chat", model=name, messages=[{"role": "user", "content": "x"}])
    assert (answer.status, answer.json) == (
        403,
        {"error": "ollama cloud is disabled: remote model is unavailable"},
    )
    shown = post(server.url, "/api/show", model=name)
    assert shown.json == {"error": "ollama cloud is disabled: remote model details are unavailable"}


def test_unknown_paths_and_methods_get_ollamas_texts(server: RunningServer) -> None:
    missing, wrong = get(server.url, "/nope"), get(server.url, "/api/generate")
    assert (missing.status, missing.body) == (404, b"404 page not found")
    assert (wrong.status, wrong.body) == (405, b"405 method not allowed")


def test_a_foreign_host_is_refused_with_an_empty_body(server: RunningServer) -> None:
    answer = call(server.url, "GET", "/", headers={"Host": "evil.com"})
    assert (answer.status, answer.body) == (403, b"")
    assert call(server.url, "GET", "/", headers={"Host": "desk.local"}).status == 200


def test_a_foreign_origin_is_refused_and_a_local_page_is_let_in(server: RunningServer) -> None:
    assert call(server.url, "GET", "/", headers={"Origin": "https://evil.com"}).status == 403
    answer = call(server.url, "OPTIONS", "/api/chat", headers={"Origin": "http://localhost:3000"})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


def test_a_path_cannot_write_lines_of_its_own_into_the_log(server: RunningServer) -> None:
    assert get(server.url, "/no%0Aforged%1B[2Jline").status == 404
    until(lambda: "no%0Aforged" in server.text())
    assert "forged\x1b" not in server.text()
    assert not any(line.startswith("forged") for line in server.text().splitlines())


# ── bodies ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show"])
def test_an_empty_body_is_a_400(server: RunningServer, path: str) -> None:
    answer = call(server.url, "POST", path)
    assert (answer.status, answer.json) == (400, {"error": "missing request body"})


def test_a_malformed_field_is_a_400_that_names_it(server: RunningServer) -> None:
    answer = post(server.url, "/api/chat", model="tiny", messages=[{"role": "user", "content": 3}])
    assert answer.status == 400
    assert answer.json["error"] == "invalid value for messages[0].content: expected a string, got an integer"


def test_names_match_in_any_case_and_content_types_do_not_matter(server: RunningServer) -> None:
    body = {"MODEL": "tiny", "Prompt": "hello", "STREAM": False, "Nonsense": 1, "options": {"num_predict": 1}}
    data = json.dumps(body).encode() + b" trailing bytes"
    answer = call(server.url, "POST", "/api/generate", data, {"Content-Type": "text/html"})
    assert answer.status == 200
    assert answer.json["done"] is True


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/api/generate", {"model": "nope", "prompt": "x"}, 404, "model 'nope' not found"),
        ("/api/generate", {"model": "", "prompt": "x"}, 404, "model '' not found"),
        ("/api/generate", {"model": "a b", "prompt": "x"}, 400, "invalid model name"),
        ("/api/chat", {"model": ""}, 400, "model is required"),
        ("/api/chat", {"model": "nope", "messages": []}, 404, "model 'nope' not found"),
        ("/api/show", {"model": "nope"}, 404, "model 'nope:latest' not found"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/embed", {"model": "nope", "input": "x"}, 404, 'model "nope" not found, try pulling it first'),
        ("/api/embed", {"model": "", "input": "x"}, 404, "model '' not found"),
        ("/api/embed", {"model": "tiny", "input": 3}, 400, "invalid input type"),
        ("/api/embeddings", {"prompt": "x"}, 400, "model is required"),
        ("/api/copy", {"source": "nope", "destination": "x"}, 404, 'model "nope" not found'),
        ("/api/copy", {"source": "a b", "destination": "x"}, 400, 'source "a b" is invalid'),
        (
            "/api/generate",
            {"model": "tiny", "prompt": "x", "raw": True, "system": "y"},
            400,
            "raw mode does not support template, system, or context",
        ),
        (
            "/api/generate",
            {"model": "tiny", "prompt": "x", "think": "extreme"},
            400,
            'invalid think value: "extreme" (must be "high", "medium", "low", "max", true, or false)',
        ),
        (
            "/api/chat",
            {"model": "tiny", "keep_alive": "300"},
            400,
            'time: missing unit in duration "300"',
        ),
        (
            "/api/generate",
            {"model": "tiny", "prompt": "x", "logprobs": True, "top_logprobs": 21},
            400,
            "top_logprobs must be between 0 and 20",
        ),
        (
            "/api/generate",
            {"model": "tiny", "prompt": "x", "options": {"num_predict": "five"}},
            500,
            'option "num_predict" must be of type integer',
        ),
        (
            "/api/generate",
            {"model": "x:local:cloud", "prompt": "x"},
            400,
            'use either :local or :cloud, not both: "x:local:cloud"',
        ),
    ],
)
def test_errors_have_ollamas_status_and_text(
    server: RunningServer, path: str, body: dict[str, object], status: int, error: str
) -> None:
    answer = post(server.url, path, **body)
    assert (answer.status, answer.json) == (status, {"error": error})


# ── answers ───────────────────────────────────────────────────────────────────────────────────────


def test_generate_streams_lines_and_ends_with_the_counts(server: RunningServer) -> None:
    answer = post(server.url, "/api/generate", model="tiny", prompt="Hello!", options={"num_predict": 8})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *pieces, last = answer.lines
    assert pieces
    assert all(line["done"] is False and line["model"] == "tiny" for line in pieces)
    assert last["done"] is True
    assert last["done_reason"] in ("stop", "length")
    assert 0 < last["eval_count"] <= 8
    assert last["prompt_eval_count"] > 0
    assert len(last["context"]) >= last["prompt_eval_count"] + last["eval_count"] - 1
    durations = [last[f"{name}_duration"] for name in ("load", "prompt_eval", "eval")]
    assert all(isinstance(duration, int) and duration > 0 for duration in durations)
    assert last["total_duration"] >= last["eval_duration"]
    assert time.strptime(last["created_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert last["created_at"].endswith("Z")


def test_a_whole_answer_is_the_streamed_one_put_together(server: RunningServer) -> None:
    asked = {"model": "tiny", "prompt": "Hello!", "options": {"num_predict": 30, "temperature": 0}}
    streamed = post(server.url, "/api/generate", **asked)
    whole = post(server.url, "/api/generate", stream=False, **asked)
    assert whole.headers["content-type"] == "application/json; charset=utf-8"
    assert whole.json["response"] == streamed.text
    assert whole.json["context"] == streamed.lines[-1]["context"]


def test_chat_answers_with_a_message_and_no_context(server: RunningServer) -> None:
    answer = post(
        server.url,
        "/api/chat",
        model="tiny",
        messages=[{"role": "USER", "content": "Hello!"}],
        options={"num_predict": 20},
    )
    *pieces, last = answer.lines
    assert all(line["message"]["role"] == "assistant" for line in pieces)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert "context" not in last


def test_num_predict_bounds_the_answer(server: RunningServer) -> None:
    for count in (1, 5):
        options = {"num_predict": count, "seed": 1}
        answer = post(
            server.url, "/api/generate", model="tiny", prompt="Count from 1 to 50.", raw=True, options=options
        )
        assert answer.lines[-1]["eval_count"] <= count


def test_asking_for_no_tokens_reads_the_prompt_and_writes_none(server: RunningServer) -> None:
    answer = post(server.url, "/api/generate", model="tiny", prompt="Hi", options={"num_predict": 0})
    assert answer.text == ""
    assert answer.lines[-1]["done_reason"] == "length"
    assert answer.lines[-1]["prompt_eval_count"] > 0
    assert "eval_count" not in answer.lines[-1]


def test_stop_words_end_the_answer_and_are_not_part_of_it(server: RunningServer) -> None:
    prompt = "Count from 1 to 9."
    whole = ask(server, prompt, think=False, options={"num_predict": 40})
    word = whole[len(whole) // 2]
    cut = ask(server, prompt, think=False, options={"stop": [word], "num_predict": 40})
    assert cut == whole.partition(word)[0]


def test_greedy_answers_repeat_and_so_do_seeded_ones(server: RunningServer) -> None:
    for options in (
        {"temperature": 0, "num_predict": 40},
        {"temperature": 1.2, "seed": 7, "num_predict": 40},
    ):
        first, second = (ask(server, "Tell me something.", options=options) for _ in range(2))
        assert first == second


def test_raw_sends_the_prompt_untouched_and_gives_no_context(server: RunningServer) -> None:
    answer = post(
        server.url, "/api/generate", model="tiny", prompt="Hello", raw=True, stream=False, options=LONG
    )
    assert "context" not in answer.json
    cooked = post(server.url, "/api/generate", model="tiny", prompt="Hello", stream=False, options=LONG)
    assert answer.json["prompt_eval_count"] < cooked.json["prompt_eval_count"]


def test_the_system_prompt_and_the_messages_reach_the_template(server: RunningServer) -> None:
    answer = post(
        server.url, "/api/generate", model="tiny", prompt="Hi", system="Be brief.", _debug_render_only=True
    )
    rendered = answer.json["_debug_info"]["rendered_template"]
    assert "Be brief." in rendered
    assert rendered.index("Be brief.") < rendered.index("Hi")
    chat = post(
        server.url,
        "/api/chat",
        model="tiny",
        messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}],
        _debug_render_only=True,
    )
    assert "Yo" in chat.json["_debug_info"]["rendered_template"]


def test_an_empty_prompt_loads_and_zero_keep_alive_unloads(server: RunningServer) -> None:
    unload_all(server)
    loaded = post(server.url, "/api/generate", model="tiny")
    assert (loaded.json["done_reason"], loaded.json["done"]) == ("load", True)
    assert [m["name"] for m in get(server.url, "/api/ps").json["models"]] == ["tiny:latest"]
    unloaded = post(server.url, "/api/chat", model="tiny", keep_alive=0)
    assert unloaded.json["done_reason"] == "unload"
    assert unloaded.json["message"] == {"role": "assistant", "content": ""}
    assert get(server.url, "/api/ps").json == {"models": []}
    assert post(server.url, "/api/chat", model="tiny", keep_alive=0).json["done_reason"] == "unload"


def test_context_of_an_answer_continues_it(server: RunningServer) -> None:
    first = post(
        server.url, "/api/generate", model="tiny", prompt="My name is Miro.", stream=False, options=SHORT
    ).json
    again = post(
        server.url,
        "/api/generate",
        model="tiny",
        prompt="Hi",
        context=first["context"],
        stream=False,
        options=SHORT,
    ).json
    assert again["context"][: len(first["context"])] == first["context"]


def test_the_context_of_an_answer_has_every_character_of_it(server: RunningServer) -> None:
    asked = {"model": "tiny", "think": False, "stream": False, "options": ENDLESSLY}
    answer = post(server.url, "/api/generate", prompt="こんにちは", **asked).json
    assert not answer["response"].isascii()  # letters of which some are several tokens
    again = post(
        server.url,
        "/api/generate",
        prompt="x",
        context=answer["context"],
        **asked | {"options": {"num_predict": 1}},
    ).json
    assert again["prompt_eval_count"] > answer["prompt_eval_count"] + answer["eval_count"]
    assert len(answer["context"]) >= answer["prompt_eval_count"] + answer["eval_count"] - 1


def test_logprobs_tell_the_candidates(server: RunningServer) -> None:
    answer = post(
        server.url,
        "/api/generate",
        model="tiny",
        prompt="Hello!",
        stream=False,
        logprobs=True,
        top_logprobs=3,
        think=False,
        options={"num_predict": 4, "temperature": 0},
    ).json
    assert len(answer["logprobs"]) >= 1
    for entry in answer["logprobs"]:
        assert entry["logprob"] <= 0
        assert len(entry["top_logprobs"]) == 3
        assert bytes(entry["bytes"]).decode("utf-8", "replace") == entry["token"]
    plain = post(
        server.url, "/api/generate", model="tiny", prompt="Hi", stream=False, logprobs=True, options=SHORT
    ).json
    assert all("top_logprobs" not in entry for entry in plain["logprobs"])


# ── the context window ────────────────────────────────────────────────────────────────────────────


def test_a_prompt_that_is_too_long_is_shortened_and_says_so(server: RunningServer) -> None:
    prompt = "one two three four five six seven eight nine ten " * 60
    options = {"num_ctx": 256, "num_predict": 4}
    answer = post(server.url, "/api/generate", model="tiny", prompt=prompt, stream=False, options=options)
    assert answer.status == 200
    dropped = int(answer.headers["x-paddock-prompt-truncated"])
    assert dropped > 0
    assert answer.json["prompt_eval_count"] < 256
    assert f"the prompt was shortened by {dropped} tokens" in server.text()
    streamed = post(server.url, "/api/generate", model="tiny", prompt=prompt, options=options)
    assert int(streamed.headers["x-paddock-prompt-truncated"]) == dropped


def test_a_prompt_that_is_too_long_is_an_error_where_shortening_is_forbidden(server: RunningServer) -> None:
    prompt = "one two three four five six seven eight nine ten " * 60
    for more in ({"truncate": False}, {"shift": False}):
        answer = post(
            server.url, "/api/generate", model="tiny", prompt=prompt, options={"num_ctx": 256}, **more
        )
        assert answer.status == 400
        assert answer.json["error"].startswith("the prompt is longer than the context length")


def test_a_long_conversation_loses_its_oldest_turns_but_not_the_system_prompt(server: RunningServer) -> None:
    turns = [{"role": "system", "content": "You are Ada."}]
    for number in range(60):
        turns.append({"role": "user", "content": f"This is message number {number} of many."})
        turns.append({"role": "assistant", "content": "I see."})
    turns.append({"role": "user", "content": "Who are you?"})
    answer = post(
        server.url,
        "/api/chat",
        model="tiny",
        messages=turns,
        stream=False,
        options={"num_ctx": 256, "num_predict": 8},
    )
    assert answer.status == 200
    assert int(answer.headers["x-paddock-prompt-truncated"]) > 0
    assert answer.json["prompt_eval_count"] < 256
    assert post(server.url, "/api/chat", model="tiny", messages=turns, stream=False, truncate=False,
                options={"num_ctx": 256}).status == 400  # fmt: skip


def test_what_shifting_drops_is_counted_in_the_last_line(server: RunningServer) -> None:
    add_endless(server.store)
    asked = {"model": "endless", "prompt": "Count", "raw": True}
    options = {"num_ctx": 64, "num_predict": 150, **ENDLESSLY}
    last = post(server.url, "/api/generate", **asked, options=options).lines[-1]
    assert last["eval_count"] == 150
    assert last["shifted_tokens"] >= 150 - 64
    stopped = post(server.url, "/api/generate", **asked, options=options, shift=False).lines[-1]
    assert stopped["done_reason"] == "length"
    assert stopped["prompt_eval_count"] + stopped["eval_count"] <= 65
    assert "shifted_tokens" not in stopped


# ── who is loaded ─────────────────────────────────────────────────────────────────────────────────


def test_changing_a_load_option_loads_the_model_anew(server: RunningServer) -> None:
    unload_all(server)
    for window in (512, 1024):
        post(server.url, "/api/generate", model="tiny", options={"num_ctx": window})
        assert [m["context_length"] for m in get(server.url, "/api/ps").json["models"]] == [window]
    post(server.url, "/api/generate", model="tiny", options={"num_ctx": 10**9})
    (model,) = get(server.url, "/api/ps").json["models"]
    assert model["context_length"] == 4096
    assert model["size"] > 0
    assert model["size_vram"] == 0


# ── models ────────────────────────────────────────────────────────────────────────────────────────


def test_tags_list_the_model_in_the_box(server: RunningServer) -> None:
    (model,) = [m for m in get(server.url, "/api/tags").json["models"] if m["name"] == "tiny:latest"]
    assert model["model"] == "tiny:latest"
    assert len(model["digest"]) == 64
    assert model["size"] < 12_000_000
    assert model["details"]["family"] == "llama"
    assert {"completion", "thinking", "insert"} <= set(model["capabilities"])


def test_show_tells_about_the_model(server: RunningServer) -> None:
    shown = post(server.url, "/api/show", model="tiny").json
    assert shown["model_info"]["general.architecture"] == "llama"
    assert shown["model_info"]["llama.context_length"] >= 4096
    assert shown["model_info"]["tokenizer.ggml.tokens"] is None
    assert "<think>" in shown["template"]
    assert "MIT" in shown["license"]
    verbose = post(server.url, "/api/show", name="TINY", verbose=True).json
    assert len(verbose["model_info"]["tokenizer.ggml.tokens"]) > 1000


def test_copilot_is_shown_the_name_it_asked_for(server: RunningServer) -> None:
    for agent, shown in (("GitHubCopilotChat/0.30", "TINY"), ("curl/8", None)):
        answer = call(server.url, "POST", "/api/show", {"model": "TINY"}, {"User-Agent": agent})
        basename = answer.json["model_info"].get("general.basename")
        assert (basename == "TINY") is (shown is not None)


def test_the_model_in_the_box_can_be_copied_used_and_the_copy_deleted(server: RunningServer) -> None:
    assert post(server.url, "/api/copy", source="tiny", destination="mine:v1").status == 200
    names = {m["name"]: m["digest"] for m in get(server.url, "/api/tags").json["models"]}
    assert names["mine:v1"] == names["tiny:latest"]
    answer = post(server.url, "/api/generate", model="mine:v1", prompt="Hello!", stream=False, options=SHORT)
    assert answer.json["model"] == "mine:v1"
    assert call(server.url, "DELETE", "/api/delete", {"model": "mine:v1"}).status == 200
    assert call(server.url, "DELETE", "/api/delete", {"model": "mine:v1"}).status == 404
    refused = call(server.url, "DELETE", "/api/delete", {"model": "tiny"})
    assert refused.status == 400
    assert "comes with Paddock" in refused.json["error"]


# ── embeddings ────────────────────────────────────────────────────────────────────────────────────


def length(vector: list[float]) -> float:
    return math.sqrt(sum(x * x for x in vector))


def test_embed_gives_unit_vectors_in_order(server: RunningServer) -> None:
    texts = ["The capital of France is Paris.", "", "three"]
    answer = post(server.url, "/api/embed", model="tiny", input=texts).json
    assert [round(length(vector), 4) for vector in answer["embeddings"]] == [1.0, 1.0, 1.0]
    assert answer["prompt_eval_count"] > 3
    alone = post(server.url, "/api/embed", model="tiny", input=texts[0]).json["embeddings"][0]
    assert sum(a * b for a, b in zip(alone, answer["embeddings"][0], strict=True)) == pytest.approx(
        1, abs=1e-3
    )


def test_embed_without_input_loads_only(server: RunningServer) -> None:
    for given in ({}, {"input": ""}, {"input": []}):
        assert post(server.url, "/api/embed", model="tiny", **given).json["embeddings"] == []


def test_a_text_too_long_to_embed_is_cut_or_refused(server: RunningServer) -> None:
    text, options = "word " * 400, {"num_ctx": 128}
    refused = post(server.url, "/api/embed", model="tiny", input=text, truncate=False, options=options)
    assert (refused.status, refused.json) == (400, {"error": "the input length exceeds the context length"})
    cut = post(server.url, "/api/embed", model="tiny", input=text, options=options)
    assert cut.json["prompt_eval_count"] == 128
    dropped = int(cut.headers["x-paddock-prompt-truncated"])
    assert dropped > 0
    two = post(server.url, "/api/embed", model="tiny", input=[text, "short", "", text], options=options)
    assert int(two.headers["x-paddock-prompt-truncated"]) == 2 * dropped
    assert "x-paddock-prompt-truncated" not in post(server.url, "/api/embed", model="tiny", input="").headers
    older = post(server.url, "/api/embeddings", model="tiny", prompt=text, options=options)
    assert int(older.headers["x-paddock-prompt-truncated"]) == dropped


def test_the_legacy_embedding_is_one_vector(server: RunningServer) -> None:
    assert len(post(server.url, "/api/embeddings", model="tiny", prompt="hi").json["embedding"]) > 16
    assert post(server.url, "/api/embeddings", model="tiny", prompt="").json == {"embedding": []}


# ── leaving and dying ─────────────────────────────────────────────────────────────────────────────


def test_a_client_that_hangs_up_frees_its_slot(server: RunningServer) -> None:
    add_endless(server.store)
    body = {"model": "endless", "prompt": "Go on.", "raw": True, "options": ENDLESSLY}
    for _ in range(6):  # more often than there are slots
        with opened(server.url, "POST", "/api/generate", body) as response:
            assert response.readline()
    body["options"] = {"num_predict": 2}
    assert call(server.url, "POST", "/api/generate", body).lines[-1]["eval_count"] == 2


def test_a_client_that_leaves_a_whole_answer_is_noticed_too(server: RunningServer) -> None:
    where = urlsplit(server.url)
    add_endless(server.store)
    body = {"model": "endless", "prompt": "Go on.", "stream": False, "options": ENDLESSLY}
    before = server.text().count("POST /api/generate")
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    connection.request("POST", "/api/generate", json.dumps(body))
    until(lambda: get(server.url, "/api/ps").json["models"])
    connection.close()
    until(lambda: server.text().count("POST /api/generate") > before, 10)
