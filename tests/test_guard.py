"""Who may speak to a server on this machine: a page in a browser may not, unless it was let in."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from paddock.api.guard import HostGuard, OriginGuard


@dataclass
class Inner:
    """The application behind a guard: answers 200 and remembers that it was asked."""

    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x-inner", b"1")]}
        await send(start)
        await send({"type": "http.response.body", "body": b"inside"})


@dataclass
class Heard:
    """What came back over ASGI."""

    messages: list[Message] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        pairs = self.messages[0]["headers"]
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names))
        return {name.decode(): value.decode() for name, value in pairs}

    @property
    def body(self) -> bytes:
        kinds = [message["type"] for message in self.messages]
        assert kinds == ["http.response.start", "http.response.body"]
        return bytes(self.messages[1]["body"])


async def ask(
    guard: HostGuard | OriginGuard, method: str = "GET", kind: str = "http", **headers: str
) -> Heard:
    async def nothing() -> Message:
        raise AssertionError("a guard reads no body")

    scope = {
        "type": kind,
        "method": method,
        "path": "/api/tags",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    heard = Heard()
    await guard(scope, nothing, heard)
    return heard


# ── the Host header ───────────────────────────────────────────────────────────────────────────────


def host_guard() -> tuple[HostGuard, Inner]:
    inner = Inner()
    return HostGuard(inner, "MyMachine"), inner


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost", "localhost:11434", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:11434", "127.8.9.1",
        "[::1]:11434",
        "[::1]", "::1", "0.0.0.0:11434", "[::]:1", "192.168.1.7:11434", "10.0.0.1", "172.16.0.1",
        "[fd00::1]:80",
        "mymachine", "MyMachine:11434", "MYMACHINE", "a.localhost", "server.local:8080", "ollama.internal",
        "host.docker.internal:11434", "A.LOCAL",
    ],
)  # fmt: skip
def test_names_of_this_machine_and_of_private_networks_may_be_asked_for(host: str) -> None:
    assert host_guard()[0].allows(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.com", "evil.com:11434", "localhost.evil.com", "localhost.evil.com:11434", "127.0.0.1.evil.com",
        "local", "internal", "evillocal", "xlocalhost", "localhostx", "mymachine.evil.com",
        "notmymachine", "8.8.8.8",
        "8.8.8.8:11434", "[2001:4860:4860::8888]:1", "local.evil.com", "a.local.evil.com", "a.localx",
        "evil.com:localhost",
        "2130706433", "0x7f000001", "localhost@evil.com", "a.internal.com",
    ],
)  # fmt: skip
def test_no_foreign_name_is_let_in(host: str) -> None:
    assert not host_guard()[0].allows(host)


async def test_a_foreign_host_gets_an_empty_403_and_never_reaches_the_application() -> None:
    guard, inner = host_guard()
    heard = await ask(guard, host="localhost.evil.com:11434")
    assert (heard.status, heard.body, heard.headers) == (403, b"", {"content-length": "0"})
    assert inner.asked == 0


async def test_a_known_host_is_passed_on_untouched() -> None:
    guard, inner = host_guard()
    heard = await ask(guard, host="localhost:11434")
    assert (heard.status, heard.body, inner.asked) == (200, b"inside", 1)
    assert (await ask(guard)).status == 200  # HTTP/1.0 sends no Host


async def test_what_is_not_http_is_none_of_the_guards_business() -> None:
    for guard, inner in (host_guard(), origin_guard()):
        await ask(guard, kind="lifespan")
        assert inner.asked == 1


@given(st.text("abz.-", min_size=1, max_size=12))
def test_whatever_is_put_before_a_foreign_domain_it_stays_foreign(prefix: str) -> None:
    assert not host_guard()[0].allows(f"{prefix}.evil.com")
    assert not host_guard()[0].allows(f"{prefix}.evil.com:11434")


# ── the Origin header ─────────────────────────────────────────────────────────────────────────────


def origin_guard(*origins: str) -> tuple[OriginGuard, Inner]:
    inner = Inner()
    return OriginGuard(inner, origins), inner


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1", "http://127.0.0.1:5173",
        "https://127.0.0.1", "http://0.0.0.0:8080", "HTTP://LOCALHOST:1", "app://obsidian.md", "file://", "file://x",
        "tauri://localhost", "vscode-webview://1abc", "vscode-file://vscode-app",
    ],
)  # fmt: skip
def test_pages_of_this_machine_and_local_programs_may_call(origin: str) -> None:
    assert origin_guard()[0].allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.com", "https://evil.com", "http://localhost.evil.com", "http://localhost.evil.com:3000",
        "http://127.0.0.1.evil.com", "http://evil.com:11434", "http://xlocalhost", "http://a.localhost",
        "null", "*",
        "ftp://localhost", "chrome-extension://abc", "moz-extension://abc", "safari-web-extension://abc",
        "localhost",
        "http://192.168.1.7", "http://[::1]:3000", "xapp://a", "evil.com/app://a", "http://app://x",
    ],
)  # fmt: skip
def test_no_other_page_may_call(origin: str) -> None:
    assert not origin_guard()[0].allows(origin)


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("chrome-extension://*", "chrome-extension://abc", True),
        ("chrome-extension://abc", "chrome-extension://abc", True),
        ("chrome-extension://abc", "chrome-extension://abd", False),
        ("https://my.site", "https://my.site", True),
        ("https://my.site", "https://MY.site", True),
        ("https://my.site", "http://my.site", False),
        ("https://my.site", "https://my.site:8443", False),
        ("https://my.site", "https://myxsite", False),
        ("https://my.site", "https://my.site.evil.com", False),
        ("https://*.my.site", "https://a.my.site", True),
        ("https://*.my.site", "https://my.site", False),
        ("https://*.my.site", "https://evilmy.site", False),
        ("http://my.site:*", "http://my.site:1", True),
        ("*", "https://anything.at.all", True),
        ("*", "null", True),
        ("https://a?.site", "https://ab.site", False),
        ("https://a?.site", "https://a?.site", True),
        ("https://[ab].site", "https://a.site", False),
        ("http://[::1]:*", "http://[::1]:3000", True),
        ("", "https://evil.com", False),
    ],
)
def test_a_listed_origin_may_call_and_only_the_star_stands_for_something_else(
    listed: str, origin: str, allowed: bool
) -> None:
    assert origin_guard(listed)[0].allows(origin) is allowed


async def test_a_foreign_page_gets_an_empty_403_and_never_reaches_the_application() -> None:
    guard, inner = origin_guard()
    for method in ("GET", "POST", "OPTIONS"):
        heard = await ask(guard, method, host="localhost:11434", origin="http://localhost.evil.com")
        assert (heard.status, heard.body, heard.headers) == (403, b"", {"content-length": "0"})
    assert inner.asked == 0


async def test_an_allowed_page_is_told_that_it_may_read_the_answer() -> None:
    guard, inner = origin_guard()
    heard = await ask(guard, "POST", host="localhost:11434", origin="http://localhost:3000")
    assert (heard.status, heard.body, inner.asked) == (200, b"inside", 1)
    assert heard.headers == {
        "x-inner": "1",
        "access-control-allow-origin": "http://localhost:3000",
        "vary": "Origin",
    }


async def test_a_preflight_is_answered_here_with_what_the_page_may_do() -> None:
    guard, inner = origin_guard("https://my.site")
    heard = await ask(guard, "OPTIONS", host="localhost:11434", origin="https://my.site")
    assert (heard.status, heard.body, inner.asked) == (204, b"", 0)
    assert heard.headers["access-control-allow-origin"] == "https://my.site"
    assert heard.headers["vary"] == "Origin"
    methods = heard.headers["access-control-allow-methods"].split(",")
    assert set(methods) == {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
    names = heard.headers["access-control-allow-headers"].lower().split(",")
    assert {
        "authorization",
        "content-type",
        "user-agent",
        "accept",
        "x-requested-with",
        "openai-beta",
    } <= set(names)
    assert len([name for name in names if name.startswith("x-stainless-")]) == 12
    assert "content-length" not in heard.headers  # a 204 has no length


async def test_a_page_served_by_this_very_server_needs_no_permission() -> None:
    guard, inner = origin_guard()
    for scheme in ("http", "https"):
        heard = await ask(guard, "POST", host="my.box:11434", origin=f"{scheme}://my.box:11434")
        assert (heard.status, inner.asked) == (200, 1)
        assert "access-control-allow-origin" not in heard.headers
        inner.asked = 0
    assert (await ask(guard, "POST", host="my.box:11434", origin="http://my.box:3000")).status == 403
    assert (await ask(guard, "POST", host="my.box:11434", origin="http://my.box")).status == 403


async def test_who_is_no_browser_sends_no_origin_and_is_served() -> None:
    guard, inner = origin_guard()
    heard = await ask(guard, "POST", host="localhost:11434")
    assert (heard.status, inner.asked, heard.headers) == (200, 1, {"x-inner": "1"})


async def test_options_without_an_origin_is_answered_with_nothing() -> None:
    guard, inner = origin_guard()
    heard = await ask(guard, "OPTIONS", host="localhost:11434")
    assert (heard.status, heard.body, heard.headers, inner.asked) == (204, b"", {}, 0)


@given(st.sampled_from(["localhost", "127.0.0.1", "0.0.0.0"]), st.text("abz.-", min_size=1, max_size=10))
def test_no_domain_that_begins_like_this_machine_may_call(host: str, rest: str) -> None:
    for scheme in ("http", "https"):
        assert not origin_guard()[0].allows(f"{scheme}://{host}{rest}.com")
        assert not origin_guard()[0].allows(f"{scheme}://{rest}{host}")
