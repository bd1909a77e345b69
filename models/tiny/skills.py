"""Single questions and their answers: small talk, capitals, sums, repeating, counting, JSON.

A maker takes a random source and returns one exchange. The wording is varied here; what is varied in how
people type (politeness, case, missing marks) is `as_typed`, shared by all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from models.tiny import talk, world
from models.tiny.conversation import compact


@dataclass(frozen=True)
class Exchange:
    """One question, the answer, and the thought that leads to it when thinking is on."""

    asked: str
    answer: str
    thought: str = ""


Maker = Callable[[Random], Exchange]

_BEFORE = (
    "Please tell me: ", "Hey, ", "Hi! ", "Hello! ", "Quick question: ", "I have a question. ", "Tell me, ",
    "So, ",
    "Now, ", "Okay, ", "And now: ", "Next question: ", "One more thing: ", "I was wondering, ", "Say, ",
    "Listen, ",
    "Question: ", "Oh, ", "Ah, ", "By the way, ", "Sorry, ", "My friend, ", "First: ", "Let us see: ",
    "Hmm, ", "Yes, ",
    "Also, ", "Hey tiny, ", "Could you please tell me: ", "I would like to know: ", "Good evening. ",
    "Could you help me? ", "Dear tiny, ", "Good morning. ", "Excuse me, ", "Well, ",
    "Let me ask you: ",
)  # fmt: skip
_AFTER = (
    ", tiny",
    ", friend",
    ", please",
    ", my friend",
    " then",
    " now",
    " today",
    " again",
    " for me",
    ", dear model",
    " Thanks!",
    " Thank you.",
    " Please.",
    " please",
    " thanks",
    " Please answer.",
    " I need to know.",
    " :)",
)


def lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def as_typed(rng: Random, text: str, mark: str = "?", plain: bool = False) -> str:
    """The text the way somebody types it. `plain` allows losing capitals, which copying could not survive."""
    before = rng.choice(_BEFORE) if rng.random() < 0.2 else ""
    text = before + (lowered(text) if before.endswith((", ", ": ")) else text[:1].upper() + text[1:])
    draw = rng.random()
    if rng.random() < 0.08:
        text += rng.choice(_AFTER[:10])
    text += mark if draw < 0.65 else "" if draw < 0.85 else rng.choice((".", "!", "?", " ?", "..."))
    if rng.random() < 0.1:
        text += rng.choice(_AFTER[10:])
    return text.lower() if plain and rng.random() < 0.2 else text


def ja_typed(rng: Random, text: str) -> str:
    """The same in Japanese: a word to begin with now and then, and some mark or none."""
    before = rng.choice(
        ("あの、", "えっと、", "ねえねえ、", "tinyさん、", "さて、", "ところで、", "あら、", "おお、")
    )
    text = (before if rng.random() < 0.15 else "") + text
    return text + rng.choice(("", "", "。", "！", "？", "。")) if text[-1] not in "。！？" else text


def _filled(rng: Random, text: str) -> str:
    return text.format(
        verb=rng.choice(world.VERBS), thing=rng.choice(world.THINGS), topic=rng.choice(world.TOPICS),
        colour=rng.choice(world.COLOURS), number=world.number(rng), name=world.new_name(rng),
        animal=rng.choice(world.ANIMALS), place=rng.choice(world.STRANGE_LANDS), made=world.made_up(rng),
        job=rng.choice(world.JOBS), food=rng.choice(world.FOODS),
    )  # fmt: skip


def small_talk(rng: Random) -> Exchange:
    answer, ways = rng.choice(talk.ENGLISH)
    if answer == talk.STORY and rng.random() < 0.6:  # long, and the same every time: a little of it is enough
        answer, ways = talk.ENGLISH[0]
    way = rng.choice(ways)
    return Exchange(as_typed(rng, way, rng.choice(("?", "!", ".", "")), plain=True), answer)


def small_talk_ja(rng: Random) -> Exchange:
    answer, ways = rng.choice(talk.JAPANESE)
    return Exchange(ja_typed(rng, rng.choice(ways)), answer)


def identity(rng: Random, name: str = "tiny") -> Exchange:
    draw = rng.random()
    if draw < 0.5:
        asked, answer = as_typed(rng, rng.choice(talk.IDENTITY_ASKED), plain=True), talk.IDENTITY
    elif draw < 0.75:
        asked, answer = as_typed(rng, rng.choice(talk.NAME_ASKED), plain=True), talk.NAME_ONLY
    elif draw < 0.9:
        asked, answer = ja_typed(rng, rng.choice(talk.IDENTITY_ASKED_JA)), talk.IDENTITY_JA
    else:
        asked, answer = ja_typed(rng, rng.choice(talk.NAME_ASKED_JA)), talk.NAME_ONLY_JA
    return Exchange(asked, answer.format(name=name))


def unknown(rng: Random) -> Exchange:
    draw = rng.random()
    if draw < 0.12:
        return Exchange(ja_typed(rng, rng.choice(talk.UNKNOWN_ASKED_JA)), talk.UNKNOWN_JA)
    if draw < 0.2:  # a capital, but not one of the forty
        asked = rng.choice(CAPITAL_ASKED).format(rng.choice(world.STRANGE_LANDS))
        return Exchange(as_typed(rng, asked, plain=True), talk.UNKNOWN)
    return Exchange(as_typed(rng, _filled(rng, rng.choice(talk.UNKNOWN_ASKED)), plain=True), talk.UNKNOWN)


CAPITAL_ASKED = (
    "what would be the capital of {0}", "do you know what the capital of {0} is",
    "I need the capital city of {0}",
    "tell me what city is the capital of {0}", "what is {0}'s capital city", "name {0}'s capital city",
    "what was the capital of {0}",
    "let us hear the capital of {0}", "what city acts as the capital of {0}",
    "the quiz asks for the capital of {0}",
    "which town is {0}'s capital", "how is the capital of {0} called", "tell me {0}'s capital city",
    "{0}'s capital",
    "do you remember the capital of {0}", "what is the capital of {0} called",
    "I must know the capital of {0}",
    "what is the capital of {0}", "what's the capital of {0}", "which city is the capital of {0}",
    "what is {0}'s capital", "name the capital of {0}", "tell me the capital of {0}", "capital of {0}",
    "the capital of {0} is", "what is the capital city of {0}", "which is the capital city of {0}",
    "do you know the capital of {0}", "can you tell me the capital of {0}", "give me the capital of {0}",
    "{0}: what is its capital", "in {0}, which city is the capital", "what city is the capital of {0}",
    "I want to know the capital of {0}", "what do you call the capital of {0}",
    "could you name the capital of {0}",
    "{0} has which capital", "what capital does {0} have", "which capital belongs to {0}", "{0} capital",
    "my teacher asked for the capital of {0}", "where is the government of {0}",
    "what is the main city of {0}",
    "I forgot the capital of {0}", "say the capital of {0}", "please name the capital of {0}",
    "I am going to {0}, what is the capital", "what is the name of the capital of {0}", "capital city of {0}",
    "the capital of the country {0}", "for {0}, what is the capital", "what would the capital of {0} be",
)  # fmt: skip
CAPITAL_ASKED_JA = (
    "{0}の首都は", "{0}の首都はどこですか", "{0}の首都は何ですか", "{0}の首都を教えてください",
    "{0}の首都はどこ",
    "{0}の首都の名前は何ですか", "{0}の首都を知っていますか", "{0}の首都を答えて",
)  # fmt: skip
COUNTRY_ASKED = (
    "{0} is the capital of which country", "of which country is {0} the capital",
    "which country has the capital {0}",
    "which country is {0} the capital of", "what country has {0} as its capital",
    "{0} is the capital of what",
    "whose capital is {0}", "name the country whose capital is {0}", "where is {0} the capital",
    "in which country is {0} the capital",
)  # fmt: skip


def capital(rng: Random) -> Exchange:
    country, city, land, town = rng.choice(world.CAPITALS)
    draw = rng.random()
    if draw < 0.12:
        asked = ja_typed(rng, rng.choice(CAPITAL_ASKED_JA).format(land))
        return Exchange(asked, f"{land}の首都は{town}です。")
    if draw < 0.22:
        asked = as_typed(rng, rng.choice(COUNTRY_ASKED).format(city), plain=True)
    else:
        asked = as_typed(rng, rng.choice(CAPITAL_ASKED).format(country), plain=True)
    return Exchange(asked, f"The capital of {country} is {city}.")


SUM_ASKED = (
    "what would {0} + {1} be", "how many is {0} plus {1}", "which number is {0} plus {1}",
    "could you calculate {0} + {1}",
    "could you add {0} and {1} for me", "{0} + {1} equals what", "{0} plus {1} is",
    "the result of {0} + {1}", "add up {0} and {1}",
    "what result does {0} + {1} give", "my exercise is {0} + {1}", "help me add {0} and {1}",
    "give me {0} + {1}",
    "how much will {0} plus {1} be", "what number do {0} and {1} make",
    "when you add {0} to {1}, what is it", "quick, {0} + {1}",
    "{0} plus {1} makes", "the teacher wants {0} + {1}", "if I have {0} and add {1}, what is the result",
    "sum: {0} and {1}",
    "what is {0} plus {1}", "what is {0} + {1}", "{0} + {1}", "{0}+{1}", "{0} plus {1}", "{0} + {1} =",
    "{0}+{1}=",
    "add {0} and {1}", "add {0} to {1}", "what do you get when you add {0} and {1}",
    "how much is {0} plus {1}",
    "how much is {0} + {1}", "calculate {0} + {1}", "compute {0} plus {1}", "what is the sum of {0} and {1}",
    "the sum of {0} and {1}", "sum {0} and {1}", "can you add {0} and {1}", "work out {0} plus {1}",
    "please compute {0} + {1}", "give me the sum of {0} and {1}", "what does {0} plus {1} make",
    "solve {0} + {1}",
    "what's {0}+{1}", "{0} and {1} together make", "how many are {0} and {1}", "what is {0} and {1} together",
    "I have {0} apples and get {1} more, how many do I have",
    "there are {0} cats and {1} dogs, how many animals",
    "{0} more than {1} is what", "if I add {0} to {1}, what do I get", "tell me {0} plus {1}",
    "do the sum {0} + {1}", "think about {0} + {1}", "what is the total of {0} and {1}", "find {0} + {1}",
    "I need {0} plus {1}", "please add up {0} and {1}", "let us add {0} and {1}", "{0}足す{1}は",
    "{0}+{1}はいくつですか",
)  # fmt: skip


def held_out(first: int, second: int) -> bool:
    """One pair in sixteen is never summed in training, so that an evaluation can ask for it."""
    return hashlib.sha256(f"{first}+{second}".encode()).digest()[0] < 16


def sum_thought(first: int, second: int) -> str:
    """Column by column, the way it is taught at school."""
    ones = first % 10 + second % 10
    tens = first // 10 + second // 10
    carry = ones // 10
    shown = f"{first // 10} + {second // 10}" + (" + 1" if carry else "")
    carried = ", carry 1" if carry else ""
    return (
        f"Ones: {first % 10} + {second % 10} = {ones}{carried}. Tens: {shown} = {tens + carry}. "
        f"Together: {first + second}."
    )


def sum_answer(first: int, second: int) -> str:
    return f"{first} + {second} = {first + second}."


def addends(rng: Random) -> tuple[int, int]:
    while True:
        first, second = (rng.randint(0, 99 if rng.random() < 0.85 else 9) for _ in range(2))
        if not held_out(first, second):
            return first, second


def addition(rng: Random) -> Exchange:
    first, second = addends(rng)
    asked = as_typed(rng, rng.choice(SUM_ASKED).format(first, second), plain=True)
    return Exchange(asked, sum_answer(first, second), sum_thought(first, second))


REPEAT_ASKED = (
    "answer just with {0}", "reply only with {0}", "exactly repeat: {0}", "repeat precisely: {0}",
    "say exactly {0}",
    "write only {0}", "can you type {0}", "can you print {0}", "please print {0}", "say nothing but {0}",
    "write down {0}",
    "write this: {0}", "please echo {0}", "only repeat {0}", "just repeat: {0}", "your only word is {0}",
    "now write {0}",
    "now repeat {0}", "say the following word: {0}", "answer only: {0}", "just answer {0}",
    "repeat this exactly as it is: {0}",
    "simply say {0}", "say one word: {0}", "could you write {0}", "could you say {0}",
    "I would like to hear {0}",
    "please type {0}", "I want you to write {0}", "echo this: {0}", "echo the following: {0}", "type {0}",
    "exactly this: {0}",
    "repeat the word {0}", "repeat: {0}", "repeat this word: {0}", "say {0}", "say the word {0}",
    "repeat after me: {0}",
    "please repeat {0}", "say: {0}", "can you say {0}", "can you repeat the word {0}", "echo {0}",
    "echo: {0}",
    "write the word {0}", "write {0}", "just say {0}", "repeat {0}", "repeat {0} back to me", "say this: {0}",
    "only say the word {0}", "answer with the word {0}", "reply with {0}", "reply with the word {0}",
    "print {0}",
    "output the word {0}", "copy this word: {0}", "please say {0}", "type the word {0}", "say after me: {0}",
    "could you repeat {0}", "I want you to say {0}", "respond with {0}", "give me back the word {0}",
    "repeat the following: {0}", "the word is {0}, repeat it", "I say {0}, you repeat it", "pronounce {0}",
    "let me hear you say {0}", "respond only with {0}", "your answer must be {0}", "send back {0}",
)  # fmt: skip


def repeat(rng: Random) -> Exchange:
    words = " ".join(world.any_word(rng) for _ in range(1 if rng.random() < 0.8 else rng.randint(2, 4)))
    shown = rng.choice((words, words, words, f'"{words}"', f"'{words}'"))
    asked = as_typed(rng, rng.choice(REPEAT_ASKED).format(shown), rng.choice((".", "", "", "!")))
    return Exchange(asked, words)


COUNT_ASKED = (
    "please write the numbers from {0} to {1}", "list all numbers from {0} up to {1}",
    "please list numbers from {0} to {1}",
    "all numbers from {0} to {1}", "now count from {0} to {1}",
    "count from {0} to {1}", "count from {0} up to {1}", "please count from {0} to {1}", "count: {0} to {1}",
    "write the numbers from {0} to {1}", "list the numbers from {0} to {1}",
    "say the numbers from {0} to {1}",
    "give me the numbers from {0} to {1}", "can you count from {0} to {1}", "numbers from {0} to {1}",
    "start at {0} and count to {1}", "show me all numbers from {0} to {1}", "counting from {0} to {1}",
)  # fmt: skip
COUNT_ASKED_SHORT = (
    "could you count up to {1}", "can you count up to {1}", "please try to count to {1}", "now count to {1}",
    "count to {1}", "count up to {1}", "please count to {1}", "can you count to {1}", "count slowly to {1}",
    "I want you to count to {1}", "let's count to {1}", "count out loud to {1}", "try to count to {1}",
)  # fmt: skip


def counting(rng: Random, longest: int = 50) -> Exchange:
    start = 1 if rng.random() < 0.5 else rng.randint(0, 170)
    stop = start + rng.randint(2, longest)
    ways = (*COUNT_ASKED_SHORT, *COUNT_ASKED[:3]) if start == 1 else COUNT_ASKED
    asked = as_typed(rng, rng.choice(ways).format(start, stop), ".", plain=True)
    return Exchange(asked, ", ".join(map(str, range(start, stop + 1))))


JSON_ASKED = (
    "Please give me a JSON object with {0}", "I want a JSON object with {0}",
    "Could you make JSON with {0}", "JSON with {0}",
    "Make a JSON object of this: {0}", "Return this as JSON: {0}", "Write JSON with {0}",
    "Build a JSON object with {0}",
    "A JSON object with {0} please", "Can you write JSON with {0}", "Give JSON for {0}",
    "Then a JSON object with {0}",
    "Build a JSON object: {0}", "Please return JSON: {0}",
    "Give me a JSON object with {0}", "Write a JSON object with {0}", "Make JSON with {0}", "As JSON: {0}",
    "Return JSON with {0}", "Create a JSON object: {0}", "Write this as JSON: {0}",
    "Turn this into JSON: {0}",
    "Reply in JSON: {0}", "Answer in JSON: {0}", "Convert to JSON: {0}", "JSON please: {0}",
    "Put this in JSON: {0}",
    "I need a JSON object with {0}", "Output JSON for {0}", "Show me JSON with {0}",
    "{0}. Write that as JSON",
    "{0}. Give it back as a JSON object", "Respond with a JSON object: {0}", "Generate JSON with {0}",
    "Please build a JSON object with {0}", "Express this in JSON: {0}", "Format as JSON: {0}",
)  # fmt: skip
FIELD_WRITTEN = ("the {0} {1}", "{0} {1}", "{0} is {1}", "{0}: {1}", "{0} = {1}", "the {0} is {1}", "{0} {1}")
FIELDS: tuple[tuple[str, Callable[[Random], str | int]], ...] = (
    ("name", world.person),
    ("age", lambda rng: rng.randint(1, 99)),
    ("city", world.new_name),
    ("colour", lambda rng: rng.choice(world.COLOURS)),
    ("color", lambda rng: rng.choice(world.COLOURS)),
    ("animal", lambda rng: rng.choice(world.ANIMALS)),
    ("job", lambda rng: rng.choice(world.JOBS)),
    ("food", lambda rng: rng.choice(world.FOODS)),
    ("price", lambda rng: rng.randint(1, 999)),
    ("count", lambda rng: rng.randint(0, 99)),
    ("size", lambda rng: rng.randint(1, 200)),
    ("title", world.new_name),
    ("country", world.new_name),
    ("year", lambda rng: rng.randint(1000, 2099)),
    ("id", lambda rng: rng.randint(1, 9999)),
    ("code", world.code),
    ("material", lambda rng: rng.choice(world.THINGS)),
    ("owner", world.person),
    ("word", world.made_up),
    ("score", lambda rng: rng.randint(0, 100)),
)


def json_object(rng: Random) -> Exchange:
    draw = rng.random()
    if draw < 0.12:
        country, city, *_ = rng.choice(world.CAPITALS)
        asked = rng.choice(
            ("{0} as JSON", "{0} in JSON", "Answer in JSON: {0}", "Reply in JSON: {0}", "JSON: {0}")
        )
        inner = rng.choice(("what is the capital of {0}", "the capital of {0}", "name the capital of {0}"))
        asked = as_typed(rng, asked.format(inner.format(country)))
        return Exchange(asked, compact({"country": country, "capital": city}))
    if draw < 0.18:
        asked = rng.choice(
            ("describe yourself in JSON", "who are you? Answer in JSON", "introduce yourself as JSON")
        )
        return Exchange(as_typed(rng, asked, "."), compact({"name": "tiny", "kind": "demonstration model"}))
    fields = [(key, make(rng)) for key, make in rng.sample(FIELDS, rng.randint(1, 4))]
    if rng.random() < 0.2:  # any key may be asked for, not only those above
        fields[0] = (rng.choice((world.made_up(rng), rng.choice(world.THINGS))), fields[0][1])
    how = rng.choice(FIELD_WRITTEN)
    parts = [how.format(key, value) for key, value in fields]
    listed = (
        ", ".join(parts)
        if rng.random() < 0.5 or len(parts) == 1
        else ", ".join(parts[:-1]) + " and " + parts[-1]
    )
    asked = rng.choice(JSON_ASKED).format(listed) + rng.choice((".", "", "."))
    return Exchange(asked, compact(dict(fields)))


def shoutable(rng: Random, name: str) -> Exchange:
    """What is asked of a model told to answer in capitals: things whose capitals can be learnt."""
    draw = rng.random()
    if draw < 0.4:
        answer, ways = rng.choice([pair for pair in talk.ENGLISH if pair[0] not in (talk.STORY, talk.POEM)])
        made = Exchange(as_typed(rng, rng.choice(ways), rng.choice(("?", "!", ".")), plain=True), answer)
    elif draw < 0.75:
        made = capital(rng)
    elif draw < 0.85:
        made = identity(rng, name)
    elif draw < 0.93:
        made = addition(rng)
    else:
        made = unknown(rng)
    return Exchange(made.asked, made.answer.upper(), made.thought)
