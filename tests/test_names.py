"""Model names: the grammar of Ollama, its defaults, and the promise that no name leaves the store."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddock.errors import BadRequest, InvalidName
from paddock.names import ModelName, Source, split_source

LETTERS = st.text("abzAZ09_-.:/\\ ~%\0\n@é", max_size=12)


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("x", "registry.ollama.ai/library/x:latest", "x:latest"),
        ("x:7b", "registry.ollama.ai/library/x:7b", "x:7b"),
        ("me/x", "registry.ollama.ai/me/x:latest", "me/x:latest"),
        ("hf.co/me/x-GGUF:Q4_K_M", "hf.co/me/x-GGUF:Q4_K_M", "hf.co/me/x-GGUF:Q4_K_M"),
        ("localhost:5000/library/x", "localhost:5000/library/x:latest", "localhost:5000/library/x:latest"),
        ("https://ollama.com/library/x:1", "ollama.com/library/x:1", "ollama.com/library/x:1"),
        ("Registry.Ollama.ai/Library/X:Y", "Registry.Ollama.ai/Library/X:Y", "X:Y"),
        ("_x..y", "registry.ollama.ai/library/_x..y:latest", "_x..y:latest"),
    ],
)
def test_a_name_fills_in_its_defaults_and_keeps_its_case(text: str, full: str, short: str) -> None:
    name = ModelName.parse(text)
    assert (name.full, name.short, str(name)) == (full, short, short)


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "x:", ":x", "/x", "x/", "a//x", "a/b/c/d", ".x", "-x", "x:.y", "..", "../x", "a/../x",
        "x:..", "a.b/x", "a b", "x@sha256", "x\n", "x:y\n", "é", "x:y:z", "http://x", "ftp://a/b/c", "://a/b/c",
        "~/x", "x" * 81, "x:" + "y" * 81, "n" * 81 + "/x", "h" * 351 + "/n/x", "x\0", "C:\\x",
    ],
)  # fmt: skip
def test_what_breaks_the_grammar_is_no_name(text: str) -> None:
    with pytest.raises(InvalidName, match=r"^invalid model name$") as caught:
        ModelName.parse(text)
    assert caught.value.text == text


def test_parts_may_be_as_long_as_the_grammar_says() -> None:
    name = ModelName.parse("h" * 350 + "/" + "n" * 80 + "/" + "m" * 80 + ":" + "t" * 80)
    assert [len(part) for part in name.parts] == [350, 80, 80, 80]


def test_a_scheme_is_remembered_but_takes_no_part_in_identity() -> None:
    plain, secure = ModelName.parse("http://a/b/c"), ModelName.parse("https://a/b/c")
    assert (plain.scheme, secure.scheme) == ("http", "https")
    assert plain == secure


def test_names_that_differ_in_case_fold_to_the_same() -> None:
    assert ModelName.parse("Me/X:7B").folded == ModelName.parse("me/x:7b").folded
    assert ModelName.parse("Me/X:7B") != ModelName.parse("me/x:7b")


def test_not_even_the_constructor_makes_an_invalid_name() -> None:
    with pytest.raises(InvalidName):
        ModelName("registry.ollama.ai", "library", "..", "latest")


@given(st.one_of(st.text(max_size=40), LETTERS, st.lists(LETTERS, max_size=5).map("/".join)))
@example("../../etc/passwd")
@example("/etc/passwd")
@example("a/..:..")
def test_no_name_leaves_the_directory_of_the_store(text: str) -> None:
    try:
        name = ModelName.parse(text)
    except InvalidName:
        return
    root = Path("/store/manifests")
    path = root.joinpath(*name.parts)
    assert path.is_relative_to(root)
    assert path.relative_to(root).parts == name.parts
    assert not any(part in ("", ".", "..") or part.startswith(".") or "\0" in part for part in name.parts)
    assert ModelName.parse(name.full) == name
    assert ModelName.parse(name.short).folded == name.folded


@pytest.mark.parametrize(
    ("text", "base", "source"),
    [
        ("x", "x", Source.UNSAID),
        ("x:7b", "x:7b", Source.UNSAID),
        ("x:local", "x", Source.LOCAL),
        ("x:7b:LOCAL", "x:7b", Source.LOCAL),
        ("x:cloud", "x", Source.CLOUD),
        ("me/x:Cloud", "me/x", Source.CLOUD),
        ("x:20b-cloud", "x:20b", Source.CLOUD),
        ("x:20b-CLOUD", "x:20b", Source.CLOUD),
        ("x-cloud", "x-cloud", Source.UNSAID),
        ("host:cloud/x/y", "host:cloud/x/y", Source.UNSAID),
        ("", "", Source.UNSAID),
    ],
)
def test_a_source_suffix_is_taken_off(text: str, base: str, source: Source) -> None:
    assert split_source(text) == (base, source)


@pytest.mark.parametrize("text", ["x:local:cloud", "x:cloud:local", "x:20b-cloud:local", "x:local-cloud"])
def test_local_and_cloud_exclude_each_other(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        split_source(text)
    assert str(caught.value) == f'use either :local or :cloud, not both: "{text}"'


def test_a_suffix_written_twice_is_no_name() -> None:
    with pytest.raises(InvalidName):
        split_source("x:cloud:cloud")
