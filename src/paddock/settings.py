"""The environment, read once, into one frozen value that is handed down.

Every `OLLAMA_*` variable keeps the meaning Ollama gives it: values are trimmed of spaces and quotes, a
boolean that cannot be read counts as true, a number that cannot be read counts as not set. What is new
is `PADDOCK_*`. Nothing else in Paddock looks at the environment.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paddock import durations

DEFAULT_PORT = 11434


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, or where the terminal finds it."""

    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    path: str = ""

    @property
    def url(self) -> str:
        """The base URL without a trailing slash."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def netloc(self) -> str:
        """`host:port`, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def reachable(self) -> Address:
        """The address a client on this machine dials: an unspecified one becomes loopback."""
        stand_in = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host)
        return Address(self.scheme, stand_in, self.port, self.path) if stand_in else self


def parse_address(text: str) -> Address:
    """`[scheme://]host[:port][/path]` as OLLAMA_HOST spells it; what is missing takes its default."""
    if text == "ollama.com":
        return Address("https", text, 443)
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if found else DEFAULT_PORT
    netloc, slash, path = rest.partition("/")
    host, tail = _split_port(netloc)
    asked = _whole(tail)
    if asked is not None and 0 <= asked <= 65535:
        port = asked
    return Address(scheme, host or "127.0.0.1", port, slash + path.rstrip("/") if path else "")


def _split_port(netloc: str) -> tuple[str, str]:
    if netloc.startswith("["):
        host, _, tail = netloc[1:].partition("]")
        return host, tail.removeprefix(":")
    if netloc.count(":") > 1:  # a bare IPv6 address has no port
        return netloc, ""
    host, _, tail = netloc.partition(":")
    return host, tail


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user decided before the program started. Durations are seconds, sizes are bytes."""

    host: Address = field(default=Address(), metadata={"env": "OLLAMA_HOST"})
    models: Path = field(default=Path("~/.ollama/models"), metadata={"env": "OLLAMA_MODELS"})
    home: Path = field(default=Path("~/.paddock"), metadata={"env": "PADDOCK_HOME"})
    origins: tuple[str, ...] = field(default=(), metadata={"env": "OLLAMA_ORIGINS"})
    keep_alive: float = field(default=300.0, metadata={"env": "OLLAMA_KEEP_ALIVE"})
    load_timeout: float = field(default=300.0, metadata={"env": "OLLAMA_LOAD_TIMEOUT"})
    context_length: int = field(default=0, metadata={"env": "OLLAMA_CONTEXT_LENGTH"})
    num_parallel: int = field(default=0, metadata={"env": "OLLAMA_NUM_PARALLEL"})
    max_loaded_models: int = field(default=0, metadata={"env": "OLLAMA_MAX_LOADED_MODELS"})
    max_queue: int = field(default=512, metadata={"env": "OLLAMA_MAX_QUEUE"})
    flash_attention: bool | None = field(default=None, metadata={"env": "OLLAMA_FLASH_ATTENTION"})
    kv_cache_type: str = field(default="", metadata={"env": "OLLAMA_KV_CACHE_TYPE"})
    go_template: bool | None = field(default=None, metadata={"env": "OLLAMA_GO_TEMPLATE"})
    sched_spread: bool = field(default=False, metadata={"env": "OLLAMA_SCHED_SPREAD"})
    debug: bool = field(default=False, metadata={"env": "OLLAMA_DEBUG"})
    insecure: bool = field(default=False, metadata={"env": "PADDOCK_INSECURE"})
    llama_server: str = field(default="", metadata={"env": "PADDOCK_LLAMA_SERVER"})
    engine: str = field(default="", metadata={"env": "PADDOCK_ENGINE"})
    wheel_index: str = field(default="", metadata={"env": "PADDOCK_WHEEL_INDEX"})
    idle_exit: float = field(default=0.0, metadata={"env": "PADDOCK_IDLE_EXIT"})

    @property
    def log_file(self) -> Path:
        """The log of a server that runs in the background."""
        return self.home / "serve.log"


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from an environment. Never fails and never writes: bad values fall back to defaults."""
    env = _Environment(environ)
    home = Path(env.text("HOME") or "~").expanduser()
    return Settings(
        host=parse_address(env.text("OLLAMA_HOST")),
        models=_path(env.text("OLLAMA_MODELS"), home, home / ".ollama" / "models"),
        home=_path(env.text("PADDOCK_HOME"), home, home / ".paddock"),
        origins=tuple(o for part in env.text("OLLAMA_ORIGINS").split(",") if (o := part.strip())),
        keep_alive=env.keep_alive("OLLAMA_KEEP_ALIVE", 300.0),
        load_timeout=env.load_timeout("OLLAMA_LOAD_TIMEOUT", 300.0),
        context_length=env.number("OLLAMA_CONTEXT_LENGTH", 0),
        num_parallel=env.number("OLLAMA_NUM_PARALLEL", 0),
        max_loaded_models=env.number("OLLAMA_MAX_LOADED_MODELS", 0),
        max_queue=env.number("OLLAMA_MAX_QUEUE", 512),
        flash_attention=env.flag("OLLAMA_FLASH_ATTENTION"),
        kv_cache_type=env.text("OLLAMA_KV_CACHE_TYPE"),
        go_template=env.flag("OLLAMA_GO_TEMPLATE"),
        sched_spread=bool(env.flag("OLLAMA_SCHED_SPREAD")),
        debug=bool(env.flag("OLLAMA_DEBUG")),
        insecure=bool(env.flag("PADDOCK_INSECURE")),
        llama_server=env.text("PADDOCK_LLAMA_SERVER"),
        engine=env.text("PADDOCK_ENGINE"),
        wheel_index=env.text("PADDOCK_WHEEL_INDEX").rstrip("/"),
        idle_exit=env.seconds("PADDOCK_IDLE_EXIT", 0.0),
    )


def _path(text: str, home: Path, default: Path) -> Path:
    if not text:
        return default
    return home / text[2:] if text.startswith("~/") else Path(text)


def _whole(text: str) -> int | None:
    """A whole number as Go reads one into 64 bits: digits and a sign, nothing that only Python knows."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None


class _Environment:
    """Reads single variables the way Ollama does."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip().strip("\"'").strip()

    def flag(self, name: str) -> bool | None:
        """None where nothing was said."""
        text = self.text(name)
        return None if not text else text.lower() not in ("0", "f", "false")

    def number(self, name: str, default: int) -> int:
        found = _whole(self.text(name))
        return default if found is None or found < 0 else found

    def seconds(self, name: str, default: float) -> float:
        """A Go duration or a whole number of seconds; the sign is kept."""
        text = self.text(name)
        whole = _whole(text)
        if whole is not None:
            return float(whole)
        try:
            return durations.parse(text)
        except durations.InvalidDuration:
            return default

    def keep_alive(self, name: str, default: float) -> float:
        value = self.seconds(name, default)
        return math.inf if value < 0 else value

    def load_timeout(self, name: str, default: float) -> float:
        value = self.seconds(name, default)
        return math.inf if value <= 0 else value
