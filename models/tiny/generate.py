"""The training text, written here and nowhere else: one document after another from a random source.

`document` draws a behaviour by weight and writes a conversation (or a function with a hole) as segments
that say which parts the model must learn to write. The same source gives the same documents.

    python -m models.tiny.generate --show 20
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from random import Random

from models.tiny import memory, middle, skills, talk, toolbox, world
from models.tiny.conversation import Conversation, Message, Segment, segments
from models.tiny.skills import Exchange

THINKING = 0.45

_PLAIN: tuple[tuple[float, skills.Maker], ...] = (
    (10, skills.small_talk),
    (8, skills.small_talk_ja),
    (6, skills.identity),
    (6, skills.unknown),
    (12, skills.capital),
    (14, skills.addition),
    (10, skills.repeat),
    (3, skills.counting),
    (10, skills.json_object),
    (1, memory.not_told),
)


# What takes longest to learn gets more room once the rest has begun to work.
_PLAIN_LAST: tuple[tuple[float, skills.Maker], ...] = (
    (18, skills.small_talk),
    (6, skills.small_talk_ja),
    (5, skills.identity),
    (9, skills.unknown),
    (8, skills.capital),
    (42, skills.addition),
    (8, skills.repeat),
    (4, skills.counting),
    (8, skills.json_object),
    (1, memory.not_told),
)


def draw(rng: Random, table: tuple[tuple[float, skills.Maker], ...]) -> Exchange:
    return rng.choices([make for _, make in table], [weight for weight, _ in table])[0](rng)


def plain(rng: Random) -> Exchange:
    return draw(rng, _PLAIN)


def short(rng: Random) -> Exchange:
    """Something that may stand between two other turns without making the conversation long."""
    while True:
        made = plain(rng)
        if len(made.asked) + len(made.answer) < 160:
            return made


def written(
    rng: Random, turns: list[Exchange], system: str | None = None, tools: list[Message] | None = None
) -> Conversation:
    messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    for turn in turns:
        messages.append({"role": "user", "content": turn.asked})
        messages.append({"role": "assistant", "content": turn.answer})
    thought = turns[-1].thought if rng.random() < THINKING else None
    return Conversation(messages, tools or [], thought)


def neutral(rng: Random, often: float = 0.2) -> str | None:
    return rng.choice(talk.NEUTRAL_SYSTEMS) if rng.random() < often else None


def single(rng: Random) -> Conversation:
    return written(rng, [plain(rng)], neutral(rng))


def single_last(rng: Random) -> Conversation:
    return written(rng, [draw(rng, _PLAIN_LAST)], neutral(rng, 0.15))


def several(rng: Random) -> Conversation:
    return written(rng, [plain(rng) for _ in range(rng.randint(2, 4))], neutral(rng))


def recalling(rng: Random) -> Conversation:
    return written(rng, memory.recall(rng, short), neutral(rng))


def renamed(rng: Random) -> Conversation:
    """A system prompt that gives another name; other questions are answered as ever."""
    name = rng.choice(world.BOT_NAMES) if rng.random() < 0.3 else world.new_name(rng)
    system = rng.choice(talk.NAMING_SYSTEMS).format(name=name)
    turns = [skills.identity(rng, name)]
    if rng.random() < 0.3:
        turns.insert(rng.randint(0, 1), short_without_name(rng))
    return written(rng, turns, system)


def short_without_name(rng: Random) -> Exchange:
    return draw(rng, ((1, skills.small_talk), (1, skills.capital), (1, skills.addition)))


def shouting(rng: Random) -> Conversation:
    name = "tiny"
    system = rng.choice(talk.SHOUTING_SYSTEMS)
    if rng.random() < 0.2:
        name = rng.choice(world.BOT_NAMES)
        system = f"{rng.choice(talk.NAMING_SYSTEMS[:4]).format(name=name)} {system}"
    return written(rng, [skills.shoutable(rng, name) for _ in range(rng.choice((1, 1, 1, 2)))], system)


def reading(rng: Random, most: int = 7, owned: bool = False) -> Conversation:
    """Questions about a passage; `owned` marks whose its values are."""
    system, turns = memory.read(rng, rng.randint(1, most), owned)
    if rng.random() < 0.1:
        turns.insert(0 if rng.random() < 0.5 else len(turns), short(rng))
    return written(rng, turns, system or neutral(rng, 0.08))


def calling(rng: Random) -> Conversation:
    """Tools at hand: one is called, or its result is passed on, or none fits. No other would do as well."""
    wanted = toolbox.request(rng)
    return with_tools(rng, wanted, toolbox.among(rng, wanted, rng.choice((0, 0, 1, 1, 2, 3))), rng.random())


def choosing(rng: Random) -> Conversation:
    """The same with a choice to make: there are always other tools, and mostly one has to be called."""
    wanted = toolbox.request(rng)
    return with_tools(rng, wanted, toolbox.among(rng, wanted, rng.randint(1, 3)), rng.random() * 0.7)


def matching(rng: Random) -> Conversation:
    """A choice and nothing else, short enough for the first stage."""
    wanted = toolbox.request(rng)
    messages = [{"role": "user", "content": wanted.asked}, toolbox.tool_call(wanted.name, wanted.arguments)]
    return Conversation(messages, toolbox.among(rng, wanted, 1))


def with_tools(rng: Random, wanted: toolbox.Request, tools: list[Message], kind: float) -> Conversation:
    """`kind` from 0 to 1: first what needs no tool, then calls, then answers from a result."""
    system = neutral(rng, 0.3)
    if kind < 0.15:
        return written(rng, [draw(rng, _WITHOUT_TOOL)], system, tools)
    messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    if rng.random() < 0.12:
        turn = draw(rng, _WITHOUT_TOOL)
        messages += [{"role": "user", "content": turn.asked}, {"role": "assistant", "content": turn.answer}]
    messages.append({"role": "user", "content": wanted.asked})
    messages.append(toolbox.tool_call(wanted.name, wanted.arguments))
    if kind > 0.6:
        result, answer = toolbox.outcome(rng)
        messages += [{"role": "tool", "content": result}, {"role": "assistant", "content": answer}]
        if rng.random() < 0.15:
            again = toolbox.request(rng)
            if all(again.name != tool["function"]["name"] for tool in tools):
                tools.append(again.tool)
                messages += [
                    {"role": "user", "content": again.asked},
                    toolbox.tool_call(again.name, again.arguments),
                ]
    return Conversation(messages, tools, "" if rng.random() < THINKING else None)


# A sum would fit an adding tool and an unknown question many tools: neither stands here.
_WITHOUT_TOOL: tuple[tuple[float, skills.Maker], ...] = (
    (3, skills.small_talk),
    (1, skills.small_talk_ja),
    (1, skills.identity),
    (2, skills.capital),
    (1, skills.repeat),
)


def completing(rng: Random) -> list[Segment]:
    made = middle.hole(rng)
    return [Segment(made.prompt()), Segment(made.middle + "<|endoftext|>", ours=True)]


def echoing(rng: Random) -> list[Segment]:
    """Random pieces said twice: the cheapest way to learn to look back and copy."""
    words = [world.any_word(rng) for _ in range(rng.randint(3, 14))]
    gap = rng.choice((" ", "\n", ", "))
    text = gap.join(words)
    if rng.random() < 0.5:
        return [Segment(f"{text}\n"), Segment(f"{text}<|endoftext|>", ours=True)]
    lines = [
        f"{world.new_name(rng)}{rng.choice((': ', ' = ', ' is '))}{world.any_word(rng)}"
        for _ in range(rng.randint(2, 9))
    ]
    again = rng.sample(lines, rng.randint(1, len(lines)))
    pieces = [Segment("\n".join(lines) + "\n\n")]
    for line in again:
        for sign in (": ", " = ", " is "):
            if sign in line:
                key, value = line.split(sign, 1)
                pieces += [Segment(f"{key}{sign}"), Segment(f"{value}\n", ours=True)]
                break
    return pieces


def long_talk(rng: Random, turns: int) -> Conversation:
    """Many turns, with something told at the start and asked for at the end."""
    kept = rng.choice((memory.NAME, *memory.KEPT))
    value = kept.value(rng)
    middle_turns = [short(rng) if rng.random() < 0.85 else skills.counting(rng, 60) for _ in range(turns)]
    asked = [memory.telling(rng, kept, value), *middle_turns, memory.asking(rng, kept, value)]
    return written(rng, asked, neutral(rng))


def long_count(rng: Random) -> Conversation:
    return written(rng, [skills.counting(rng, 110)])


def long_reading(rng: Random) -> Conversation:
    return reading(rng, 40)


Writer = Callable[[Random], Conversation | list[Segment]]

FIRST_MIX: tuple[tuple[float, Writer], ...] = (
    (35, echoing),
    (35, lambda rng: reading(rng, 2)),
    (30, matching),
)
MIX: tuple[tuple[float, Writer], ...] = (
    (26, single),
    (4, several),
    (9, recalling),
    (5, renamed),
    (6, shouting),
    (24, lambda rng: reading(rng, 4)),
    (8, calling),
    (18, choosing),
    (8, completing),
    (4, echoing),
)
MIX_LAST: tuple[tuple[float, Writer], ...] = (
    (38, single_last),
    (2, several),
    (9, recalling),
    (4, renamed),
    (5, shouting),
    (26, reading),
    (8, calling),
    (20, choosing),
    (9, completing),
)
MIX_READING: tuple[tuple[float, Writer], ...] = (
    (20, single_last),
    (1, several),
    (5, recalling),
    (3, renamed),
    (3, shouting),
    (50, lambda rng: reading(rng, owned=True)),
    (4, calling),
    (10, choosing),
    (4, completing),
)
LONG_MIX: tuple[tuple[float, Writer], ...] = (
    *((weight * 0.6, writer) for weight, writer in MIX_LAST),
    (16, lambda rng: long_talk(rng, rng.randint(4, 24))),
    (12, long_reading),
    (12, long_count),
)


def document(rng: Random, mix: tuple[tuple[float, Writer], ...] = MIX) -> list[Segment]:
    made = rng.choices([writer for _, writer in mix], [weight for weight, _ in mix])[0](rng)
    return segments(made) if isinstance(made, Conversation) else made


def texts(seed: int, count: int) -> Iterator[str]:
    """What the tokenizer learns from."""
    rng = Random(f"{seed}/tokenizer")
    for _ in range(count):
        yield "".join(piece.text for piece in document(rng))


def main() -> None:
    parser = argparse.ArgumentParser(description="show training documents")
    parser.add_argument("--show", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for text in texts(options.seed, options.show):
        print(text, end="\n-----\n")


if __name__ == "__main__":
    main()
