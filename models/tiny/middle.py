"""Small functions with a hole: what stands before, what stands after, what belongs between."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from models.tiny import world


@dataclass(frozen=True)
class Hole:
    before: str
    after: str
    middle: str

    def prompt(self) -> str:
        return f"<|fim_prefix|>{self.before}<|fim_suffix|>{self.after}<|fim_middle|>"


# {a}, {b}: names of arguments. The first line is the head, the rest the body.
FUNCTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("add", "sum_of", "plus", "add_numbers", "total"), "def {f}({a}, {b}):\n    return {a} + {b}\n"),
    (("subtract", "minus", "difference", "sub"), "def {f}({a}, {b}):\n    return {a} - {b}\n"),
    (("multiply", "times", "product", "mul"), "def {f}({a}, {b}):\n    return {a} * {b}\n"),
    (("divide", "quotient", "div", "ratio"), "def {f}({a}, {b}):\n    return {a} / {b}\n"),
    (("maximum", "larger", "biggest", "max_of"),
     "def {f}({a}, {b}):\n    return {a} if {a} > {b} else {b}\n"),
    (("minimum", "smaller", "smallest", "min_of"),
     "def {f}({a}, {b}):\n    return {a} if {a} < {b} else {b}\n"),
    (("square", "squared", "sq"), "def {f}({a}):\n    return {a} * {a}\n"),
    (("double", "twice", "doubled"), "def {f}({a}):\n    return 2 * {a}\n"),
    (("triple", "thrice"), "def {f}({a}):\n    return 3 * {a}\n"),
    (("half", "halve"), "def {f}({a}):\n    return {a} / 2\n"),
    (("negate", "negative", "neg"), "def {f}({a}):\n    return -{a}\n"),
    (("is_even", "even"), "def {f}({a}):\n    return {a} % 2 == 0\n"),
    (("is_odd", "odd"), "def {f}({a}):\n    return {a} % 2 == 1\n"),
    (("is_positive", "positive"), "def {f}({a}):\n    return {a} > 0\n"),
    (("is_zero", "zero"), "def {f}({a}):\n    return {a} == 0\n"),
    (("equal", "same", "equals"), "def {f}({a}, {b}):\n    return {a} == {b}\n"),
    (("power", "raise_to"), "def {f}({a}, {b}):\n    return {a} ** {b}\n"),
    (("increment", "next_number", "plus_one"), "def {f}({a}):\n    return {a} + 1\n"),
    (("decrement", "previous_number", "minus_one"), "def {f}({a}):\n    return {a} - 1\n"),
    (("length", "size", "count_items"), "def {f}({a}):\n    return len({a})\n"),
    (("first", "head"), "def {f}({a}):\n    return {a}[0]\n"),
    (("last", "tail"), "def {f}({a}):\n    return {a}[-1]\n"),
    (("upper", "to_upper", "shout"), "def {f}({a}):\n    return {a}.upper()\n"),
    (("lower", "to_lower", "whisper"), "def {f}({a}):\n    return {a}.lower()\n"),
    (("reverse", "backwards"), "def {f}({a}):\n    return {a}[::-1]\n"),
    (("average", "mean"), "def {f}({a}):\n    return sum({a}) / len({a})\n"),
    (("swap", "exchange"), "def {f}({a}, {b}):\n    return {b}, {a}\n"),
    (("greet", "hello", "say_hello"), 'def {f}({a}):\n    return "Hello, " + {a}\n'),
    (("contains", "has"), "def {f}({a}, {b}):\n    return {b} in {a}\n"),
    (("absolute", "magnitude"), "def {f}({a}):\n    if {a} < 0:\n        return -{a}\n    return {a}\n"),
    (("factorial", "fact"),
     "def {f}({a}):\n    if {a} == 0:\n        return 1\n    return {a} * {f}({a} - 1)\n"),
    (("sum_list", "add_all"),
     "def {f}({a}):\n    {b} = 0\n    for item in {a}:\n        {b} += item\n    return {b}\n"),
    (("count_down", "countdown"),
     "def {f}({a}):\n    while {a} > 0:\n        print({a})\n        {a} -= 1\n"),
    (("show_all", "print_all"), "def {f}({a}):\n    for item in {a}:\n        print(item)\n"),
)  # fmt: skip
ARGUMENTS = (
    "a", "b", "x", "y", "n", "m", "left", "right", "first", "second", "value", "number", "items", "text",
    "data", "word",
    "one", "two", "p", "q", "i", "j", "count", "amount", "numbers", "values", "name", "total", "result",
    "s", "t", "u", "v",
)  # fmt: skip


def function(rng: Random) -> str:
    """A whole function with names of its own."""
    names, text = rng.choice(FUNCTIONS)
    source = rng.choice((world.made_up, world.plain_word, lambda rng: rng.choice(ARGUMENTS)))
    first = second = source(rng)
    while second == first:
        second = source(rng)
    return text.format(f=rng.choice(names), a=first, b=second)


def hole(rng: Random) -> Hole:
    """Cut where an editor would: after the head, after `return`, in the last line, or anywhere in a line."""
    text = function(rng)
    start = text.index("    ")
    lines = text[start:].splitlines(keepends=True)
    draw = rng.random()
    if draw < 0.3:  # the whole body
        begin, end = start + (4 if rng.random() < 0.7 else 0), len(text) - 1
    elif draw < 0.75:  # what is returned
        begin, end = text.rindex("return ") + 7 if "return " in text else start + 4, len(text) - 1
    else:  # some line of the body, without its indent
        which = rng.randrange(len(lines))
        begin = start + sum(map(len, lines[:which]))
        end = begin + len(lines[which]) - 1
        begin += len(lines[which]) - len(lines[which].lstrip())
    before, after = text[:begin], text[end:]
    after = rng.choice((after, after, "", after + "\n", f"{after}\nprint({text[4 : text.index('(')]})\n"))
    if rng.random() < 0.15:
        before = function(rng) + "\n\n" + before
    return Hole(before, after, text[begin:end])
