"""Pictures and recordings through the whole house, with a projector that the tests build."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ollama
import pytest

from calls import Answer, call, post
from conftest import RunningServer, serving
from paddock.engines.dialect import Completion, Mixed
from paddock.engines.installed import bundled
from paddock.engines.launch import Plan
from paddock.engines.launcher import Engine, Launcher, private_directory
from paddock.engines.scales import Scales
from paddock.errors import BadRequest, EngineError, EngineRefused, InvalidMedia, Unsupported
from paddock.formats import media
from paddock.messages import Message
from paddock.names import ModelName
from paddock.options import Sampling
from paddock.service import attachments
from paddock.store.models import ModelStore
from projectors import LEAST, MOST, PATCH
from samples import BLUE, RED, base64_of, picture, png, recording, silence
from stores import add_seeing

GREEDY = {"temperature": 0, "num_predict": 4}
CAPITAL = "What is the capital of France?"
#: What Whisper's encoder makes of each 30 seconds, begun or whole.
RECORDING_TOKENS = 375
STORED = [{"role": "user", "content": "Hello!", "images": [base64_of(picture(80, 80))]}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`seeing` sees and hears, `looking` only sees, `shown` was shown a picture before."""
    home = tmp_path_factory.mktemp("home")
    root = home / ".ollama" / "models"
    add_seeing(root, "seeing", hears=True)
    add_seeing(root, "looking")
    add_seeing(root, "shown", ("messages", json.dumps([*STORED, {"role": "assistant", "content": "Hi."}])))
    add_seeing(root, "claiming", config={"capabilities": ["vision"]}, sees=False, hears=True)
    add_seeing(root, "spoilt", ("messages", json.dumps([{"role": "user", "images": ["aGk="]}])))
    # With a projector it becomes 2048: a picture would seldom fit in less.
    with serving(home, {"OLLAMA_CONTEXT_LENGTH": "64"}) as running:
        yield running


def turn(content: str, *images: bytes, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content, "images": [base64_of(image) for image in images]}


def chat(server: RunningServer, *messages: dict[str, Any], model: str = "seeing", **rest: Any) -> Answer:
    body = {"model": model, "messages": messages, "stream": False, "options": GREEDY} | rest
    return call(server.url, "POST", "/api/chat", body)


def generate(server: RunningServer, prompt: str, *images: bytes, **rest: Any) -> Answer:
    body = {"model": "seeing", "prompt": prompt, "stream": False, "options": GREEDY}
    return call(server.url, "POST", "/api/generate", body | {"images": [*map(base64_of, images)]} | rest)


def tokens(answer: Answer) -> int:
    assert answer.status == 200, answer.body
    return int(answer.json["prompt_eval_count"])


def error(answer: Answer, status: int = 400) -> str:
    assert answer.status == status, answer.body
    return str(answer.json["error"])


def area(width: int, height: int) -> int:
    return (width // PATCH) * (height // PATCH)


# ── what a picture costs ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_picture_of_any_format_is_read_and_its_tokens_are_counted(
    server: RunningServer, format: str
) -> None:
    without = tokens(chat(server, turn("What is it?")))
    answer = chat(server, turn("What is it?", picture(64, 48, format)))
    assert tokens(answer) == without + area(64, 48)
    assert answer.json["message"]["content"]


def test_the_tokens_depend_on_the_size(server: RunningServer) -> None:
    without = tokens(chat(server, turn("What is it?")))
    assert tokens(chat(server, turn("What is it?", picture(1, 1)))) - without == LEAST
    large = tokens(chat(server, turn("What is it?", picture(4000, 3000)))) - without
    assert MOST * 0.8 < large <= MOST


def test_several_pictures_in_several_turns_add_up(server: RunningServer) -> None:
    first, second, third = picture(64, 48), picture(32, 32), picture(40, 24, "JPEG")
    said = [
        turn("This [img] or this [img]?", first, second),
        turn("Both.", role="assistant"),
        turn("And?", third),
    ]
    bare = [turn("This  or this ?"), turn("Both.", role="assistant"), turn("And?")]
    pictures = area(64, 48) + area(32, 32) + area(40, 24)
    # Around a picture a text falls into other tokens than in one piece.
    assert abs(tokens(chat(server, *said)) - tokens(chat(server, *bare)) - pictures) <= 4
    info = chat(server, *said, _debug_render_only=True).json["_debug_info"]
    assert info["image_count"] == 3
    assert "image_count" not in chat(server, *bare, _debug_render_only=True).json["_debug_info"]
    shown = info["rendered_template"]
    assert "This [img-0] or this [img-1]?" in shown
    assert "[img-2]And?" in shown


def test_what_is_in_the_picture_reaches_the_model(server: RunningServer) -> None:
    def likely(image: bytes) -> dict[str, float]:
        answer = chat(server, turn("Which colour?", image), logprobs=True, top_logprobs=20)
        return {each["token"]: each["logprob"] for each in answer.json["logprobs"][0]["top_logprobs"]}

    def apart(some: dict[str, float], others: dict[str, float]) -> float:
        return max(abs(some[token] - others[token]) for token in some.keys() & others.keys())

    red, blue = likely(picture(colour=RED)), likely(picture(colour=BLUE))
    # What was read in other steps differs a little.
    same = apart(red, likely(picture(colour=RED)))
    assert apart(red, blue) > 4 * same
    # WebP, which the engine cannot decode, shows it the same pixels.
    assert apart(blue, likely(picture(colour=BLUE, format="WEBP", lossless=True))) <= apart(red, blue) / 4


@pytest.mark.parametrize(("data", "length"), [(recording(0.2), 1), (silence(), 1), (recording(31, 4000), 2)])
def test_a_recording_is_heard(server: RunningServer, data: bytes, length: int) -> None:
    without = tokens(chat(server, turn("What was said?")))
    assert tokens(chat(server, turn("What was said?", data))) == without + length * RECORDING_TOKENS


def test_generate_takes_pictures_too(server: RunningServer) -> None:
    answer = generate(server, "What is it?", picture(64, 48))
    assert tokens(answer) == tokens(generate(server, "What is it?")) + area(64, 48)
    assert "context" not in answer.json  # a picture cannot be given back as tokens
    raw = tokens(generate(server, "It was a [img-1] and a [img-0] day", picture(), picture(32, 32), raw=True))
    assert raw > area(64, 48) + area(32, 32)
    assert tokens(generate(server, "", picture(64, 48))) > area(64, 48)


def test_a_picture_may_follow_an_earlier_context(server: RunningServer) -> None:
    context = generate(server, "Hello!").json["context"]
    answer = generate(server, "What is it?", picture(64, 48), context=context)
    alone = tokens(generate(server, "What is it?", picture(64, 48)))
    assert abs(tokens(answer) - alone - len(context)) <= 4


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("USER: {{ .Prompt }} ASSISTANT:", "USER: [img-0]What is it? ASSISTANT:"),
        ("{{ range .Messages }}{{ len .Images }}: {{ .Content }}{{ end }} A:", "1: [img-0]What is it? A:"),
    ],
)
def test_a_go_template_places_pictures(server: RunningServer, template: str, shown: str) -> None:
    asked = {"prompt": "What is it?", "template": template}
    answer = generate(server, **asked, images=[base64_of(picture())], _debug_render_only=True)
    assert answer.json["_debug_info"]["rendered_template"] == shown
    bare = tokens(generate(server, **asked))
    assert abs(tokens(generate(server, **asked, images=[base64_of(picture())])) - bare - area(64, 48)) <= 2


def test_an_answer_about_a_picture_is_held_to_a_schema(server: RunningServer) -> None:
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    answer = chat(server, turn("Which?", picture()), format=schema, think=False, options={"num_predict": 40})
    assert json.loads(answer.json["message"]["content"])["colour"] in ("red", "blue")


def test_pictures_of_stored_messages_are_shown(server: RunningServer) -> None:
    with_stored = tokens(chat(server, turn("And?"), model="shown"))
    without = tokens(chat(server, turn("Hello!"), turn("Hi.", role="assistant"), turn("And?")))
    assert with_stored == without + area(80, 80)
    assert "a stored message of the model is damaged: invalid value for messages[0].images[0]" in error(
        chat(server, turn("And?"), model="spoilt"), 500
    )


def test_the_real_client_sends_files(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture(64, 48))
    message = {"role": "user", "content": "What is it?", "images": [path]}
    with ollama.Client(host=server.url) as client:
        answer = client.chat(model="seeing", messages=[message], options=GREEDY)
    assert answer.prompt_eval_count == tokens(chat(server, turn("What is it?", picture(64, 48))))


def test_the_program_in_the_documents_runs(server: RunningServer, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs/pictures.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (tmp_path / "picture.png").write_bytes(picture())
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=server.env, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    counted = re.search(r"^(\d+) tokens, the picture's among them$", ended.stdout, re.M)
    assert counted is not None
    assert int(counted[1]) > area(64, 48)


# ── what is refused ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("!!!!", "not base64"),
        ("data:image/png;base64,aGk=", "a data URL"),
        (base64_of(b"hello"), "neither a picture"),
        (base64_of(picture(300, 200)[:-9]), "cut off"),
        (base64_of(png(64, 48, b"no pixels")), "the png picture cannot be decoded"),
        (base64_of(png(30_000, 30_000)), "at most"),
    ],
)
def test_what_is_no_picture_is_refused_and_the_field_named(
    server: RunningServer, image: str, why: str
) -> None:
    second = {"role": "user", "content": "And?", "images": [base64_of(picture()), image]}
    said = error(chat(server, turn("Hello!"), second))
    assert said.startswith("invalid value for messages[1].images[1]: ")
    assert why in said
    body = {"model": "seeing", "prompt": "x", "images": [image]}
    assert error(post(server.url, "/api/generate", **body)).startswith("invalid value for images[0]: ")


def test_a_model_is_asked_only_for_what_it_can(server: RunningServer) -> None:
    sees, hears = picture(), recording()
    assert error(chat(server, turn("x", sees), model="tiny")) == (
        "registry.ollama.ai/library/tiny:latest does not support vision"
    )
    assert error(generate(server, "x", hears, model="looking")) == (
        "registry.ollama.ai/library/looking:latest does not support audio"
    )
    assert error(generate(server, "x", sees, model="claiming")) == (
        "the engine found no projector for vision with this model"
    )
    assert error(generate(server, "x", sees, suffix="y")) == "images and suffix exclude each other"
    found = {name: post(server.url, "/api/show", model=name).json for name in ("tiny", "looking", "seeing")}
    able = {name: {"vision", "audio"} & {*each["capabilities"]} for name, each in found.items()}
    assert able == {"tiny": set(), "looking": {"vision"}, "seeing": {"vision", "audio"}}
    assert found["looking"]["projector_info"]["clip.vision.projector_type"] == "phi4"
    assert found["looking"]["projector_info"]["general.parameter_count"] > 1000


def test_a_prompt_that_ends_with_a_picture_is_refused_before_it_can_harm(server: RunningServer) -> None:
    chat(server, turn("Hello!"))
    engines = server.engines()
    for prompt in ("What is [img]", "What is [img-0]"):
        assert "some text has to follow" in error(generate(server, prompt, picture(), raw=True))
    assert chat(server, turn("Hello!")).status == 200
    assert server.engines() == engines


def test_turns_whose_pictures_have_no_room_are_left_out_and_that_is_told(server: RunningServer) -> None:
    large = picture(96, 96)
    said = [each for _ in range(16) for each in (turn("And this?", large), turn("Nice.", role="assistant"))]
    answer = chat(server, *said, turn("Well?"))
    assert 1000 < tokens(answer) < 2048
    assert int(answer.headers["x-paddock-prompt-truncated"]) > MOST
    for too_long in (
        chat(server, turn("What are these?", *[large] * 16)),
        chat(server, *said, truncate=False),
    ):
        assert "longer than the context length" in error(too_long)


# ── side by side ──────────────────────────────────────────────────────────────────────────────────


def test_pictures_and_words_are_answered_side_by_side(server: RunningServer) -> None:
    long = {"options": GREEDY | {"num_predict": 24}}
    questions = [
        turn(CAPITAL),
        turn("What is it?", picture(400, 300)),
        turn(CAPITAL),
        turn("And?", recording()),
    ]
    alone = [chat(server, each, **long).json["message"]["content"] for each in questions]
    assert "Paris" in alone[0]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: chat(server, each, **long), questions * 2))
    assert [answer.status for answer in answers] == [200] * 8
    assert {answer.json["message"]["content"] for answer in answers[::2]} == {alone[0]}


def test_who_leaves_while_a_recording_is_read_harms_nobody(server: RunningServer) -> None:
    body = json.dumps({"model": "seeing", "messages": [turn("What was said?", recording(65, 4000))]}).encode()
    where = urlsplit(server.url)
    assert where.hostname and where.port
    for _ in range(5):  # one more than there are places
        with socket.create_connection((where.hostname, where.port)) as connection:
            head = f"POST /api/chat HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
    answer = chat(server, turn(CAPITAL), options=GREEDY | {"num_predict": 24})
    assert "Paris" in answer.json["message"]["content"]


# ── the parts beneath ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    root = tmp_path_factory.mktemp("store")
    add_seeing(root, "seeing", hears=True)
    model = ModelStore(root).find(ModelName.parse("seeing"))
    assert model.weights
    plan = Plan(model.weights, 2048, slots=2, projectors=model.projectors)
    with private_directory() as directory:
        engine = await Launcher(directory, os.environ, 60.0, bundled("test")).start(plan)
        try:
            yield engine
        finally:
            await engine.stop()


async def read(engine: Engine, text: str, *images: bytes) -> int:
    """The tokens that the engine counts in a prompt; `#` stands for a picture in it."""
    seen = tuple(media.read(base64_of(image), "x") for image in images)
    mixed = Mixed(text.replace("#", engine.runner.abilities.marker), seen)
    wanted = Completion((), Sampling(temperature=0.0), 2, mixed=mixed)
    async with aclosing(engine.runner.complete(wanted)) as pieces:
        *_, last = [piece async for piece in pieces]
    assert last.end is not None
    return last.end.prompt_tokens


async def test_a_medium_weighs_what_it_takes(engine: Engine) -> None:
    bare = len(await engine.runner.tokenize(["a ", " b"]))
    for data in (picture(1, 1), picture(200, 1), picture(96, 40), picture(1000, 700, "JPEG"), recording()):
        weight = await engine.runner.weigh(media.read(base64_of(data), "x"))
        assert await read(engine, "a # b", data) == bare + weight


async def test_what_the_engine_cannot_decode_is_found_while_it_is_weighed(engine: Engine) -> None:
    with pytest.raises(InvalidMedia, match="the png picture cannot be decoded"):
        await engine.runner.weigh(media.read(base64_of(png(64, 48, b"no pixels")), "x"))


async def test_an_engine_that_cannot_count_is_called_too_old() -> None:
    async def count(chat: bytes) -> int:
        raise EngineRefused("File Not Found", 404)

    with pytest.raises(EngineError, match="too old"):
        await Scales(count).weigh(media.read(base64_of(picture()), "x"))


async def test_what_was_weighed_is_remembered() -> None:
    asked: list[bytes] = []

    async def count(chat: bytes) -> int:
        asked.append(chat)
        return 50 if b"image_url" in chat else 10

    scales = Scales(count)
    for colour in (RED, BLUE, RED, BLUE):
        assert await scales.weigh(media.read(base64_of(picture(colour=colour)), "x")) == 40
    assert len(asked) == 3


async def test_more_pictures_than_an_engine_may_unpack_are_refused(engine: Engine) -> None:
    large = tuple(media.read(base64_of(png(8192, 8192)), f"images[{number}]") for number in range(11))
    assert large[0].unpacked == 3 << 26
    text, attached = attachments.in_raw("x", large)
    with pytest.raises(BadRequest, match="take 2112 MiB when they are decoded; at most 2048"):
        await attachments.read(text, attached, engine.runner)


async def test_a_template_without_a_place_for_the_question_is_refused(engine: Engine) -> None:
    seen = media.read(base64_of(picture()), "x")
    shown = Message("user", "What is it?", media=(seen,))
    for messages, fine in (((shown,), False), ((shown, Message("user", "And?")), True)):
        _, attached = attachments.in_messages(messages)
        if fine:  # what it shows of earlier turns is the template's affair
            assert (await attachments.read("And?", attached, engine.runner)).mixed is None
        else:
            with pytest.raises(Unsupported, match="no place"):
                await attachments.read("What is it?", attached, engine.runner)


async def test_pictures_without_text_between_them_may_change_one_by_one(engine: Engine) -> None:
    red, blue, green = (picture(colour=colour) for colour in (RED, BLUE, (9, 200, 9)))
    both = await read(engine, "a ## b", red, blue)
    assert await read(engine, "a ## b", red, green) == both
    assert await read(engine, "a # b", red) < both
