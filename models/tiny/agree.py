"""What must be the same in two places, checked against the real engine before anything ships.

The chat template: our Python rendering (which training used), jinja2 with trimmed blocks,
and the engine's own
Jinja give one text. The tokenizer: the library that training used and the engine give the same numbers.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jinja2.sandbox
from tokenizers import Tokenizer

from models.tiny import export, generate
from models.tiny.conversation import Conversation, segments
from models.tiny.engine import Engine

CONVERSATIONS = 300
ODD_TEXTS = (
    "", " ", "\n\n", "  two  spaces ", "tab\tand\r\nreturn", "x=1;y=2", "I'm you're we'll THEY'LL",
    "日本語とEnglishの混在です。",
    "naïve café Ünïcödé", "🙂🙃 emoji", "１２３ full width", "a1b22c333", "....!!!???",
    '{"a":[1,2,{"b":null}]}', "e\u0301 combining",
    "def f(x):\n\treturn x  # two\n\n\nprint(f(1))\n", "<think> </think><tool_call>{}</tool_call>",
    "Привет, мир", "العربية",
)  # fmt: skip


def template() -> jinja2.Template:
    """The template as a Python front would compile it: blocks trimmed, JSON without HTML escapes."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

    def tojson(value: Any, separators: tuple[str, str] | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, separators=separators)

    environment.filters["tojson"] = tojson
    return environment.from_string(export.TEMPLATE.read_text(encoding="utf-8"))


def prompt_of(conversation: Conversation) -> str:
    """Our own rendering up to where the model has to write: before the last pieces that are its own."""
    pieces = segments(conversation)
    written = 2 if conversation.thought is None else 3  # thought, answer, line break
    return "".join(piece.text for piece in pieces[:-written])


def conversations(seed: int) -> list[Conversation]:
    rng = Random(f"agree/{seed}")
    writers = (
        generate.single,
        generate.several,
        generate.recalling,
        generate.renamed,
        generate.reading,
        generate.calling,
    )
    return [rng.choice(writers)(rng) for _ in range(CONVERSATIONS)]


def check_template(engine: Engine) -> int:
    """Raise on the first conversation the three renderings disagree about; returns how many were compared."""
    compiled = template()
    made = conversations(0)
    for conversation in made:
        messages, thinking = conversation.messages[:-1], conversation.thought is not None
        ours = prompt_of(conversation)
        by_jinja = compiled.render(
            messages=messages, tools=conversation.tools, add_generation_prompt=True, enable_thinking=thinking
        )
        by_engine = engine.render(messages, conversation.tools, thinking)
        if not ours == by_jinja == by_engine:
            raise SystemExit(f"the renderings differ:\n{ours!r}\n{by_jinja!r}\n{by_engine!r}")
    return len(made)


def check_tokens(engine: Engine, words: Tokenizer) -> int:
    """Raise on the first text that the two tokenizers read differently; returns how many were compared."""
    texts = [*ODD_TEXTS, *("".join(piece.text for piece in segments(made)) for made in conversations(1))]
    for text in texts:
        ours, theirs = words.encode(text, add_special_tokens=False).ids, engine.tokens(text)
        if ours != theirs:
            raise SystemExit(f"{text!r} is {ours} in training and {theirs} in the engine")
    return len(texts)
