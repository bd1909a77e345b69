"""A conversation: lines from the keyboard, answers from `/api/chat`, everything said so far sent each time.

A question that got no word of an answer, because it was interrupted or failed, is taken back: many chat
templates refuse two user messages in a row. An answer that broke off is kept as far as it was heard.
"""

from __future__ import annotations

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.output import ColorDepth

from paddock.cli.asking import Wish, show_answer, show_statistics
from paddock.cli.attaching import Prompt, attached
from paddock.cli.client import Reply
from paddock.cli.surroundings import Surroundings
from paddock.errors import PaddockError

_FENCE = '"""'
_HELP = '''\
Available Commands:
  /clear          Clear session context
  /bye            Exit
  /?, /help       Help for a command

Use """ to begin and end a message of several lines.
Name a file, as in ./cat.png or ./voice.wav, to show it to a model that sees or hears.
Ctrl + c stops an answer, Ctrl + d ends the conversation.'''


def converse(here: Surroundings, wish: Wish) -> None:
    """Talk with the model until the user leaves."""
    here.with_server(lambda: _load(here, wish))
    keyboard = Keyboard(here.terminal.colour)
    conversation = Conversation(here, wish)
    while True:
        try:
            text = keyboard.message()
        except EOFError:
            return
        except KeyboardInterrupt:
            if keyboard.was_empty:
                print("\nUse Ctrl + d or /bye to exit.")
            continue
        if text.startswith(("/bye", "/exit")):
            return
        _obey(here, conversation, text)


def _load(here: Surroundings, wish: Wish) -> None:
    with here.terminal.waiting():
        here.client.post("/api/generate", wish.body(prompt="", stream=False))


def _obey(here: Surroundings, conversation: Conversation, text: str) -> None:
    if text.startswith(("/?", "/help")):
        here.terminal.say(_HELP)
    elif text.startswith("/clear"):
        conversation.clear()
        print("Cleared session context")
    elif text.strip():
        _ask(here, conversation, text)


def _ask(here: Surroundings, conversation: Conversation, text: str) -> None:
    try:
        prompt = conversation.prompt(text)
    except PaddockError as error:
        here.terminal.say(f"Error: {error}")
        return
    # What begins like a command may be the name of a picture.
    if text.startswith("/") and not prompt.images:
        print(f"Unknown command '{text.split()[0]}'. Type /? for help")
    else:
        conversation.ask(prompt)


class Keyboard:
    """Reads messages, of one line or between triple quotes."""

    def __init__(self, colour: bool) -> None:
        depth = None if colour else ColorDepth.DEPTH_1_BIT
        self._session: PromptSession[str] = PromptSession(color_depth=depth)
        self._hint = FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")])

    def message(self) -> str:
        """The next message. Ctrl-C raises KeyboardInterrupt, Ctrl-D on an empty line EOFError."""
        line = self._session.prompt(">>> ", placeholder=self._hint)
        if not line.startswith(_FENCE):
            return line
        text = line.removeprefix(_FENCE)
        while not text.rstrip().endswith(_FENCE):
            text += "\n" + self._session.prompt("... ", placeholder="")
        return text.rstrip().removesuffix(_FENCE).strip("\n")

    @property
    def was_empty(self) -> bool:
        """Whether nothing had been typed when the last reading ended."""
        return not self._session.default_buffer.text


class Conversation:
    """What was said so far, by both sides."""

    def __init__(self, here: Surroundings, wish: Wish) -> None:
        self._here = here
        self._wish = wish
        self._messages: list[Reply] = []

    def clear(self) -> None:
        self._messages.clear()

    def prompt(self, text: str) -> Prompt:
        """`text` with the pictures and recordings it names."""
        return attached(self._here, self._wish.model, text)

    def ask(self, prompt: Prompt) -> None:
        """Send `prompt` and show the answer. Ctrl-C ends it, an error is told; both leave us talking."""
        messages = [*self._messages, {"role": "user"} | prompt.fields("content")]
        heard: list[Reply] = []
        try:
            show_answer(self._here, self._wish, "/api/chat", self._wish.body(messages=messages), heard)
        except KeyboardInterrupt:
            print()
        except PaddockError as error:
            self._here.terminal.say(f"Error: {error}")
        else:
            print("\n")
        answer = _joined(heard)
        if answer["content"]:
            self._messages = [*messages, answer]
        if self._wish.verbose and heard:
            show_statistics(self._here, heard[-1])


def _joined(heard: list[Reply]) -> Reply:
    """The pieces of an answer as one message."""
    pieces = [item.get("message") or {} for item in heard]
    text = {name: "".join(p.get(name) or "" for p in pieces) for name in ("content", "thinking")}
    return {"role": "assistant"} | {k: v for k, v in text.items() if v or k == "content"}
