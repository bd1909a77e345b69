"""What the person sees: the three standard streams, a spinner, and an answer as it comes.

Into a pipe or a file goes the model's text and nothing else: no colour, no wrapping, no cursor movement.
That is a difference from Ollama on purpose. On a terminal the text is wrapped and its control characters
are dropped; messages, statistics and the spinner go to stderr, so that stdout can always be redirected.
"""

from __future__ import annotations

import io
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TextIO

from paddock.cli.wrapping import Wrapper, harmless

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_SECONDS = 0.08
_FIRST_FRAME_SECONDS = 0.15
_BOLD_GREY, _GREY, _PLAIN = "\x1b[1;90m", "\x1b[90m", "\x1b[0m"
_ERASE = "\r\x1b[K"
_OPENING, _CLOSING = "Thinking...\n", "...done thinking.\n"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The standard streams and what may be done with them. `colour` is the user's wish."""

    input: TextIO
    output: TextIO
    errors: TextIO
    colour: bool = True

    @property
    def is_conversation(self) -> bool:
        """Whether somebody sits at both ends."""
        return self.input.isatty() and self.output.isatty()

    def say(self, line: str) -> None:
        """A line about the work, never part of the result."""
        print(line, file=self.errors, flush=True)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """A spinner for the time of the block, where it can be seen; gives a `say` that goes round it."""
        spinner = self._spinner()
        try:
            yield lambda line: spinner.aside(lambda: self.say(line))
        finally:
            spinner.stop()

    @contextmanager
    def answer(self, *, wrap: bool, thoughts: bool) -> Iterator[Answer]:
        """Somewhere to write one answer. Tidies up however the block ends."""
        seen = self.output.isatty()
        screen = shutil.get_terminal_size((80, 24)).columns
        wrapper = Wrapper(screen) if seen and wrap else None
        sink = _Sink(self.output, wrapper, seen, seen and self.colour, self._spinner())
        answer = Answer(sink, thoughts)
        try:
            yield answer
        except BrokenPipeError:  # nobody reads: whatever is left must not be written either
            raise
        except BaseException:
            answer.abandon()
            raise
        finally:
            sink.spinner.stop()
        answer.finish()

    def _spinner(self) -> Spinner:
        return Spinner(self.errors if self.errors.isatty() and self.colour else None)


class Spinner:
    """Turns on a terminal's stderr from its making until `stop`, which may be called again."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._stopped = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        if stream is not None:
            self._thread = threading.Thread(target=self._turn, args=(stream,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Returns when the spinner is gone from the screen."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def aside(self, write: Callable[[], None]) -> None:
        """`write` to the same screen while the spinner turns."""
        with self._writing:
            if self._stream is not None:
                self._stream.write(_ERASE)
            write()

    def _turn(self, stream: TextIO) -> None:
        # A quick answer should not flicker.
        if self._stopped.wait(_FIRST_FRAME_SECONDS):
            return
        frame = 0
        while not self._stopped.wait(_FRAME_SECONDS):
            with self._writing:
                print(f"\r{_FRAMES[frame % len(_FRAMES)]} ", end="", file=stream, flush=True)
            frame += 1
        print(_ERASE, end="", file=stream, flush=True)


@dataclass(slots=True)
class _Sink:
    """Where an answer goes, and whether the last thing that went there ended its line."""

    stream: TextIO
    wrapper: Wrapper | None
    seen: bool
    styled: bool
    spinner: Spinner
    fresh: bool = True

    def text(self, text: str) -> None:
        if self.seen:
            text = harmless(text)
        if text:
            self.raw(self.wrapper.feed(text) if self.wrapper else text)

    def settle(self) -> None:
        """Show what the wrapper holds back."""
        if self.wrapper:
            self.raw(self.wrapper.flush())

    def end_line(self) -> None:
        self.settle()
        if not self.fresh:
            self.text("\n")

    def style(self, code: str) -> None:
        if self.styled:
            self.settle()
            self.spinner.stop()
            self.stream.write(code)

    def raw(self, text: str) -> None:
        if text:
            self.spinner.stop()
            self.stream.write(text)
            self.stream.flush()
            self.fresh = text.endswith("\n")


class Answer:
    """One answer on its way to the user: thinking first where there is any, then the text."""

    def __init__(self, sink: _Sink, thoughts: bool) -> None:
        self._sink = sink
        self._thoughts = thoughts
        self._now: Literal["waiting", "thinking", "speaking"] = "waiting"

    def think(self, text: str) -> None:
        """A piece of the model's thinking; not shown when the user asked to hide it."""
        if not text or not self._thoughts:
            return
        if self._now != "thinking":
            self._sink.end_line()
            self._mark(_OPENING)
            self._sink.style(_GREY)
            self._now = "thinking"
        self._sink.text(text)

    def speak(self, text: str) -> None:
        """A piece of the answer itself."""
        if not text:
            return
        self._end_thinking()
        self._now = "speaking"
        self._sink.text(text)

    def finish(self) -> None:
        """The answer is complete."""
        self._end_thinking()
        self._sink.settle()

    def abandon(self) -> None:
        """The answer broke off: leave the terminal fit for the next line."""
        if self._now == "thinking":
            self._sink.style(_PLAIN)
        self._sink.end_line()

    def _end_thinking(self) -> None:
        if self._now == "thinking":
            self._sink.end_line()
            self._mark(_CLOSING)
            self._sink.text("\n")
            self._now = "waiting"

    def _mark(self, text: str) -> None:
        self._sink.style(_BOLD_GREY)
        self._sink.text(text)
        self._sink.style(_PLAIN)


def standard(colour: bool) -> Terminal:
    """This process's own streams. A closed one becomes one that swallows everything."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # Bytes that are no text, or a locale that cannot spell a character, must not end the answer.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Python has None for a stream that was closed before it started.
    return Terminal(
        sys.stdin or io.StringIO(), sys.stdout or io.StringIO(), sys.stderr or io.StringIO(), colour
    )
