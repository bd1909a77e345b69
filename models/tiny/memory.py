"""What has to be found in the text above: things said earlier, facts of a passage, repeated tokens.

All names are made up on the spot, so nothing but copying can answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from models.tiny import conversation, world
from models.tiny.skills import Exchange, as_typed

Value = Callable[[Random], str]


def _from(words: tuple[str, ...]) -> Value:
    return lambda rng: rng.choice(words) if rng.random() < 0.6 else world.made_up(rng)


@dataclass(frozen=True)
class Kept:
    """Something people tell about themselves."""

    value: Value
    told: tuple[str, ...]
    asked: tuple[str, ...]
    answer: str


REMEMBERED = "Okay, I will remember that."
NOT_TOLD = "You have not told me that yet."


def _kept(noun: str, value: Value, *told: str, also: tuple[str, ...] = ()) -> Kept:
    """The wordings all nouns share, and a few of their own."""
    return Kept(
        value,
        (f"my {noun} is {{0}}", f"{{0}} is my {noun}", f"remember that my {noun} is {{0}}",
        f"my {noun}: {{0}}",
         f"you should know that my {noun} is {{0}}", f"by the way, my {noun} is {{0}}",
         f"please remember my {noun}: {{0}}", f"my {noun} is and always was {{0}}",
         f"please note that my {noun} is {{0}}",
         f"I want you to remember that my {noun} is {{0}}", f"my {noun} was always {{0}}",
         f"for many years my {noun} has been {{0}}", f"my {noun} has been {{0}} since last year", *told),
        (f"what is my {noun}", f"what's my {noun}", f"do you remember my {noun}",
        f"can you tell me my {noun}",
         f"tell me my {noun}", f"which {noun} do I have", f"do you know what my {noun} is", f"say my {noun}",
         f"I forgot my {noun}, what is it", f"what did I say my {noun} is", f"what {noun} did I tell you",
         f"do you still know my {noun}", f"remind me of my {noun}", f"what was my {noun} again",
         f"please say what my {noun} is", f"did you forget my {noun}", f"can you remember my {noun}",
         f"so what is my {noun}",
         f"can you say what my {noun} is", f"now tell me my {noun}", f"what is my {noun} called",
         f"give me my {noun}", f"have you kept my {noun}", f"have you still got my {noun}",
         f"you have not forgotten my {noun}, have you", f"I hope you have not forgotten my {noun}", *also),
        f"Your {noun} is {{0}}.",
    )  # fmt: skip


NAME = _kept(
    "name", world.person, "hello, I am called {0}", "I am called {0}", "good morning, my name is {0}",
    "I'm named {0}",
    "my friends know me as {0}", "well, I am {0}", "please call me {0}", "good evening, I am {0}",
    "I am known as {0}",
    "my parents call me {0}", "I am {0}", "I'm {0}", "call me {0}", "they call me {0}", "hello, I am {0}",
    "hi, my name is {0}", "hello, my name is {0}", "people call me {0}", "this is {0} speaking",
    "hi, I'm {0}",
    "you can call me {0}", "hello there, my name is {0}", "the name is {0}", "hey, it's {0}",
    also=("what is the name I told you", "what name did I say", "tell me who I am",
    "which name did I give you", "who am I", "what am I called", "do you know who I am", "how am I called",
    "what name did I give you",
          "do you remember who I am", "and what was my name"),
)  # fmt: skip
KEPT: tuple[Kept, ...] = (
    _kept("favourite colour", _from(world.COLOURS), "I like the colour {0} best", "I love the colour {0}",
          also=("which colour is the one I like", "tell me the colour I like",
          "which one is my favourite colour",
                "which colour did I say I like", "which colour do I like best", "what colour do I like",
                "which colour do I love")),
    _kept("favorite color", _from(world.COLOURS), "I like the color {0} most", "the color I like is {0}",
          also=("which color do I like", "what color did I mention", "which color do I prefer")),
    _kept("lucky number", world.number, "the number that brings me luck is {0}",
    also=("which number is my lucky one", "which number brings me luck")),
    _kept("number", world.number, "here is a number: {0}", "keep this number: {0}",
    "please keep in mind the number {0}",
          "a number for you to remember: {0}", "I give you the number {0}", "remember this: {0}",
          "remember the number {0}", "the number is {0}",
    "keep the number {0} in mind",
          "please remember this number: {0}", "I am thinking of the number {0}",
          also=("tell me the number", "what is that number", "which number was it",
          "the number I told you, what was it",
                "tell me the number I said", "which number did I tell you", "which number have I given you",
                "what number did I tell you", "which number did I say", "what was the number",
          "what is the number",
                "which number should you remember", "what number did I mention",
                "repeat the number I gave you")),
    _kept("age", lambda rng: str(rng.randint(5, 99)), "I am {0} years old", "I'm {0} years old",
          also=("how old am I", "do you know how old I am")),
    _kept("favourite food", _from(world.FOODS), "I like to eat {0}", "the food I like best is {0}",
          also=("what do I like to eat", "which food do I like best")),
    _kept("favourite animal", _from(world.ANIMALS), "the animal I like best is the {0}",
          also=("which animal do I like best",)),
    _kept("city", world.new_name, "I live in {0}", "I live in the city of {0}",
          also=("where do I live", "in which city do I live", "which city do I live in")),
    _kept("job", _from(world.JOBS), "I work as a {0}", "I am a {0}", also=("what do I do for a living",
    "what is my work")),
    _kept("password", world.code, "the password is {0}", "remember the password {0}",
    also=("what is the password",)),
    _kept("code", world.code, "the code is {0}", "remember the code {0}", "remember this code: {0}",
          also=("what is the code", "which code did I give you", "what was the code")),
    _kept("word", lambda rng: rng.choice((world.made_up, world.plain_word))(rng), "remember the word {0}",
          "the secret word is {0}", "keep this word in mind: {0}",
          also=("which word did I tell you", "what was the word", "what is the secret word")),
    *(_kept(f"{animal}'s name", world.new_name, f"my {animal} is called {{0}}",
    f"I have a {animal} named {{0}}",
            f"I have a {animal} called {{0}}", also=(f"how is my {animal} called",
            f"what is my {animal} called",
            f"what did I name my {animal}")) for animal in ("cat", "dog", "horse", "parrot")),
    *(_kept(f"{kin}'s name", world.person, f"my {kin} is called {{0}}", f"I have a {kin} named {{0}}",
            also=(f"how is my {kin} called", f"what is my {kin} called", f"who is my {kin}"))
      for kin in ("sister", "brother", "mother", "friend", "teacher", "wife", "husband", "boss")),
)  # fmt: skip


def telling(rng: Random, kept: Kept, value: str) -> Exchange:
    answer = f"Nice to meet you, {value}!" if kept is NAME else REMEMBERED
    return Exchange(as_typed(rng, rng.choice(kept.told).format(value), "."), answer)


def asking(rng: Random, kept: Kept, value: str | None) -> Exchange:
    answer = NOT_TOLD if value is None else kept.answer.format(value)
    return Exchange(as_typed(rng, rng.choice(kept.asked), plain=True), answer)


def recall(rng: Random, between: Callable[[Random], Exchange]) -> list[Exchange]:
    """Things are told, other things are talked about, then what was told is asked for."""
    things = rng.sample(KEPT, rng.randint(0, 2))
    if rng.random() < 0.5 or not things:
        things.append(NAME)
    rng.shuffle(things)
    told = [(kept, kept.value(rng)) for kept in things]
    turns = [telling(rng, kept, value) for kept, value in told]
    if len(told) == 2 and rng.random() < 0.4:  # both in one breath
        (one, first), (two, second) = told
        text = f"{rng.choice(one.told[:3]).format(first)} and {rng.choice(two.told[:2]).format(second)}"
        answer = (
            f"Nice to meet you, {first if one is NAME else second}!" if NAME in (one, two) else REMEMBERED
        )
        turns = [Exchange(as_typed(rng, text, "."), answer)]
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        turns.insert(rng.randint(1, len(turns)), between(rng))
    for kept, value in rng.sample(told, rng.randint(1, len(told))):
        turns.append(asking(rng, kept, value))
    return turns


def not_told(rng: Random) -> Exchange:
    return asking(rng, rng.choice((NAME, *KEPT)), None)


@dataclass(frozen=True)
class Relation:
    """A kind of fact: {0} is who or what it is about, {1} the value."""

    value: Value
    told: tuple[str, ...]
    asked: tuple[str, ...]


_any_name: Value = world.new_name

RELATIONS: tuple[Relation, ...] = (
    Relation(_any_name,
             ("{0} lives in {1}", "{0} lives in the town of {1}", "the home of {0} is in {1}",
             "{0} has a house in {1}"),
             ("where does {0} live", "in which town does {0} live", "which town does {0} live in",
             "where is {0}'s home",
              "what town is home to {0}", "tell me where {0} lives", "in what town is the house of {0}",
              "where is the house of {0}",
              "name the town where {0} has a home", "{0} lives where")),
    Relation(_from(world.JOBS),
             ("{0} works as a {1}", "{0} is a {1}", "the job of {0} is {1}", "{0} earns a living as a {1}"),
             ("what is {0}'s job", "tell me what {0} does for work", "which job does {0} have",
             "what does {0} work as", "what is the job of {0}",
             "what does {0} do for a living",
              "what kind of work does {0} do")),
    Relation(_from(world.FOODS),
             ("{0} likes {1}", "{0} likes to eat {1}", "{0} loves {1}", "the favourite food of {0} is {1}"),
             ("what does {0} like to eat", "tell me what {0} likes to eat", "which food is liked by {0}",
             "what food does {0} like", "what is {0}'s favourite food",
             "what does {0} like",
              "which food does {0} love")),
    Relation(_any_name,
             ("{0} has a dog named {1}", "{0} has a dog called {1}", "the dog of {0} is called {1}",
             "{0} owns the dog {1}"),
             ("what is {0}'s dog called", "tell me the name of {0}'s dog", "{0}'s dog has what name",
             "what is the name of {0}'s dog", "how is the dog of {0} called",
              "which dog does {0} own", "what did {0} call the dog")),
    Relation(_any_name,
             ("{0} has a cat named {1}", "{0} has a cat called {1}", "the cat of {0} is called {1}",
             "{0} owns the cat {1}"),
             ("what is {0}'s cat called", "tell me the name of {0}'s cat", "{0}'s cat has what name",
             "what is the name of {0}'s cat", "how is the cat of {0} called",
              "which cat does {0} own")),
    Relation(world.person,
             ("the sister of {0} is {1}", "{0} has a sister named {1}", "{0}'s sister is called {1}"),
             ("who is {0}'s sister", "tell me the name of the sister of {0}",
             "what name does {0}'s sister have", "what is the name of {0}'s sister",
             "how is {0}'s sister called",
              "who is the sister of {0}")),
    Relation(world.person,
             ("the brother of {0} is {1}", "{0} has a brother named {1}", "{0}'s brother is called {1}"),
             ("who is {0}'s brother", "what is the name of {0}'s brother", "who is the brother of {0}")),
    Relation(lambda rng: str(rng.randint(2, 99)),
             ("{0} is {1} years old", "the age of {0} is {1}", "{0} has lived for {1} years"),
             ("how old is {0}", "tell me how old {0} is", "tell me the age of {0}", "what is {0}'s age",
             "what is the age of {0}", "how many years old is {0}")),
    Relation(lambda rng: str(rng.randint(1000, 2099)),
             ("{0} was born in {1}", "{0} came into the world in {1}", "the birth year of {0} is {1}"),
             ("when was {0} born", "tell me when {0} was born", "tell me {0}'s birth year",
             "in which year was {0} born", "what year was {0} born",
             "what is {0}'s birth year")),
    Relation(world.person,
             ("the captain of {0} is {1}", "{1} is the captain of {0}", "{0} is led by Captain {1}"),
             ("who is the captain of {0}", "which captain does {0} have", "tell me who leads {0}",
             "who leads {0}", "what is the name of the captain of {0}")),
    Relation(world.person,
             ("{0} was founded by {1}", "the founder of {0} is {1}", "{1} founded {0}",
             "{1} is the founder of {0}"),
             ("who founded {0}", "tell me the founder of {0}", "{0} was founded by whom",
             "who is the founder of {0}", "by whom was {0} founded",
             "who was it that founded {0}")),
    Relation(world.person,
             ("the king of {0} is {1}", "{1} is the king of {0}", "{0} is ruled by King {1}"),
             ("who is the king of {0}", "tell me who rules {0}", "who is it that is king of {0}",
             "who rules {0}", "what is the name of the king of {0}",
             "which king rules {0}")),
    Relation(_any_name,
             ("the capital of {0} is {1}", "{1} is the capital of {0}", "{0} has the capital {1}"),
             ("what is the capital of {0}", "which city is the capital of {0}", "name the capital of {0}",
              "tell me the capital of {0}", "which place is the capital of {0}",
              "what is {0}'s capital")),
    Relation(_any_name,
             ("the river that runs through {0} is the {1}", "{0} lies on the river {1}",
             "the river of {0} is the {1}"),
             ("which river runs through {0}", "tell me which river runs through {0}",
             "what river lies {0} on", "what is the river of {0}", "on which river does {0} lie")),
    Relation(_from(world.COLOURS),
             ("the house of {0} is {1}", "{0} has a {1} house", "{0} painted the house {1}"),
             ("what colour is the house of {0}", "what colour is {0}'s house",
             "which colour does {0}'s house have")),
    Relation(_from(world.COLOURS),
             ("{0} wears a {1} hat", "the hat of {0} is {1}", "{0} has a {1} hat"),
             ("what colour is {0}'s hat", "tell me the colour of {0}'s hat", "which colour has {0}'s hat",
             "what colour is the hat of {0}",
             "which colour is the hat that {0} wears")),
    Relation(world.code,
             ("the code of {0} is {1}", "{0} has the code {1}", "to open {0}, use the code {1}"),
             ("what is the code of {0}", "which code does {0} have", "what is the code for {0}",
             "which code opens {0}")),
    Relation(world.number,
             ("{0} costs {1} coins", "the price of {0} is {1} coins", "you can buy {0} for {1} coins"),
             ("how much does {0} cost", "how many coins do I need for {0}",
             "how many coins must be paid for {0}", "tell me what {0} costs", "what is the price of {0}",
             "how many coins does {0} cost",
             "what does {0} cost")),
    Relation(_from(world.THINGS),
             ("{0} is made of {1}", "people make {0} out of {1}", "the material of {0} is {1}"),
             ("what is {0} made of", "what is the material of {0}", "out of what is {0} made")),
    Relation(_from(world.THINGS),
             ("{0} keeps the key under the {1}", "{0} hid the key behind the {1}",
             "the key of {0} is in the {1}"),
             ("where is the key of {0}", "where does {0} keep the key", "where did {0} hide the key")),
    Relation(_from(("guitar", "violin", "piano", "flute", "drum", "harp", "trumpet", "cello")),
             ("{0} plays the {1}", "{0} is learning the {1}", "the instrument of {0} is the {1}"),
             ("what instrument does {0} play", "what does {0} play", "which instrument does {0} play",
              "what is {0}'s instrument")),
    Relation(_any_name,
             ("{0} speaks {1}", "the language of {0} is {1}", "{0} grew up speaking {1}"),
             ("what language does {0} speak", "which language does {0} speak",
             "what is the language of {0}")),
)  # fmt: skip

ATTRIBUTES = (
    "owner", "mayor", "leader", "teacher", "queen", "password", "motto", "symbol", "nickname", "secret",
    "neighbour",
    "flag", "song", "flower", "product", "size", "weight", "length", "height", "speed", "title", "author",
    "director",
    "winner", "colour", "shape", "number", "address", "doctor", "cook", "pilot", "horse", "ship",
    "mountain", "island",
    "moon", "planet", "dish", "drink", "festival", "hobby", "best friend", "favourite word",
    "favourite book", "goal",
)  # fmt: skip


def attribute(rng: Random) -> Relation:
    """The X of Y is Z, for any X: with these the model learns the form and not a list of relations."""
    noun = rng.choice(ATTRIBUTES) if rng.random() < 0.85 else world.made_up(rng)
    value = rng.choice(
        (world.new_name, world.new_name, world.number, world.made_up, world.plain_word, world.code)
    )
    return Relation(
        value,
        (f"the {noun} of {{0}} is {{1}}", f"{{0}}'s {noun} is {{1}}", f"{{1}} is the {noun} of {{0}}",
         f"{{0}} has the {noun} {{1}}"),
        (f"what is the {noun} of {{0}}", f"what is {{0}}'s {noun}", f"tell me the {noun} of {{0}}",
         f"which {noun} does {{0}} have", f"name the {noun} of {{0}}", f"{{0}} has which {noun}",
         f"who or what is the {noun} of {{0}}", f"which is the {noun} of {{0}}",
         f"who is the {noun} of {{0}}",
         f"who is {{0}}'s {noun}"),
    )  # fmt: skip


FRAMES = (
    "Here is a story. {0} {1}", "Please read this: {0}\n{1}", "{0}\n\nNow tell me: {1}",
    "{0}\n\nAnswer this question: {1}",
    "Read: {0}\n\n{1}", "Here is some text: {0} {1}",
    "{0}\n\n{1}", "{0} {1}", "Passage: {0}\nQuestion: {1}", "Read this text: {0}\n{1}",
    "Text:\n{0}\n\nQuestion: {1}",
    "Context: {0}\n\nQuestion: {1}\nAnswer:", "Here is a note: {0}\n{1}",
    "Answer from the passage.\n{0}\n{1}",
    "{1}\n\n{0}", "Based on the following text, {1}\n{0}", "I read this: {0} {1}",
    "Use the text to answer.\n\n{0}\n\n{1}",
    "{0}\n{1}", "Consider these facts. {0} Now, {1}", "Story: {0}\n\n{1}", "This is what I know. {0} So {1}",
    'The letter says: "{0}" {1}', "Question: {1}\nText: {0}", "From my notes: {0}\n\n{1}", "Given: {0} {1}",
)  # fmt: skip
SYSTEM_FRAMES = (
    "{0}", "Use this text to answer: {0}", "Context:\n{0}", "You know these facts. {0}",
    "You are a helpful assistant. Answer from this text.\n\n{0}", "Here is some background. {0}",
)  # fmt: skip
_FILLERS = (
    "It was a quiet year.", "Nobody knows why.", "The summer was long.", "Many people came to the market.",
    "That is what they say.", "The rest is well known.", "It rained for three days.", "Everybody was happy.",
    "The old bridge is still there.", "There is little else to tell.", "This was written down long ago.",
)  # fmt: skip


_POLITELY = (
    "please tell me, ", "can you tell me, ", "tell me, ", "do you know, ", "now, ", "and ",
    "I want to know, ", "so, ",
    "according to the text, ", "from the text, ", "answer this: ", "next, ",
)  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """A text and the questions it answers, with the answers."""

    text: str
    pairs: list[tuple[str, str]]


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def passage(rng: Random, facts: int, owned: bool = False) -> Passage:
    """`facts` sentences about a few people and places; no two answer the same question.

    The answer is the sentence itself. Found that way, the value only has to be copied after the words that
    stand before it in the passage as well; to name the value alone, the model would have to join question and
    passage in one step. Measured over the same 240 steps: 57 % right against 33 %.
    """
    # Few kinds of fact about several people: nearly every fact has a rival that differs in the name alone.
    names = [world.person(rng) for _ in range(rng.randint(min(2, facts), max(1, min(5, facts))))]
    shared = [
        attribute(rng) if rng.random() < 0.35 else rng.choice(RELATIONS)
        for _ in range(rng.randint(1, facts // 2 + 1))
    ]
    told: list[str] = []
    pairs: list[tuple[str, str]] = []
    seen: set[tuple[str, int]] = set()
    for _ in range(facts):
        name, which = rng.choice(names), rng.randrange(len(shared))
        if (name, which) in seen:
            continue
        seen.add((name, which))
        value = shared[which].value(rng)
        way = rng.choice(shared[which].told)
        if way.startswith("{1}") and rng.random() < 0.7:  # hard to find from behind, and seldom asked for
            way = shared[which].told[0]
        marked = conversation.owned(name, value) if owned and not way.startswith("{1}") else value
        fact = sentence(way.format(name, marked))
        told.append(fact)
        pairs.append((rng.choice(shared[which].asked).format(name), fact))
        if rng.random() < 0.06:
            told.append(rng.choice(_FILLERS))
    return Passage((" " if rng.random() < 0.8 else "\n").join(told), pairs)


def question(rng: Random, text: str, inside: bool = False) -> str:
    """The question with its mark; inside another sentence it keeps its small first letter."""
    if not inside and rng.random() < 0.12:
        text = rng.choice(_POLITELY) + text
    return (text if inside else text[:1].upper() + text[1:]) + ("?" if rng.random() < 0.85 else "")


def read(rng: Random, facts: int, owned: bool = False) -> tuple[str | None, list[Exchange]]:
    """A passage in the question or in the system prompt, and one to three questions about it."""
    made = passage(rng, facts, owned)
    chosen = rng.sample(made.pairs, min(len(made.pairs), rng.choice((1, 1, 1, 2, 3))))
    turns = [Exchange(question(rng, asked), answer) for asked, answer in chosen]
    if rng.random() < 0.15:
        return rng.choice(SYSTEM_FRAMES).format(made.text), turns
    frame = rng.choice(FRAMES)
    asked = question(rng, chosen[0][0], inside=", {1}" in frame or "So {1}" in frame)
    return None, [Exchange(frame.format(made.text, asked), chosen[0][1]), *turns[1:]]
