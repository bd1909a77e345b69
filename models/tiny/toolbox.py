"""Tools: their descriptions, questions they fit, the call, and the answer from what they return.

Names are mostly put together on the spot from verbs and nouns, and sometimes made up outright, so that
the model has to copy the name and the keys from the list it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from models.tiny import world
from models.tiny.conversation import Message
from models.tiny.skills import as_typed

Value = Callable[[Random], Any]


def place(rng: Random) -> str:
    """A town: one of the forty, or one nobody has heard of."""
    return rng.choice(world.CAPITALS)[1] if rng.random() < 0.4 else world.new_name(rng)


def some_words(rng: Random) -> str:
    return " ".join(rng.choice((world.plain_word, world.made_up))(rng) for _ in range(rng.randint(1, 3)))


def small(rng: Random) -> int:
    return rng.randint(1, 99)


@dataclass(frozen=True)
class Subject:
    """Something tools are about: nouns for names, keys with what fills them, questions that need it."""

    nouns: tuple[str, ...]
    keys: tuple[tuple[tuple[str, ...], str, Value], ...]
    asked: tuple[str, ...]
    verbs: tuple[str, ...] = (
        "get",
        "get",
        "find",
        "look_up",
        "fetch",
        "check",
        "read",
        "show",
        "query",
        "search",
    )
    said: tuple[str, ...] = (
        "Get the {0}",
        "Find the {0}",
        "Look up the {0}",
        "Tells the {0}",
        "Returns the {0}",
    )


NOUN = "{noun}"
#: How often a subject gets a noun that no list holds: the tool is then found by the word alone.
STRANGE = 0.3

_CITY = ("city", "location", "place", "town")
_WHAT = ("query", "text", "q", "term", "name")

SUBJECTS: tuple[Subject, ...] = (
    Subject(("weather", "weather", "current_weather", "forecast", "weather_report"), ((_CITY, "string",
    place),),
            ("what is the weather in {0}", "could you tell me the weather in {0}",
            "what's the weather in {0} now", "please check the weather in {0}",
             "tell me how the weather is in {0}", "how is the weather in {0}",
             "what's the weather like in {0}",
            "is it raining in {0}",
             "weather in {0}", "tell me the weather in {0}", "what is the weather in {0} today",
             "will it rain in {0}",
             "is it sunny in {0}", "what is the weather like in {0} right now",
             "do I need an umbrella in {0}",
             "give me the forecast for {0}", "check the weather in {0}")),
    Subject(("temperature", "current_temperature"), ((_CITY, "string", place),),
            ("what is the temperature in {0}", "what temperature does {0} have",
            "which temperature is it in {0}", "how hot is it in {0}", "how many degrees is it in {0}",
            "temperature in {0}",
             "tell me the temperature in {0}", "how cold is it in {0}", "how warm is it in {0}")),
    Subject(("time", "current_time", "local_time", "clock"), ((("city", "location", "timezone", "zone"),
    "string", place),),
            ("what time is it in {0}", "what's the time in {0}", "what time is it now in {0}",
            "what is the time in {0}", "tell me the time in {0}",
            "current time in {0}",
             "what's the local time in {0}", "how late is it in {0}")),
    Subject(("price", "stock_price", "quote", "share_price"), ((("symbol", "ticker", "item", "product"),
    "string", world.new_name),),
            ("what is the price of {0}", "what is the price of {0} now", "tell me the current price of {0}",
            "how much is {0}", "what does {0} cost", "price of {0}",
            "tell me the price of {0}",
             "what is the stock price of {0}", "how much does {0} cost today")),
    Subject(("population", "inhabitants"), ((_CITY, "string", place),),
            ("how many people live in {0}", "what is the population of {0}", "population of {0}",
             "tell me how many people live in {0}")),
    Subject(("contact", "phone_number", "address", "email"), ((("name", "person", "who"), "string",
    world.person),),
            ("what is the {noun} of {0}", "find the {noun} of {0}", "I need the {noun} of {0}",
            "give me the {noun} for {0}",
             "do you have the {noun} of {0}")),
    Subject(("recipe", "meal", "dish"), ((("dish", "food", "name", "ingredient"), "string",
    lambda rng: rng.choice(world.FOODS)),),
            ("find a recipe for {0}", "how do I cook {0}", "I want a recipe with {0}",
            "give me a recipe for {0}",
             "show me how to cook {0}", "what can I cook with {0}")),
    Subject(("web", "internet", "pages", "google"), ((_WHAT, "string", some_words),),
            ("search the web for {0}", "look up {0} on the internet", "search for {0}",
            "find pages about {0}",
             "google {0}", "look for {0} online"), ("search", "search", "query", "browse"),
             ("Search the {0}", "Search on the {0}")),
    Subject(("book", "song", "movie", "film", "article", "game", "photo", "product", "document", "file",
    "note", "picture"),
            ((("title", *_WHAT), "string", world.new_name),),
            ("find the {noun} {0}", "can you search the {noun} {0}", "please search for the {noun} {0}",
            "can you find the {noun} {0}",
             "search for the {noun} {0}", "look up the {noun} {0}",
            "show me the {noun} {0}",
             "can you find the {noun} called {0}", "where is the {noun} {0}",
             "I am looking for the {noun} {0}",
             "get me the {noun} {0}", "open the {noun} {0}")),
    Subject(("user", "order", "ticket", "invoice", "customer", "account", "parcel", "flight", "booking"),
            ((("id", "number", "code"), "integer", lambda rng: rng.randint(1, 9999)),),
            ("look up {noun} {0}", "show {noun} number {0}", "please find {noun} {0}",
            "please show me {noun} {0}", "show me {noun} {0}", "what is the status of {noun} {0}",
            "find {noun} number {0}",
             "where is {noun} {0}", "get {noun} {0}", "tell me about {noun} {0}", "check {noun} {0}")),
    Subject(("numbers", "sum", "two_numbers", "addition"), ((("a", "x", "first"), "integer", small), (("b",
    "y", "second"), "integer", small)),
            ("what is {0} plus {1}", "add {0} and {1}", "what is {0} + {1}", "{0} + {1}",
            "calculate {0} + {1}",
             "what is the sum of {0} and {1}", "how much is {0} plus {1}"),
            ("add", "add", "sum", "calculate", "compute"), ("Add two {0}", "Adds two numbers",
            "Calculates a sum")),
    Subject(("numbers", "product", "two_numbers"), ((("a", "x", "first"), "integer", small), (("b", "y",
    "second"), "integer", small)),
            ("what is {0} times {1}", "multiply {0} by {1}", "what is {0} * {1}", "multiply {0} and {1}",
             "calculate {0} times {1}", "how much is {0} times {1}"),
            ("multiply", "times", "mul"), ("Multiply two numbers", "Multiplies two numbers")),
    Subject(("timer", "alarm", "countdown"), ((("minutes", "duration", "length"), "integer", small),),
            ("set a {noun} for {0} minutes", "could you set a {noun} for {0} minutes",
            "can you start a {noun} for {0} minutes", "start a {noun} of {0} minutes",
            "{noun} for {0} minutes",
             "wake me in {0} minutes", "please set a {0} minute {noun}"),
            ("set", "start", "create", "begin"), ("Set a {0}", "Start a {0}")),
    Subject(("reminder", "task", "todo", "event"), ((("text", "title", "what"), "string", some_words),),
            ("remind me of {0}", "add a {noun}: {0}", "create a {noun} for {0}", "new {noun}: {0}",
            "add {0} to my list"),
            ("create", "add", "make", "new"), ("Create a {0}", "Add a {0}")),
    Subject(("email", "message", "letter", "mail"), ((("to", "recipient", "receiver"), "string",
    world.person),
            (("body", "text", "content"), "string", some_words)),
            ("send {0} the {noun} {1}", "send an {noun} to {0} that says {1}", "write to {0}: {1}",
            "tell {0}: {1}",
             "send a {noun} to {0}: {1}"), ("send", "write", "deliver"), ("Send a {0}",
             "Send a {0} to somebody")),
    Subject(("light", "lamp", "door", "window", "heater", "fan"), ((("room", "where", "area"), "string",
            lambda rng: rng.choice((*world.THINGS[:8], "kitchen", "bedroom", "office", "garage", "hall"))),),
            ("turn on the {noun} in the {0}", "switch on the {noun} in the {0}", "use the {noun} in the {0}",
             "please turn on the {0} {noun}", "turn the {noun} in the {0} on"),
            ("turn_on", "switch_on", "control", "toggle"), ("Turn on the {0}", "Switch the {0} on")),
    Subject(("hotel", "table", "room", "restaurant", "seat"), ((_CITY, "string", place), (("people",
    "guests", "nights"), "integer",
            lambda rng: rng.randint(1, 12))),
            ("book a {noun} in {0} for {1}", "I need a {noun} in {0} for {1} people",
            "find a {noun} in {0} for {1} nights",
             "reserve a {noun} in {0} for {1}"), ("book", "find", "reserve"), ("Book a {0}",
             "Reserve a {0}")),
    Subject(("text", "word", "sentence"), ((("text", "input", "phrase"), "string", some_words),
            (("language", "target", "to"), "string", lambda rng: rng.choice(("French", "German", "Spanish",
            "Japanese", "Italian")))),
            ("translate {0} into {1}", "translate {0} to {1}", "how do you say {0} in {1}", "say {0} in {1}"),
            ("translate",), ("Translate a {0}", "Translate into another language")),
    Subject(("dice", "die"), ((("sides", "faces"), "integer", lambda rng: rng.choice((4, 6, 8, 10, 12, 20,
    100))),),
            ("roll a {noun} with {0} sides", "roll a {0} sided {noun}", "throw a {noun} with {0} sides"),
            ("roll", "throw"), ("Roll a {0}", "Throw a {0}")),
    Subject(("money", "currency", "coins"), ((("amount", "value"), "number", small), (("to", "target",
    "currency"), "string",
            lambda rng: rng.choice(("euro", "yen", "pounds", "francs", "crowns", "pesos")))),
            ("convert {0} dollars to {1}", "change {0} dollars into {1}", "how many {1} are {0} dollars"),
            ("convert", "exchange", "change"), ("Convert {0}", "Exchange {0}")),
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A tool, a question that needs it, the arguments that question asks for, and what both are about."""

    tool: Message
    asked: str
    arguments: dict[str, Any]
    subject: Subject
    noun: str
    named: bool  # the question says the noun

    @property
    def name(self) -> str:
        return str(self.tool["function"]["name"])

    def serves(self, noun: str) -> bool:
        """Whether a question about `noun` could as well be put to this tool."""
        if any(NOUN in way for way in self.subject.asked):
            return noun == self.noun
        return noun in self.subject.nouns

    def leaves(self, other: Request) -> bool:
        """Whether this question cannot be meant for `other`."""
        return not other.serves(self.noun) and (self.named or other.subject is not self.subject)


def describe(name: str, text: str, keys: dict[str, str]) -> Message:
    properties = {key: {"type": kind, "description": key} for key, kind in keys.items()}
    parameters = {"type": "object", "properties": properties, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}


def _styled(rng: Random, words: str) -> str:
    parts = words.split("_")
    draw = rng.random()
    if draw < 0.75:
        return words
    if draw < 0.9:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return "".join(parts) if draw < 0.95 else "-".join(parts)


def tool_name(rng: Random, subject: Subject, noun: str) -> str:
    draw = rng.random()
    if draw < 0.12:
        return _styled(rng, f"{rng.choice(subject.verbs)}_{world.made_up(rng)}")
    if draw < 0.2:
        return noun
    if draw < 0.28:
        return rng.choice(subject.verbs) if subject.verbs[0] != "get" else world.made_up(rng)
    return _styled(rng, f"{rng.choice(subject.verbs)}_{noun}")


def request(rng: Random) -> Request:
    """Something wanted for which there is a tool."""
    subject = rng.choice(SUBJECTS[:3]) if rng.random() < 0.2 else rng.choice(SUBJECTS)
    noun, ways = rng.choice(subject.nouns), subject.asked
    naming = tuple(way for way in subject.asked if NOUN in way)
    if naming and rng.random() < STRANGE:
        noun, ways = rng.choice((world.plain_word, world.made_up))(rng), naming
    keys = [
        (rng.choice(names) if rng.random() < 0.9 else world.made_up(rng), kind, value)
        for names, kind, value in subject.keys
    ]
    keys = list({key: (key, kind, value) for key, kind, value in keys}.values())
    values = [value(rng) for _, _, value in subject.keys]
    way = rng.choice(ways)
    asked = way.format(*values, noun=noun.replace("_", " "))
    text = rng.choice(subject.said).format(noun.replace("_", " "))
    if rng.random() < 0.4:
        text += rng.choice(
            (
                " for the user",
                " for a given " + keys[0][0],
                " now",
                ".",
                " by " + keys[0][0],
                " of a " + keys[0][0],
            )
        )
    tool = describe(tool_name(rng, subject, noun), text, {key: kind for key, kind, _ in keys})
    arguments = {
        key: value
        for (key, _, _), value in sorted(zip(keys, values, strict=False), key=lambda pair: pair[0][0])
    }
    return Request(tool, as_typed(rng, asked), arguments, subject, noun, NOUN in way)


def among(rng: Random, wanted: Request, count: int) -> list[Message]:
    """The wanted tool among `count` others, none of which would do as well, in any order."""
    by_name = {wanted.name: wanted.tool}
    while len(by_name) <= count:
        other = request(rng)
        if wanted.leaves(other):
            by_name.setdefault(other.name, other.tool)
    tools = list(by_name.values())
    rng.shuffle(tools)
    return tools


def tool_call(name: str, arguments: dict[str, Any]) -> Message:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


_SKIES = (
    "sunny",
    "cloudy",
    "rainy",
    "windy",
    "foggy",
    "snowy",
    "clear",
    "stormy",
    "warm",
    "cold",
    "dry",
    "humid",
)
_UNITS = (" degrees", "°C", "°F", " C", " km/h", " %", " points", " metres")
RESULT_KEYS = (
    "temperature", "condition", "result", "value", "status", "price", "answer", "time", "count", "total",
    "name", "id",
    "found", "title", "unit", "date", "message", "level", "humidity", "wind", "state", "score", "owner",
    "amount",
)  # fmt: skip


def _scalar(rng: Random) -> str | int:
    makers: tuple[Callable[[Random], str | int], ...] = (
        small, small, world.plain_word, world.new_name, world.made_up, lambda r: r.choice(_SKIES),
        lambda r: r.randint(100, 99999),
    )  # fmt: skip
    return rng.choice(makers)(rng)


def outcome(rng: Random) -> tuple[str, str]:
    """What a tool returns, and the sentence that passes it on."""
    draw = rng.random()
    if draw < 0.45:
        fields = {key: _scalar(rng) for key in rng.sample(RESULT_KEYS, rng.choice((1, 1, 2, 2, 3)))}
        spaced = rng.random() < 0.5
        gap, colon = (", ", ": ") if spaced else (",", ":")
        shown = gap.join(
            f'"{key}"{colon}' + (f'"{value}"' if isinstance(value, str) else str(value))
            for key, value in fields.items()
        )
        return "{" + shown + "}", f"{FOUND} {', '.join(f'{key} {value}' for key, value in fields.items())}."
    if draw < 0.6:
        measured, seen = f"{small(rng)}{rng.choice(_UNITS)}", rng.choice(_SKIES)
        joint = rng.choice((", ", " and ", " but ", " with ", "; ", " / ", " and it is "))
        time = f"{rng.randint(0, 23)}:{rng.randint(10, 59)}"
        text = rng.choice((f"{measured}{joint}{seen}", f"{seen}{joint}{measured}", time))
    elif draw < 0.75:
        text = str(_scalar(rng))
    else:
        text = " ".join(str(_scalar(rng)) for _ in range(rng.randint(2, 6)))
    return text + ("." if rng.random() < 0.2 else ""), f"{FOUND} {text}."


FOUND = "Here is what I found:"
