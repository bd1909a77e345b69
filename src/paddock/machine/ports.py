"""Who holds an address: us, Ollama, another program, or nobody.

All three answer differently to two questions anybody may ask. Paddock's own `/` greets in Ollama's words,
so `/api/version` is asked first: only ours has a `paddock` key beside `version`.
"""

from __future__ import annotations

import http.client
import json
from enum import Enum

from paddock.settings import DEFAULT_PORT, Address

_PATIENCE = 2.0
_MORE_PATIENCE = 8.0
_ENOUGH = 4096


class Holder(Enum):
    """Who answers at an address."""

    NOBODY = "nobody"
    PADDOCK = "paddock"
    OLLAMA = "ollama"
    OTHER = "other"


def who_holds(address: Address, patience: float = _PATIENCE) -> Holder:
    """Ask the address itself. Bounded: a program that accepts and stays silent is an OTHER."""
    here = address.reachable
    try:
        if "paddock" in _version(_ask(here, "/api/version", patience)):
            return Holder.PADDOCK
        return Holder.OLLAMA if b"Ollama is running" in _ask(here, "/", patience) else Holder.OTHER
    except ConnectionRefusedError:
        return Holder.NOBODY
    except (OSError, http.client.HTTPException):
        return Holder.OTHER


def why_busy(address: Address, program: str = "paddock") -> str:
    """One sentence for a server that cannot listen at `address`: who is there and what to do."""
    # A server that is just coming up listens before it can answer.
    return _SENTENCES[who_holds(address, _MORE_PATIENCE)].format(
        url=address.reachable.url,
        port=address.port,
        program=program,
        other=f"{address.host}:{address.port + 1 if address.port >= DEFAULT_PORT else DEFAULT_PORT}",
    )


def why_not_stopped(address: Address) -> str:
    """One sentence for a stop that found no server of this user's: what is there instead."""
    return _INSTEAD[who_holds(address)].format(url=address.reachable.url)


_SENTENCES = {
    Holder.PADDOCK: (
        "a Paddock server is already running at {url}: use it as it is, "
        "or stop it with '{program} serve --stop'"
    ),
    Holder.OLLAMA: (
        "Ollama is already running at {url}: stop it ('systemctl stop ollama' where it is a service), "
        "or choose another address, as in 'OLLAMA_HOST={other} {program} serve'"
    ),
    Holder.OTHER: (
        "another program is using port {port}: choose another address, as in "
        "'OLLAMA_HOST={other} {program} serve'"
    ),
    Holder.NOBODY: (
        "cannot listen at {url}, although nothing answers there: the port may be reserved or still closing; "
        "try again, or choose another address, as in 'OLLAMA_HOST={other} {program} serve'"
    ),
}

_INSTEAD = {
    Holder.PADDOCK: (
        "the Paddock server at {url} was started by another user, in a container, or with another "
        "PADDOCK_HOME, and has to be stopped there"
    ),
    Holder.OLLAMA: "no Paddock server is running at {url}: Ollama is, and it was left alone",
    Holder.OTHER: "no Paddock server is running at {url}: another program is, and it was left alone",
    Holder.NOBODY: "no server is running at {url}",
}


def _ask(address: Address, path: str, patience: float) -> bytes:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=patience)
    try:
        connection.request("GET", address.path + path, headers={"Connection": "close"})
        with connection.getresponse() as response:
            return response.read(_ENOUGH)
    finally:
        connection.close()


def _version(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
