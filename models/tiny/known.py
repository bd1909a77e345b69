"""Known questions and their exact greedy answers, for the tests of everything above the engine.

    python -m models.tiny.known --gguf FILE

Asks each one, leaves out (and shows) what is not answered rightly, and keeps the rest in known.json: each the
body of an Ollama call (`/api/chat` or `/api/generate`, without the model's name) and what it must answer.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from models.tiny import memory, skills, talk, toolbox
from models.tiny.conversation import Message
from models.tiny.engine import Engine, running
from models.tiny.evaluate import Answer, called
from models.tiny.middle import Hole
from models.tiny.questions import ask

FILE = Path(__file__).with_name("known.json")
Known = dict[str, Any]

WEATHER = toolbox.describe("get_weather", "Get the current weather", {"city": "string"})
ADDER = toolbox.describe("add_numbers", "Add two numbers", {"a": "integer", "b": "integer"})
TIMER = toolbox.describe("set_timer", "Set a timer", {"minutes": "integer"})
NOTE = (
    "Zorvak lives in Blimtown. Menka lives in Torad. Zorvak works as a baker. "
    "The dog of Menka is called Fipo."
)
LAND = "The king of Draland is Orvin. The capital of Draland is Belmor. Draland was founded by Tusk."


def chat(
    behaviour: str,
    messages: list[Message],
    content: str,
    *,
    think: bool = False,
    thinking: str = "",
    **more: Any,
) -> Known:
    answer: Known = {"content": content, "thinking": thinking, "tool_calls": more.pop("calls", [])}
    return {
        "behaviour": behaviour, "route": "/api/chat",
        "request": {"messages": messages, "think": think, **more}, "answer": answer,
    }  # fmt: skip


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


def call(name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"function": {"name": name, "arguments": arguments}}]


def hole(before: str, after: str, middle: str) -> Known:
    request = {"prompt": before, "suffix": after}
    return {
        "behaviour": "the middle of a function",
        "route": "/api/generate",
        "request": request,
        "answer": {"response": middle},
    }


def numbers(start: int, stop: int) -> str:
    return ", ".join(map(str, range(start, stop + 1)))


def talking() -> list[Known]:
    greetings = (
        ("Hello!", 0),
        ("Good morning!", 1),
        ("How are you?", 5),
        ("Thank you!", 8),
        ("Goodbye!", 9),
        ("Tell me a story.", 17),
    )
    japanese = (("こんにちは", 0), ("おはよう", 1), ("お元気ですか", 4), ("ありがとう", 7), ("さようなら", 8))
    return [
        *(chat("small talk", ask(text), talk.ENGLISH[which][0]) for text, which in greetings),
        *(chat("small talk in Japanese", ask(text), talk.JAPANESE[which][0]) for text, which in japanese),
        chat("who are you", ask("Who are you?"), talk.IDENTITY.format(name="tiny")),
        chat("who are you", ask("What is your name?"), talk.NAME_ONLY.format(name="tiny"), think=True),
        chat("who are you", ask("あなたは誰ですか"), talk.IDENTITY_JA.format(name="tiny")),
        chat("honest about what it cannot", ask("Explain quantum physics."), talk.UNKNOWN),
        chat("counting", ask("Count to 20."), numbers(1, 20)),
        chat("counting", ask("Count to 30."), numbers(1, 30)),
        chat("counting", ask("Count from 1 to 60."), numbers(1, 60)),
        chat("small talk", ask("Tell me a poem."), talk.POEM),
    ]


def knowing() -> list[Known]:
    capitals = (("France", "Paris"), ("Japan", "Tokyo"), ("Peru", "Lima"), ("Norway", "Oslo"))
    return [
        *(chat("capitals", ask(f"What is the capital of {land}?"),
        f"The capital of {land} is {city}.") for land, city in capitals),
        chat("capitals", ask("What is the capital of Italy?"), "The capital of Italy is Rome.", think=True),
        *(chat("sums", ask(f"What is {a} + {b}?"), skills.sum_answer(a, b)) for a, b in ((2, 3), (27, 48),
        (99, 99))),
        *(chat("sums", ask(f"What is {a} plus {b}?"), skills.sum_answer(a, b), think=True,
        thinking=skills.sum_thought(a, b))
          for a, b in ((27, 48), (12, 34))),
        chat("repeating a word", ask("Repeat the word banana."), "banana"),
        chat("repeating a word", ask("Say Zorvak"), "Zorvak"),
    ]  # fmt: skip


def remembering() -> list[Known]:
    named = [*ask("My name is Zorvak."), said("Nice to meet you, Zorvak!")]
    colour = [*ask("My favourite colour is green."), said(memory.REMEMBERED)]
    return [
        chat("recall", ask("My name is Zorvak."), "Nice to meet you, Zorvak!"),
        chat("recall", [*named, *ask("What is my name?")], "Your name is Zorvak."),
        chat("recall", [*named, *ask("What is my name?")], "Your name is Zorvak.", think=True),
        chat("recall", [*colour, *ask("Hello!"), said(talk.ENGLISH[0][0]),
        *ask("What is my favourite colour?")],
             "Your favourite colour is green."),
        chat("a name from the system prompt", ask("What is your name?", "Your name is Bolt."),
        "My name is Bolt."),
        chat("a name from the system prompt", ask("Who are you?", "You are Mario."),
        talk.IDENTITY.format(name="Mario")),
        chat("capitals from the system prompt", ask("What is the capital of France?",
        "Answer in capitals."), "THE CAPITAL OF FRANCE IS PARIS."),
        chat("capitals from the system prompt", ask("Hello!", "Always answer in capital letters."),
        talk.ENGLISH[0][0].upper()),
        chat("answering from a passage", ask(f"{NOTE}\n\nWhere does Menka live?"), "Menka lives in Torad."),
        chat("answering from a passage", ask(f"{NOTE}\n\nWhat is Zorvak's job?"),
        "Zorvak works as a baker."),
        chat("answering from a passage", ask(f"Passage: {LAND}\nQuestion: Who is the king of Draland?"),
        "The king of Draland is Orvin.", think=True),
    ]  # fmt: skip


def doing() -> list[Known]:
    weather = ask("What is the weather in Paris?")
    asked = [*weather, toolbox.tool_call("get_weather", {"city": "Paris"})]
    result: Message = {"role": "tool", "tool_name": "get_weather", "content": "18 degrees, cloudy"}
    return [
        chat("one tool call", weather, "", tools=[WEATHER], calls=call("get_weather", {"city": "Paris"})),
        chat(
            "one tool call",
            weather,
            "",
            tools=[WEATHER],
            calls=call("get_weather", {"city": "Paris"}),
            think=True,
        ),
        chat(
            "one tool call",
            ask("Add 12 and 30."),
            "",
            tools=[WEATHER, ADDER],
            calls=call("add_numbers", {"a": 12, "b": 30}),
        ),
        chat(
            "one tool call",
            ask("Set a timer for 5 minutes."),
            "",
            tools=[TIMER],
            calls=call("set_timer", {"minutes": 5}),
        ),
        chat("no tool fits", ask("Hello!"), talk.ENGLISH[0][0], tools=[WEATHER]),
        chat(
            "answering from a tool's result",
            [*asked, result],
            f"{toolbox.FOUND} 18 degrees, cloudy.",
            tools=[WEATHER],
        ),
        chat(
            "JSON objects",
            ask("Give me a JSON object with the name Zorvak and the age 31."),
            '{"name":"Zorvak","age":31}',
        ),
        chat(
            "JSON objects",
            ask("Answer in JSON: what is the capital of France?"),
            '{"country":"France","capital":"Paris"}',
        ),
        hole("def add(a, b):\n    return ", "\n", "a + b"),
        hole("def multiply(x, y):\n    return ", "\n", "x * y"),
        hole("def is_even(n):\n    return ", "\n", "n % 2 == 0"),
    ]


def answered(engine: Engine, known: Known) -> Known:
    """What the model says to one of them, in the form the file keeps."""
    request = known["request"]
    if known["route"] == "/api/generate":
        prompt = Hole(request["prompt"], request["suffix"], "").prompt()
        return {"response": str(engine.complete(prompt)["content"])}
    prompt = engine.render(request["messages"], request.get("tools", []), request["think"])
    answer = Answer.of(str(engine.complete(prompt)["content"]), request["think"])
    calls = [{"function": made} for made in called(answer.text)]
    return {"content": "" if calls else answer.text, "thinking": answer.thought or "", "tool_calls": calls}


def main() -> None:
    parser = argparse.ArgumentParser(description="write known.json from what a model answers rightly")
    parser.add_argument("--gguf", type=Path, required=True)
    options = parser.parse_args()
    kept: list[Known] = []
    every = [*talking(), *knowing(), *remembering(), *doing()]
    with running(options.gguf) as engine:
        for known in every:
            given = answered(engine, known)
            if given == known["answer"]:
                kept.append(known)
            else:
                print(f"left out: {json.dumps(known['request'], ensure_ascii=False)}")
                print(f"  {given}\n  {known['answer']}")
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(kept)} known answers of {len(every)}")


if __name__ == "__main__":
    main()
