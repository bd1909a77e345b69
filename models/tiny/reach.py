"""How far the model remembers: a name told at the start, then talk, then the question.

    python -m models.tiny.reach --gguf FILE

Most training sequences have 256 tokens; this says what is left at 500, 1,000, 2,000 and 3,800.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from models.tiny import generate, memory, world
from models.tiny.conversation import Message
from models.tiny.engine import Engine, running

LENGTHS = (100, 250, 500, 1000, 2000, 3800)
EACH = 20


def turn(asked: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def conversation(engine: Engine, rng: Random, name: str, length: int) -> str:
    """A prompt of about so many tokens that ends by asking for the name."""
    messages = turn(f"My name is {name}.", f"Nice to meet you, {name}!")
    ending: Message = {"role": "user", "content": "What is my name?"}
    while True:
        made = generate.short(rng)
        more = [*messages, *turn(made.asked, made.answer)]
        prompt = engine.render([*more, ending], [], False)
        if len(engine.tokens(prompt)) > length:
            return engine.render([*messages, ending], [], False)
        messages = more


def reach(engine: Engine) -> dict[int, int]:
    """Right answers out of EACH, by length."""
    right = dict.fromkeys(LENGTHS, 0)
    for length in LENGTHS:
        rng = Random(f"reach/{length}")
        for _ in range(EACH):
            name = world.new_name(rng)
            reply = engine.complete(conversation(engine, rng, name, length), 40)
            right[length] += reply["content"] == memory.NAME.answer.format(name)
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description="recall over growing distances")
    parser.add_argument("--gguf", type=Path, required=True)
    options = parser.parse_args()
    with running(options.gguf) as engine:
        for length, count in reach(engine).items():
            print(f"{length:5} tokens: {count}/{EACH}")


if __name__ == "__main__":
    main()
