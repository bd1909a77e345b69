"""The environment: every variable is read, means what it means to Ollama, and is written down."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddock.settings import Address, Settings, parse_address, read

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HOME = {"HOME": "/home/me"}


def variables() -> dict[str, str]:
    """The field of every variable."""
    return {field.metadata["env"]: field.name for field in fields(Settings)}


def test_silence_means_the_documented_defaults() -> None:
    assert read(HOME) == Settings(
        host=Address("http", "127.0.0.1", 11434, ""),
        models=Path("/home/me/.ollama/models"),
        home=Path("/home/me/.paddock"),
    )
    plain = Settings()
    assert (plain.keep_alive, plain.load_timeout, plain.max_queue, plain.idle_exit) == (
        300.0,
        300.0,
        512,
        0.0,
    )
    assert (plain.context_length, plain.num_parallel, plain.max_loaded_models, plain.origins) == (0, 0, 0, ())
    assert (plain.flash_attention, plain.kv_cache_type, plain.debug, plain.insecure) == (
        None,
        "",
        False,
        False,
    )
    assert plain.llama_server == ""


#: A value for every variable that is not its default, and what becomes of it.
SAID: dict[str, tuple[str, object]] = {
    "OLLAMA_HOST": ("10.0.0.1:80", Address("http", "10.0.0.1", 80)),
    "OLLAMA_MODELS": ("/models", Path("/models")),
    "PADDOCK_HOME": ("/paddock", Path("/paddock")),
    "OLLAMA_ORIGINS": ("http://a, app://*,,", ("http://a", "app://*")),
    "OLLAMA_KEEP_ALIVE": ("1h", 3600.0),
    "OLLAMA_LOAD_TIMEOUT": ("90s", 90.0),
    "OLLAMA_CONTEXT_LENGTH": ("8192", 8192),
    "OLLAMA_NUM_PARALLEL": ("7", 7),
    "OLLAMA_MAX_LOADED_MODELS": ("2", 2),
    "OLLAMA_MAX_QUEUE": ("0", 0),
    "OLLAMA_FLASH_ATTENTION": ("0", False),
    "OLLAMA_GO_TEMPLATE": ("0", False),
    "OLLAMA_KV_CACHE_TYPE": ("q8_0", "q8_0"),
    "OLLAMA_SCHED_SPREAD": ("1", True),
    "OLLAMA_DEBUG": ("1", True),
    "PADDOCK_INSECURE": ("true", True),
    "PADDOCK_LLAMA_SERVER": ("/opt/llama-server", "/opt/llama-server"),
    "PADDOCK_ENGINE": ("bundled", "bundled"),
    "PADDOCK_WHEEL_INDEX": ("https://mirror/whl/", "https://mirror/whl"),
    "PADDOCK_IDLE_EXIT": ("30m", 1800.0),
}


def test_no_variable_is_left_out_of_these_tests() -> None:
    assert set(SAID) == set(variables())


@pytest.mark.parametrize("name", variables())
def test_the_variable_that_a_setting_names_is_the_one_that_is_read(name: str) -> None:
    text, value = SAID[name]
    changed, silent = read(HOME | {name: text}), read(HOME)
    differing = [f.name for f in fields(Settings) if getattr(changed, f.name) != getattr(silent, f.name)]
    assert differing == [variables()[name]]
    assert getattr(changed, variables()[name]) == value


@pytest.mark.parametrize("name", variables())
@pytest.mark.parametrize("around", ['"{}"', "'{}'", "  {}\t", ' "{}" ', '" {} "', "\"'{}'\""])
def test_spaces_and_quotes_around_a_value_do_not_count(name: str, around: str) -> None:
    text, _ = SAID[name]
    assert read(HOME | {name: around.format(text)}) == read(HOME | {name: text})


@pytest.mark.parametrize("name", variables())
@pytest.mark.parametrize("nothing", ["", " ", '""', "''", '" "'])
def test_an_empty_value_counts_as_not_set(name: str, nothing: str) -> None:
    assert read(HOME | {name: nothing}) == read(HOME)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True), ("t", True), ("T", True), ("true", True), ("TRUE", True), ("True", True),
        ("0", False), ("f", False),
        ("F", False), ("false", False), ("FALSE", False), ("False", False), ("yes", True), ("2", True),
        ("no", True),
        ("off", True), ("-1", True), ("", None),
    ],
)  # fmt: skip
def test_a_switch_is_gos_and_what_cannot_be_read_counts_as_on(text: str, value: bool | None) -> None:
    switches = (
        "OLLAMA_FLASH_ATTENTION",
        "OLLAMA_GO_TEMPLATE",
        "OLLAMA_DEBUG",
        "PADDOCK_INSECURE",
        "OLLAMA_SCHED_SPREAD",
    )
    found = read(HOME | dict.fromkeys(switches, text))
    assert found.flash_attention is value
    assert found.debug is found.insecure is found.sched_spread is bool(value)


@pytest.mark.parametrize(
    "text", ["many", "-1", "1.5", "1e3", "1_000", "٣", "0x10", "9" * 30, "9" * 5000, "1 2"]
)
def test_what_is_no_number_counts_as_not_set(text: str) -> None:
    for name in ("CONTEXT_LENGTH", "NUM_PARALLEL", "MAX_LOADED_MODELS", "MAX_QUEUE"):
        assert read(HOME | {f"OLLAMA_{name}": text}) == read(HOME)


@pytest.mark.parametrize(
    ("text", "keep_alive", "load_timeout"),
    [
        ("10", 10.0, 10.0), ("10s", 10.0, 10.0), ("1h30m", 5400.0, 5400.0), ("1.5s", 1.5, 1.5),
        ("0", 0.0, math.inf),
        ("0s", 0.0, math.inf), ("-1", math.inf, math.inf), ("-1s", math.inf, math.inf), ("+5", 5.0, 5.0),
        ("soon", 300.0, 300.0), ("1.5", 300.0, 300.0), ("1_0", 300.0, 300.0), ("٣", 300.0, 300.0),
        ("5 m", 300.0, 300.0),
        ("9" * 400, 300.0, 300.0), ("9" * 5000, 300.0, 300.0), ("nan", 300.0, 300.0), ("inf", 300.0, 300.0),
    ],
)  # fmt: skip
def test_a_duration_is_seconds_or_gos_notation(text: str, keep_alive: float, load_timeout: float) -> None:
    found = read(HOME | {"OLLAMA_KEEP_ALIVE": text, "OLLAMA_LOAD_TIMEOUT": text})
    assert (found.keep_alive, found.load_timeout) == (keep_alive, load_timeout)


def test_a_tilde_is_the_users_home_and_only_at_the_beginning() -> None:
    found = read(HOME | {"OLLAMA_MODELS": "~/m", "PADDOCK_HOME": "/x/~/p"})
    assert (found.models, found.home) == (Path("/home/me/m"), Path("/x/~/p"))


def test_the_log_lies_at_paddocks_home() -> None:
    assert read(HOME | {"PADDOCK_HOME": "/p"}).log_file == Path("/p/serve.log")


@given(st.dictionaries(st.sampled_from(sorted(SAID)), st.text(max_size=8), max_size=6))
@example({"OLLAMA_KEEP_ALIVE": "9" * 400})
@example({"OLLAMA_MAX_QUEUE": "9" * 5000, "OLLAMA_HOST": "x:" + "9" * 5000})
@example({"OLLAMA_KEEP_ALIVE": "\udcff", "OLLAMA_HOST": "\udcff"})
def test_no_environment_makes_reading_fail(environ: dict[str, str]) -> None:
    found = read(HOME | environ)
    assert 0 <= found.host.port <= 65535
    assert found.keep_alive >= 0
    assert found.load_timeout > 0
    assert min(found.context_length, found.num_parallel, found.max_loaded_models, found.max_queue) >= 0


# ── OLLAMA_HOST ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("1.2.3.4:0", "http://1.2.3.4:0"),
        ("1.2.3.4:65535", "http://1.2.3.4:65535"),
        (":1234", "http://127.0.0.1:1234"),
        ("example.com", "http://example.com:11434"),
        ("example.com:1234", "http://example.com:1234"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("http://1.2.3.4:4321", "http://1.2.3.4:4321"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("http://example.com:8080/a/b", "http://example.com:8080/a/b"),
        ("example.com/a", "http://example.com:11434/a"),
        ("example.com/", "http://example.com:11434"),
        ("odd://example.com", "odd://example.com:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("http://[::1]", "http://[::1]:80"),
        ("http://[fe80::1]:99/x", "http://[fe80::1]:99/x"),
        ("2001:db8::1", "http://[2001:db8::1]:11434"),
        ("::", "http://[::]:11434"),
        ("0.0.0.0", "http://0.0.0.0:11434"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_an_address_is_read_and_what_is_missing_filled_in(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize("bad", ["65536", "-1", "abc", "", "1_1", "٣", "9" * 5000, " 1"])
def test_a_bad_port_is_as_good_as_none(bad: str) -> None:
    assert parse_address(f"1.2.3.4:{bad}") == parse_address("1.2.3.4")
    assert parse_address(f"https://1.2.3.4:{bad}") == parse_address("https://1.2.3.4")
    assert parse_address(f"[::1]:{bad}") == parse_address("[::1]")


hosts = st.sampled_from(["127.0.0.1", "::1", "fe80::2", "a.example", "localhost", "0.0.0.0", "::"])


@given(
    st.builds(
        Address,
        st.sampled_from(["http", "https"]),
        hosts,
        st.integers(0, 65535),
        st.sampled_from(["", "/a/b"]),
    )
)
def test_an_address_can_be_read_back_from_its_url(address: Address) -> None:
    assert parse_address(address.url) == address
    assert parse_address(address.netloc) == Address("http", address.host, address.port)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False), ("example.com", False), ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_only_loopback_is_closed_to_other_machines(host: str, alone: bool) -> None:
    assert Address(host=host).is_loopback is alone


@pytest.mark.parametrize(("host", "dialled"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("", "127.0.0.1")])
def test_a_client_reaches_a_server_on_every_address_by_loopback(host: str, dialled: str) -> None:
    assert Address("https", host, 5, "/x").reachable == Address("https", dialled, 5, "/x")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "example.com", "::1"])
def test_any_other_address_is_dialled_as_it_is(host: str) -> None:
    assert Address(host=host, port=5).reachable == Address(host=host, port=5)


# ── the page about them ───────────────────────────────────────────────────────────────────────────


def documented(page: str) -> dict[str, tuple[str, str]]:
    """Default and meaning of every variable that has a row of its own."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    return {name: (default, meaning) for name, default, meaning in rows}


def test_the_page_has_a_row_for_every_setting_and_for_nothing_else() -> None:
    assert set(documented(PAGE.read_text(encoding="utf-8"))) == set(variables())


@pytest.mark.parametrize("name", variables())
def test_a_setting_whose_row_is_missing_would_be_noticed(name: str) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    without = "\n".join(line for line in lines if not line.startswith(f"| `{name}` "))
    assert set(variables()) - set(documented(without)) == {name}


def test_the_defaults_on_the_page_are_the_defaults() -> None:
    for name, (default, _) in documented(PAGE.read_text(encoding="utf-8")).items():
        if quoted := re.fullmatch(r"`([^`]+)`", default):
            # f16 is the engine's own choice, where nothing is said.
            text = "" if name == "OLLAMA_KV_CACHE_TYPE" else quoted[1]
            assert read(HOME | {name: text}) == read(HOME), name
        else:
            zero = default.partition(":")[0]
            assert zero in ("0", "none", "off", "the engine decides", "the one that can do more"), name
            assert getattr(read(HOME), variables()[name]) in (0, "", (), None, False), name
