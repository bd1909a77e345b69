"""The questions of the evaluation, behaviour by behaviour, worded as the training text never words them.

A phrase is a pattern; what fills it is drawn from a source the training never uses, and sums only use pairs
that were held out. `evaluate.py` checks the claim about the wording before it asks anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from models.tiny import memory, skills, talk, toolbox, world
from models.tiny.conversation import Message
from models.tiny.middle import Hole


@dataclass(frozen=True)
class Case:
    """One question and what a right answer is: one of some texts, or a text holding all of some pieces."""

    behaviour: str
    phrases: tuple[str, ...]  # the patterns whose novelty is checked
    messages: list[Message] = field(default_factory=list)
    tools: list[Message] = field(default_factory=list)
    hole: Hole | None = None
    equals: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    call: dict[str, Any] | None = None
    value: dict[str, Any] | None = None
    thought: str | None = None  # what the thought must end with, when thinking


def ask(text: str, system: str | None = None) -> list[Message]:
    before: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    return [*before, {"role": "user", "content": text}]


HELLO, MORNING, EVENING, AFTERNOON, NIGHT, FINE, GLAD, SAD, WELCOME, BYE = (
    answer for answer, _ in talk.ENGLISH[:10]
)
PLEASED, KIND, WRONG, SORRY, OKAY = (answer for answer, _ in talk.ENGLISH[10:15])

_SMALL_TALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Hello to you!", (HELLO,)),
    ("Hi, little one!", (HELLO,)),
    ("Hey there, little tiny.", (HELLO,)),
    ("A big hello from me!", (HELLO,)),
    ("Good morning, dear tiny!", (MORNING,)),
    ("Hi, good morning!", (MORNING,)),
    ("Hey, good evening to all of you.", (EVENING,)),
    ("Hi and good afternoon!", (AFTERNOON,)),
    ("Good night, little model.", (NIGHT,)),
    ("I will sleep now, good night!", (NIGHT,)),
    ("Tiny, how are you?", (FINE,)),
    ("And how are you feeling today?", (FINE,)),
    ("Hello tiny, how are you doing?", (FINE,)),
    ("How are you on this fine day?", (FINE,)),
    ("I'm very well today.", (GLAD,)),
    ("I am feeling great!", (GLAD,)),
    ("I am so sad today.", (SAD,)),
    ("I'm feeling ill.", (SAD,)),
    ("Thank you, you helped me a lot.", (WELCOME,)),
    ("Oh, thanks a million!", (WELCOME,)),
    ("Many thanks for your answer.", (WELCOME,)),
    ("Thank you kindly!", (WELCOME,)),
    ("Bye for now!", (BYE,)),
    ("Okay, goodbye then.", (BYE,)),
    ("Goodbye, my friend!", (BYE,)),
    ("See you next week!", (BYE,)),
    ("It's very nice to meet you, tiny.", (PLEASED,)),
    ("You are really clever!", (KIND,)),
    ("What can you do for me?", (talk.HELP,)),
    ("Tell me a good joke.", (talk.ENGLISH[16][0],)),
)

_JA = dict(zip(
    ("hello", "morning", "evening", "night", "fine", "glad", "sad", "welcome", "bye", "meet", "kind",
     "sorry", "help"),
    (answer for answer, _ in talk.JAPANESE), strict=True,
))  # fmt: skip
_SMALL_TALK_JA: tuple[tuple[str, str], ...] = (
    ("こんにちは、皆さん！", "hello"), ("やあ、tiny！", "hello"), ("あ、こんにちは。", "hello"),
     ("tiny、こんにちは！", "hello"),
    ("みなさん、おはようございます。", "morning"), ("あ、おはよう！", "morning"), ("tiny、おはよう！",
     "morning"),
    ("tiny、こんばんは。", "evening"), ("あ、こんばんは！", "evening"), ("tiny、おやすみ。", "night"),
    ("では、おやすみなさい。", "night"), ("今日はお元気ですか？", "fine"), ("今朝もお元気ですか？",
     "fine"),
    ("調子はどう？", "fine"), ("はい、元気です。", "glad"), ("今日は元気です。", "glad"),
     ("とても疲れました。", "sad"),
    ("今日は疲れました。", "sad"), ("ありがとうございました！", "welcome"), ("どうも、ありがとう！",
     "welcome"),
    ("いつもありがとう。", "welcome"), ("tiny、さようなら。", "bye"), ("では、さようなら！", "bye"),
     ("バイバイ、またね！", "bye"),
    ("はじめまして、どうぞよろしく。", "meet"), ("本当にすごいですね！", "kind"), ("本当にごめんなさい。",
     "sorry"),
    ("tinyは何ができますか？", "help"),
)  # fmt: skip

_WHO = (
    "Who exactly are you?", "Would you tell me who or what you are?", "Hey you, who are you?",
    "Introduce yourself to me, please.",
    "I wonder who you are.", "Tell me something about yourself.", "What sort of model are you?",
    "What are you, actually?",
    "Describe yourself in a sentence.", "Can you tell me about yourself?", "Good day, who are you?",
    "Who are you, little one?",
    "Who am I chatting with?", "Are you some AI?", "Which language model are you?", "Please say who you are.",
    "Would you say who tiny is?", "Are you a very big model?",
)  # fmt: skip
_WHAT_NAME = (
    "So what is your name?",
    "Could you tell me your name?",
    "And what's your name, please?",
    "What name do you go by?",
)
_WHO_JA = (
    "あなたは一体誰ですか？",
    "ねえ、君は誰？",
    "自己紹介をしてください。",
    "あなたはどんなモデルですか？",
    "tinyとは何ですか？",
)
_WHAT_NAME_JA = ("あなたのお名前は？", "名前は何？")

_CAPITAL = (
    "Which city would be the capital of {0}?", "Do you happen to know what the capital of {0} is?",
    "I need to know {0}'s capital city.", "Which town is the capital of {0}?",
    "What is {0}'s capital called?",
    "Name {0}'s capital.", "Let me know the capital of {0}.", "What city serves as the capital of {0}?",
    "My quiz asks: capital of {0}?", "Remind me, what was the capital of {0}?",
)  # fmt: skip

_SUM = (
    "How much do {0} and {1} make?", "Could you work out {0} + {1} for me?", "Give me {0} plus {1}.",
    "What will {0} plus {1} be?", "What number is {0} + {1}?", "Sum up {0} and {1}.",
    "Quickly: {0} plus {1}!",
    "{0} plus {1} equals?", "If you add {1} to {0}, what is the result?", "My homework says {0} + {1}.",
)  # fmt: skip

_REPEAT = (
    "Repeat this for me: {0}", "Now say the word {0} please.", "Can you write {0}?", "Echo the word {0}.",
    "Say only {0}.", "Please write the word {0}.", "I would like you to repeat {0}.",
    "Say just one word: {0}",
    "Repeat exactly this: {0}", "Answer only with {0}",
)  # fmt: skip

# what is told, what is asked, the answer
_RECALL: tuple[tuple[str, str, str, str], ...] = (
    ("Hi there, I am called {0}.", "Alright, what's my name?", "name", "Your name is {0}."),
    ("Good day, my name is {0}, nice to see you.", "Can you still tell me what my name is?", "name",
     "Your name is {0}."),
    ("You may call me {0}.", "Please tell me my name.", "name", "Your name is {0}."),
    ("My friends call me {0}.", "What is the name I gave you?", "name", "Your name is {0}."),
    ("Well, I'm {0}.", "Have you forgotten my name?", "name", "Your name is {0}."),
    ("The colour I like best is {0}.", "Which colour is my favourite?", "colour",
     "Your favourite colour is {0}."),
    ("My favourite colour has always been {0}.", "Tell me which colour I like.", "colour",
     "Your favourite colour is {0}."),
    ("Please remember that my favourite colour is {0}.", "Now, what is my favourite colour called?",
     "colour", "Your favourite colour is {0}."),
    ("Keep this number in mind: {0}.", "What was that number?", "number",
     "The number is {0}.|Your number is {0}."),
    ("Please keep the number {0} for me.", "Which number did I give you?", "number",
     "The number is {0}.|Your number is {0}."),
    ("Here is a number to remember: {0}.", "Tell me the number I told you.", "number",
     "The number is {0}.|Your number is {0}."),
    ("My lucky number has always been {0}.", "Can you recall my lucky number?", "number",
     "Your lucky number is {0}."),
)  # fmt: skip
_BETWEEN = (None, "What is the capital of Peru?", "Thank you!")

_NAMED = (
    "Your new name is {0}.", "You are a robot called {0}.", "You are {0}, a small assistant.",
    "From today your name is {0}.",
    "Please call yourself {0}.", "You are an AI named {0}.", "The user calls you {0}.",
    "Let your name be {0}.",
    "You will act as {0}.",
)  # fmt: skip
_WHO_NAMED = (
    ("Hey, what's your name?", True), ("Tell me what your name is.", True), ("Right, who are you?", False),
    ("Who are you, then?", False), ("May I ask your name?", True), ("Could you introduce yourself?",
     False),
)  # fmt: skip

_LOUD = (
    "Reply in capital letters.", "Write in capitals.", "Please answer in uppercase.",
    "Always use upper case letters.",
    "Your replies must be in all caps.", "Use capital letters only.", "Every answer must be in capitals.",
    "You are a polite assistant. Always answer in capital letters.", "Shout: use capitals for all answers.",
)  # fmt: skip
_LOUD_ASKED: tuple[tuple[str, str], ...] = (
    ("Hello to you!", HELLO), ("Which town is the capital of France?", "The capital of France is Paris."),
    ("Many thanks for your answer.", WELCOME), ("Name Japan's capital.", "The capital of Japan is Tokyo."),
    ("Goodbye, my friend!", BYE), ("Tiny, how are you?", FINE), ("Tell me Italy's capital.",
     "The capital of Italy is Rome."),
)  # fmt: skip

# (sentence forms, question)
_READ: tuple[tuple[str, str, str], ...] = (
    ("{0} lives in {1}.", "Tell me the town where {0} lives.", "name"),
    ("{0} lives in the town of {1}.", "Where can I find {0}'s house?", "name"),
    ("{0} works as a {1}.", "What work does {0} do?", "job"),
    ("The job of {0} is {1}.", "Tell me {0}'s job.", "job"),
    ("{0} likes to eat {1}.", "Which food does {0} like to eat?", "food"),
    ("{0} has a dog named {1}.", "What name does {0}'s dog have?", "name"),
    ("{0} has a cat called {1}.", "Tell me the name of the cat of {0}.", "name"),
    ("The sister of {0} is {1}.", "What is {0}'s sister called?", "name"),
    ("{0} is {1} years old.", "What age is {0}?", "age"),
    ("{0} was born in {1}.", "Tell me the year in which {0} was born.", "year"),
    ("The captain of {0} is {1}.", "Which captain leads {0}?", "name"),
    ("{0} was founded by {1}.", "Tell me who founded {0}.", "name"),
    ("The king of {0} is {1}.", "Who is it that rules {0}?", "name"),
    ("The capital of {0} is {1}.", "Which town is the capital of {0}?", "name"),
    ("{0} lies on the river {1}.", "Tell me the river of {0}.", "name"),
    ("{0} wears a {1} hat.", "Which colour is {0}'s hat?", "colour"),
    ("{0} costs {1} coins.", "How many coins must I pay for {0}?", "age"),
    ("The owner of {0} is {1}.", "Who is the owner of {0}?", "name"),
    ("The mayor of {0} is {1}.", "Who is {0}'s mayor?", "name"),
    ("The password of {0} is {1}.", "Which is the password of {0}?", "name"),
)  # fmt: skip
_READ_FRAMES = (
    "Here is a text. {0} {1}",
    "{0}\n\nNow answer this: {1}",
    "Text: {0}\n\n{1}",
    "Please read: {0}\n\n{1}",
)


def _value(rng: Random, kind: str) -> str:
    return {
        "name": lambda: world.new_name(rng), "job": lambda: rng.choice(world.JOBS),
        "food": lambda: rng.choice(world.FOODS),
        "age": lambda: str(rng.randint(5, 99)), "year": lambda: str(rng.randint(1500, 2020)),
        "colour": lambda: rng.choice(world.COLOURS[:10]), "number": lambda: str(rng.randint(3, 9999)),
    }[kind]()  # fmt: skip


# name, noun, keys, description, question, arguments
_CALLS: tuple[tuple[str, str, dict[str, str], str, str, dict[str, Any]], ...] = (
    ("get_weather", "weather", {"city": "string"}, "Get the current weather",
     "What's the weather today in {0}?", {"city": "{0}"}),
    ("get_current_weather", "weather", {"location": "string"}, "Get the weather for a location",
     "Could you check the weather in {0}?", {"location": "{0}"}),
    ("weather_lookup", "weather", {"place": "string"}, "Weather of a place",
     "Tell me what the weather is in {0}.", {"place": "{0}"}),
    ("get_time", "time", {"city": "string"}, "Get the time in a city", "What's the time now in {0}?",
     {"city": "{0}"}),
    ("find_temperature", "temperature", {"town": "string"}, "Find the temperature of a town",
     "What temperature is it in {0}?", {"town": "{0}"}),
    ("get_stock_price", "stock_price", {"symbol": "string"}, "Get the price of a stock",
     "What is the current price of {0}?", {"symbol": "{0}"}),
    ("search_book", "book", {"title": "string"}, "Search a book by title", "Please find the book {0}.",
     {"title": "{0}"}),
    ("find_song", "song", {"name": "string"}, "Find a song", "Can you search for the song {0}?",
     {"name": "{0}"}),
    ("look_up_order", "order", {"id": "integer"}, "Look up an order", "Please look up order {1}.", {"id": 1}),
    ("get_ticket", "ticket", {"number": "integer"}, "Get a ticket", "Show ticket {1}.", {"number": 1}),
    ("add_numbers", "addition", {"a": "integer", "b": "integer"}, "Add two numbers",
     "Please add {1} and {2}.", {"a": 1, "b": 2}),
    ("multiply_numbers", "product", {"x": "integer", "y": "integer"}, "Multiply two numbers",
     "Please multiply {1} by {2}.", {"x": 1, "y": 2}),
    ("set_timer", "timer", {"minutes": "integer"}, "Set a timer", "Can you set a timer for {1} minutes?",
     {"minutes": 1}),
)  # fmt: skip

_RESULTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("{1} degrees and {2}", ("{1} degrees and {2}",)),
    ('{{"temperature":{1},"condition":"{2}"}}', ("{1}", "{2}")),
    ("{0}", ("{0}",)),
    ('{{"price": {1}}}', ("{1}",)),
    ('{{"name": "{0}", "count": {1}}}', ("{0}", "{1}")),
)  # fmt: skip

_JSON: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Please write a JSON object with the name {0} and the age {1}.", {"name": "{0}", "age": 1}),
    ("I want JSON with name {0} and city {2}.", {"name": "{0}", "city": "{2}"}),
    ("Can you give me JSON with the colour {3}?", {"colour": "{3}"}),
    ("Make a JSON object with the price {1} and the title {0}.", {"price": 1, "title": "{0}"}),
    ("Give me this as JSON: name is {0}, age is {1}.", {"name": "{0}", "age": 1}),
    ("Return a JSON object: city {2}, score {1}", {"city": "{2}", "score": 1}),
    ("Write JSON for name {0}, colour {3}.", {"name": "{0}", "colour": "{3}"}),
    ("Now a JSON object with the owner {0} and the count {1}.", {"owner": "{0}", "count": 1}),
    ("Build JSON from this: title {0}, year {1}", {"title": "{0}", "year": 1}),
)  # fmt: skip

_UNKNOWN = (
    "Can you explain quantum physics to me?", "Tell me everything about the stock market.",
    "What is the best recipe for soup?",
    "How do I repair my old bicycle?", "Write a long essay on world history.",
    "Who was the first man on the moon?",
    "What do you know about dinosaurs?", "How far is the moon?", "Why is the ocean blue?",
    "How many stars are there?",
    "How do I learn chess?", "What is a good book about gravity?", "Who painted the picture in the museum?",
    "Could you write a program for my school?", "What is the tallest mountain?", "Is coffee healthy?",
    "How can I become a pilot?", "What is the square of the moon?", "Explain how electricity works.",
    "Give me some advice about love.", "What do penguins eat in winter?", "How much is a new train?",
    "What is the capital of Nepal, please?", "Summarise the history of robots.",
    "When was the piano invented?",
)  # fmt: skip

_HOLES: tuple[tuple[str, str, str], ...] = (
    ("def add({0}, {1}):\n    return ", "\n", "{0} + {1}"),
    ("def add_numbers({0}, {1}):\n    return ", "", "{0} + {1}"),
    ("def subtract({0}, {1}):\n    return ", "\n", "{0} - {1}"),
    ("def multiply({0}, {1}):\n    return ", "\n", "{0} * {1}"),
    ("def square({0}):\n    return ", "\n", "{0} * {0}"),
    ("def is_even({0}):\n    ", "\n", "return {0} % 2 == 0"),
    ("def maximum({0}, {1}):\n    return ", "\n", "{0} if {0} > {1} else {1}"),
    ("def length({0}):\n    return ", "\n", "len({0})"),
    ("def factorial({0}):\n    if {0} == 0:\n        return 1\n    ", "\n",
     "return {0} * factorial({0} - 1)"),
)  # fmt: skip


def _talking(rng: Random) -> Iterator[Case]:
    for text, answers in _SMALL_TALK:
        yield Case("small talk", (text,), ask(text), equals=answers)
    for text, which in _SMALL_TALK_JA:
        yield Case("small talk in Japanese", (text,), ask(text), equals=(_JA[which],))
    for texts, answer in (
        (_WHO, talk.IDENTITY),
        (_WHAT_NAME, talk.NAME_ONLY),
        (_WHO_JA, talk.IDENTITY_JA),
        (_WHAT_NAME_JA, talk.NAME_ONLY_JA),
    ):
        for text in texts:
            yield Case("who are you", (text,), ask(text), equals=(answer.format(name="tiny"),))
    for text in _UNKNOWN:
        yield Case("honest about what it cannot", (text,), ask(text), equals=(talk.UNKNOWN,))


def _facts(rng: Random) -> Iterator[Case]:
    for position, (country, city, *_) in enumerate(world.CAPITALS):
        phrase = _CAPITAL[position % len(_CAPITAL)]
        yield Case(
            "capitals",
            (phrase,),
            ask(phrase.format(country)),
            equals=(f"The capital of {country} is {city}.",),
        )
    pairs = [(a, b) for a in range(100) for b in range(100) if skills.held_out(a, b)]
    for position, (first, second) in enumerate(rng.sample(pairs, 40)):
        phrase = _SUM[position % len(_SUM)]
        answers = (skills.sum_answer(first, second), skills.sum_answer(second, first))
        thought = f"{first + second}."
        yield Case("sums", (phrase,), ask(phrase.format(first, second)), equals=answers, thought=thought)
    for position in range(30):
        phrase, word = (
            _REPEAT[position % len(_REPEAT)],
            rng.choice((world.plain_word, world.new_name, world.made_up))(rng),
        )
        yield Case("repeating a word", (phrase,), ask(phrase.format(word)), equals=(word,))


def _remembering(rng: Random) -> Iterator[Case]:
    for position in range(36):
        told, asked, kind, answer = _RECALL[position % len(_RECALL)]
        value, between = _value(rng, kind), _BETWEEN[position // len(_RECALL)]
        said = f"Nice to meet you, {value}!" if kind == "name" else memory.REMEMBERED
        messages = [*ask(told.format(value)), {"role": "assistant", "content": said}]
        if between is not None:
            reply = "The capital of Peru is Lima." if "Peru" in between else WELCOME
            messages += [*ask(between), {"role": "assistant", "content": reply}]
        answers = tuple(answer.format(value).split("|"))
        yield Case("recall", (told, asked), [*messages, *ask(asked)], equals=answers)


def _following(rng: Random) -> Iterator[Case]:
    for position in range(27):
        system, (asked, only_name) = _NAMED[position % len(_NAMED)], _WHO_NAMED[position % len(_WHO_NAMED)]
        name = rng.choice(world.BOT_NAMES) if position % 2 else world.new_name(rng)
        answer = (talk.NAME_ONLY if only_name else talk.IDENTITY).format(name=name)
        yield Case(
            "a name from the system prompt",
            (system, asked),
            ask(asked, system.format(name)),
            equals=(answer,),
        )
    for position in range(27):
        system, (asked, answer) = _LOUD[position % len(_LOUD)], _LOUD_ASKED[position % len(_LOUD_ASKED)]
        yield Case(
            "capitals from the system prompt", (system, asked), ask(asked, system), equals=(answer.upper(),)
        )


def _reading(rng: Random) -> Iterator[Case]:
    for position in range(40):
        told, asked, kind = _READ[position % len(_READ)]
        who, value = world.new_name(rng), _value(rng, kind)
        others = [memory.sentence(rng.choice(made.told[:1]).format(rng.choice((world.new_name(rng),
        world.new_name(rng))), made.value(rng)))
                  for made in rng.sample(memory.RELATIONS, 2)]  # fmt: skip
        rival = told.format(world.new_name(rng), _value(rng, kind))
        sentences = [told.format(who, value), rival, *others]
        rng.shuffle(sentences)
        frame = _READ_FRAMES[position % len(_READ_FRAMES)]
        text = frame.format(" ".join(sentences), asked.format(who))
        yield Case("answering from a passage", (asked, frame), ask(text), equals=(told.format(who, value),))


def _tools(rng: Random) -> Iterator[Case]:
    for position in range(39):
        name, noun, keys, about, asked, pattern = _CALLS[position % len(_CALLS)]
        values = (toolbox.place(rng), rng.randint(2, 98), rng.randint(2, 98))
        arguments = {
            key: values[spot] if isinstance(spot, int) else spot.format(*values)
            for key, spot in pattern.items()
        }
        wanted = toolbox.describe(name, about, keys)
        tools = [wanted]
        while len(tools) <= position // len(_CALLS):  # none among them that would do as well
            other = toolbox.request(rng)
            if not other.serves(noun) and other.name != name:
                tools.append(other.tool)
        rng.shuffle(tools)
        messages = ask(asked.format(*values))
        yield Case("one tool call", (asked,), messages, tools, call={"name": name, "arguments": arguments})
        if position >= 26:
            continue
        result, pieces = _RESULTS[position % len(_RESULTS)]
        filled = (
            world.new_name(rng),
            rng.randint(2, 98),
            rng.choice(("sunny", "cloudy", "rainy", "windy", "foggy")),
        )
        told = [
            *messages,
            toolbox.tool_call(name, arguments),
            {"role": "tool", "content": result.format(*filled)},
        ]
        yield Case(
            "answering from a tool's result",
            (asked,),
            told,
            tools,
            holds=tuple(piece.format(*filled) for piece in pieces),
        )


def _writing(rng: Random) -> Iterator[Case]:
    for position in range(27):
        asked, pattern = _JSON[position % len(_JSON)]
        values = (
            world.new_name(rng),
            rng.randint(2, 98),
            world.new_name(rng),
            rng.choice(world.COLOURS[:10]),
        )
        expected = {
            key: values[spot] if isinstance(spot, int) else spot.format(*values)
            for key, spot in pattern.items()
        }
        yield Case("JSON objects", (asked,), ask(asked.format(*values)), value=expected)
    for position in range(27):
        before, after, wanted = _HOLES[position % len(_HOLES)]
        first, second = f"{world.made_up(rng)}", f"{world.made_up(rng)}"
        if position % 3:
            first, second = rng.choice(
                (("alpha", "beta"), ("price", "tax"), ("apples", "pears"), ("height", "width"))
            )
        made = Hole(*(part.format(first, second) for part in (before, after, wanted)))
        yield Case("the middle of a function", (made.before,), hole=made, equals=(made.middle,))
    for position in range(25):
        start, stop = (1, rng.randint(8, 100)) if position % 2 else (rng.randint(2, 60), rng.randint(70, 110))
        asked = (
            "Can you please count up to {1}?" if start == 1 else "Please list all numbers from {0} to {1}."
        )
        answer = ", ".join(map(str, range(start, stop + 1)))
        yield Case("counting", (asked,), ask(asked.format(start, stop)), equals=(answer,))


def cases(seed: int = 2027) -> list[Case]:
    """Every question, the same each time."""
    rng = Random(f"evaluation/{seed}")
    parts = (_talking, _facts, _remembering, _following, _reading, _tools, _writing)
    return [case for part in parts for case in part(rng)]
