"""The store: names over manifests over blobs, as Ollama lays them out, with the box behind."""

import hashlib
import io
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paddock.errors import (
    BlobNotFound,
    BrokenModel,
    BuiltinModel,
    DigestMismatch,
    InvalidDigest,
    ModelNotFound,
    StoreError,
)
from paddock.messages import Message
from paddock.names import ModelName
from paddock.store.blobs import Blobs, check_digest
from paddock.store.builtin import box as packaged_box
from paddock.store.models import ModelStore
from stores import KIND, Shelf, tree

HELLO = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


@pytest.fixture
def box(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "box")
    made.add("tiny", ("model", b"tiny weights"), ("license", "free"), age=1000)
    return made


def name(text: str) -> ModelName:
    return ModelName.parse(text)


def names(store: ModelStore) -> list[str]:
    return [model.name.short for model in store.list()]


# ── blobs ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_digest_is_sha256_and_64_hex_digits() -> None:
    assert check_digest(HELLO) == HELLO
    assert check_digest(HELLO.upper().replace("SHA256:", "sha256-")) == HELLO
    for text in (
        "",
        "sha256:",
        HELLO[:-1],
        HELLO + "0",
        "md5:" + HELLO[7:],
        HELLO + "\n",
        "sha256:../../x",
        "x" + HELLO,
    ):
        with pytest.raises(InvalidDigest, match=r"^invalid digest format$"):
            check_digest(text)


def test_what_is_put_lies_under_its_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "deep" / "blobs")
    stored = blobs.put(io.BytesIO(b"hello"))
    assert (stored.digest, stored.size) == (HELLO, 5)
    assert blobs.find(HELLO).read_bytes() == b"hello"
    assert tree(tmp_path / "deep" / "blobs") == [HELLO.replace(":", "-")]
    assert blobs.put(io.BytesIO(b"hello"), HELLO) == stored


def test_a_blob_may_be_read_by_an_ollama_of_another_user(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        Blobs(tmp_path).put(io.BytesIO(b"hello"))
    finally:
        os.umask(before)
    assert Blobs(tmp_path).find(HELLO).stat().st_mode & 0o777 == 0o644


def test_a_blob_that_is_not_what_was_expected_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    other = "sha256:" + "0" * 64
    with pytest.raises(DigestMismatch) as caught:
        blobs.put(io.BytesIO(b"hello"), other)
    assert str(caught.value) == f'digest mismatch, expected "{other}", got "{HELLO}"'
    assert tree(tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with pytest.raises(KeyboardInterrupt), blobs.receive() as incoming:
        incoming.write(b"hel")
        raise KeyboardInterrupt
    assert tree(tmp_path) == []


def test_a_missing_blob_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlobNotFound) as caught:
        Blobs(tmp_path / "nowhere").find(HELLO)
    assert str(caught.value) == f'blob "{HELLO}" not found'
    assert not (tmp_path / "nowhere").exists()


def test_a_blob_comes_in_as_a_link_or_as_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"hello")
    linked = Blobs(tmp_path / "a")
    assert linked.link_or_copy_in(source, HELLO) == linked.link_or_copy_in(source, HELLO)
    assert linked.find(HELLO).samefile(source)

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    copied = Blobs(tmp_path / "b")
    copied.link_or_copy_in(source, HELLO)
    assert copied.find(HELLO).read_bytes() == b"hello"
    assert not copied.find(HELLO).samefile(source)


def test_a_source_that_is_not_what_its_name_says_stays_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"tampered")
    with pytest.raises(DigestMismatch):
        Blobs(tmp_path / "a").link_or_copy_in(source, HELLO)
    assert not (tmp_path / "a").exists()


def test_what_the_disk_refuses_is_told_with_file_and_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file.*: (not a directory|file exists)"):
        Blobs(tmp_path / "file" / "blobs").put(io.BytesIO(b"hello"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with pytest.raises(StoreError, match="no space left on device"), blobs.receive() as incoming:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, incoming._part.fileno())
        os.close(full)
        incoming.write(b"x" * (1 << 20))
    assert tree(tmp_path) == []


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def test_a_store_that_does_not_exist_is_empty_and_stays_away(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "nowhere")
    assert store.list() == ()
    with pytest.raises(ModelNotFound):
        store.find(name("x"))
    with pytest.raises(ModelNotFound):
        store.delete(name("x"))
    assert tree(tmp_path) == []


def test_a_model_tells_what_its_manifest_says(shelf: Shelf) -> None:
    path = shelf.add(
        "me/x:7b",
        ("model", b"first weights"),
        ("model", b"weights"),
        ("projector", b"eye"),
        ("adapter", b"lora"),
        ("draft", b"small"),
        config={
            "model_format": "gguf",
            "model_families": None,
            "capabilities": ["completion"],
            "new": {"a": 1},
        },
    )
    model = ModelStore(shelf.root).find(name("me/x:7b"))
    assert model.name.short == "me/x:7b"
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = json.loads(path.read_text())
    assert model.size == sum(layer["size"] for layer in [*manifest["layers"], manifest["config"]])
    assert model.modified_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert model.modified_at.utcoffset() is not None
    assert model.weights is not None
    assert model.weights.read_bytes() == b"weights"
    assert [path.read_bytes() for path in (*model.projectors, *model.adapters)] == [b"eye", b"lora"]
    assert model.draft is not None
    assert model.draft.read_bytes() == b"small"
    assert (model.config.model_format, model.config.model_families) == ("gguf", None)
    assert not model.builtin


def test_texts_are_read_when_asked_for(shelf: Shelf) -> None:
    shelf.add(
        "x",
        ("template", "old"),
        ("template", "{{ .Prompt }}"),
        ("system", "Be brief."),
        ("license", "one"),
        ("license", "two"),
        ("params", '{"stop": ["a"], "temperature": 0.5}'),
        ("messages", '[{"role": "user", "content": "hi", "images": null}]'),
    )
    texts = ModelStore(shelf.root).find(name("x")).texts()
    assert texts.template == "{{ .Prompt }}"
    assert texts.system == "Be brief."
    assert texts.licenses == ("one", "two")
    assert texts.parameters == {"stop": ["a"], "temperature": 0.5}
    assert texts.messages == (Message("user", "hi"),)


def test_a_model_without_texts_has_none(shelf: Shelf) -> None:
    shelf.add("x", ("model", b"weights"), ("prompt", "legacy"))
    texts = ModelStore(shelf.root).find(name("x")).texts()
    assert (texts.template, texts.system, texts.licenses) == ("legacy", None, ())
    assert (texts.parameters, texts.messages) == ({}, ())


def test_look_ups_fold_case_part_by_part(shelf: Shelf) -> None:
    shelf.add("Me/Model:Q4_K_M", ("model", b"weights"))
    shelf.add("me/other", ("model", b"other"))
    store = ModelStore(shelf.root)
    assert store.find(name("mE/mODEL:q4_k_m")).name.short == "Me/Model:Q4_K_M"
    assert store.find(name("ME/other")).name.short == "me/other:latest"


def test_the_exact_spelling_goes_before_others(shelf: Shelf) -> None:
    for spelling in ("x", "X"):
        shelf.add(spelling, ("model", spelling.encode()))
    if len(tree(shelf.root / "manifests" / "registry.ollama.ai" / "library")) < 4:
        pytest.skip("this file system folds case itself")
    store = ModelStore(shelf.root)
    assert [store.find(name(spelling)).name.model for spelling in ("x", "X")] == ["x", "X"]
    assert names(store) == ["X:latest", "x:latest"]


def test_the_list_is_newest_first(shelf: Shelf) -> None:
    for age, model in enumerate(("c", "a", "b")):
        shelf.add(model, ("model", model.encode()), age=age)
    assert names(ModelStore(shelf.root)) == ["c:latest", "a:latest", "b:latest"]


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", "{}", '{"layers": []}', '{"layers": 3}', "\xff",
        '{"layers": [{"digest": "sha256:../../../etc/passwd"}]}',
        '{"layers": [{"mediaType": "x", "digest": "", "size": 1}]}',
        '{"layers": [{"digest": "' + HELLO + '", "size": -1}]}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_manifest_hides_only_itself(
    shelf: Shelf, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.add("good", ("model", b"weights"))
    path = shelf.manifest("bad", content)
    store = ModelStore(shelf.root)
    assert names(store) == ["good:latest"]
    assert str(path) in caplog.text
    with pytest.raises(BrokenModel) as caught:
        store.find(name("bad"))
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)


def test_a_missing_blob_is_named_by_find_and_keeps_its_model_listed(shelf: Shelf) -> None:
    shelf.add("x", ("model", b"hello"))
    (shelf.root / "blobs" / HELLO.replace(":", "-")).unlink()
    store = ModelStore(shelf.root)
    assert names(store) == ["x:latest"]
    with pytest.raises(BrokenModel, match=HELLO):
        store.find(name("x"))


def test_a_damaged_config_hides_only_its_model(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.add("good", ("model", b"weights"))
    layer = shelf.blob("no json")
    shelf.manifest("bad", json.dumps({"config": {"mediaType": "x", **layer}, "layers": []}))
    store = ModelStore(shelf.root)
    assert names(store) == ["good:latest"]
    with pytest.raises(BrokenModel, match=str(layer["digest"])):
        store.find(name("bad"))


def test_a_text_layer_of_absurd_length_is_not_read(shelf: Shelf) -> None:
    layer = shelf.blob(b"x" * 1000)
    path = shelf.root / "blobs" / str(layer["digest"]).replace(":", "-")
    os.truncate(path, 1 << 40)
    shelf.manifest("x", json.dumps({"layers": [{"mediaType": KIND + "system", **layer}]}))
    with pytest.raises(BrokenModel, match="too long"):
        ModelStore(shelf.root).find(name("x")).texts()


@pytest.mark.parametrize(("kind", "content"), [("params", "[1]"), ("params", "{"), ("messages", "{}")])
def test_a_damaged_text_layer_is_named(shelf: Shelf, kind: str, content: str) -> None:
    shelf.add("x", (kind, content))
    model = ModelStore(shelf.root).find(name("x"))
    with pytest.raises(BrokenModel, match=model.layers[0].digest):
        model.texts()


def test_files_that_are_no_models_are_passed_by(shelf: Shelf) -> None:
    path = shelf.add("x", ("model", b"weights"))
    (path.parent / ".DS_Store").write_bytes(b"\0")
    (path.parent.parent / ".DS_Store").write_bytes(b"\0")
    (shelf.root / "manifests" / "stray").write_text("")
    (path.parent / "directory").mkdir()
    (path.parent / "dangling").symlink_to("nowhere")
    assert names(ModelStore(shelf.root)) == ["x:latest"]


def test_blobs_under_their_oldest_name_are_found(shelf: Shelf) -> None:
    shelf.manifest("x", json.dumps({"layers": [{"mediaType": KIND + "model", **shelf.blob("hello", ":")}]}))
    model = ModelStore(shelf.root).find(name("x"))
    assert model.weights is not None
    assert model.weights.name == HELLO


def test_a_store_of_linked_directories_is_served_as_it_lies(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add("x", ("model", b"weights"))
    for part in ("blobs", "manifests/registry.ollama.ai/library"):
        moved = tmp_path / part.replace("/", "-")
        (shelf.root / part).rename(moved)
        (shelf.root / part).symlink_to(moved)
    store = ModelStore(shelf.root)
    assert names(store) == ["x:latest"]
    assert store.find(name("x")).weights is not None
    store.delete(name("x"))
    assert (shelf.root / "manifests/registry.ollama.ai/library").is_symlink()
    assert shelf.blobs() == set()


def test_a_name_too_long_for_the_file_system_is_just_not_there(shelf: Shelf) -> None:
    shelf.add("x", ("model", b"weights"))
    store = ModelStore(shelf.root)
    long = name("h" * 350 + "/n/m")
    with pytest.raises(ModelNotFound):
        store.find(long)
    with pytest.raises(StoreError, match="file name too long"):
        store.copy(name("x"), long)


# ── the box ───────────────────────────────────────────────────────────────────────────────────────


def test_the_box_stands_behind_the_store(shelf: Shelf, box: Shelf) -> None:
    shelf.add("x", ("model", b"weights"))
    store = ModelStore(shelf.root, box.root)
    assert names(store) == ["x:latest", "tiny:latest"]
    assert store.find(name("TINY")).builtin
    shelf.add("Tiny", ("model", b"the user's"))
    assert names(store) == ["Tiny:latest", "x:latest"]
    assert not store.find(name("tiny")).builtin


def test_what_is_only_in_the_box_cannot_be_deleted(shelf: Shelf, box: Shelf) -> None:
    before = tree(box.root)
    with pytest.raises(BuiltinModel, match=r"model 'tiny:latest' comes with Paddock and cannot be deleted"):
        ModelStore(shelf.root, box.root).delete(name("tiny"))
    assert tree(box.root) == before


def test_a_copy_out_of_the_box_could_be_served_by_ollama_alone(shelf: Shelf, box: Shelf) -> None:
    store = ModelStore(shelf.root, box.root)
    store.copy(name("tiny"), name("me/mine"))
    alone = ModelStore(shelf.root)
    mine = alone.find(name("me/mine"))
    assert mine.digest == store.find(name("tiny")).digest
    assert shelf.blobs() == box.blobs()
    alone.delete(name("me/mine"))
    assert shelf.blobs() == set()
    assert len(box.blobs()) == 3


def test_a_damaged_box_is_not_spread(shelf: Shelf, box: Shelf) -> None:
    layer = box.blob(b"tiny weights")
    (box.root / "blobs" / str(layer["digest"]).replace(":", "-")).write_bytes(b"damaged")
    with pytest.raises(BrokenModel, match="is damaged: digest mismatch"):
        ModelStore(shelf.root, box.root).copy(name("tiny"), name("x"))
    assert not (shelf.root / "manifests").exists()


def test_a_store_that_cannot_be_written_still_serves_the_box(tmp_path: Path, box: Shelf) -> None:
    (tmp_path / "file").write_text("")
    store = ModelStore(tmp_path / "file" / "models", box.root)
    assert names(store) == ["tiny:latest"]
    assert store.find(name("tiny")).texts().licenses == ("free",)
    with pytest.raises(StoreError, match="cannot write"):
        store.copy(name("tiny"), name("x"))


def test_the_packaged_box_is_a_store() -> None:
    place = packaged_box()
    if place is None:
        pytest.skip("this checkout carries no models")
    model = ModelStore(place.parent / "nowhere", place).find(name("tiny"))
    for entry in model.layers:
        content = model.blobs.find(entry.digest).read_bytes()
        assert (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)) == (entry.digest, entry.size)


# ── writing ───────────────────────────────────────────────────────────────────────────────────────


def test_a_copy_has_the_same_manifest_byte_for_byte(shelf: Shelf) -> None:
    original = shelf.add("x", ("model", b"weights"))
    original.write_text(original.read_text().replace(",", " ,\n"))
    store = ModelStore(shelf.root)
    before = shelf.blobs()
    store.copy(name("X"), name("me/y:1"))
    copy = store.find(name("me/y:1"))
    assert copy.manifest.read_bytes() == original.read_bytes()
    assert copy.digest == store.find(name("x")).digest
    assert shelf.blobs() == before


def test_a_copy_onto_a_name_in_other_case_replaces_it(shelf: Shelf) -> None:
    shelf.add("x", ("model", b"new"))
    shelf.add("Y", ("model", b"old"))
    store = ModelStore(shelf.root)
    store.copy(name("x"), name("y"))
    assert sorted(names(store)) == ["Y:latest", "x:latest"]
    assert store.find(name("y")).digest == store.find(name("x")).digest


def test_a_copy_of_nothing_is_refused(shelf: Shelf) -> None:
    with pytest.raises(ModelNotFound):
        ModelStore(shelf.root).copy(name("x"), name("y"))
    assert not shelf.root.exists()


def test_a_manifest_whose_blobs_are_missing_is_not_installed(shelf: Shelf) -> None:
    content = json.dumps({"layers": [{"mediaType": KIND + "model", "digest": HELLO, "size": 5}]}).encode()
    store = ModelStore(shelf.root)
    with pytest.raises(BrokenModel, match=HELLO):
        store.install(name("x"), content)
    store.blobs.put(io.BytesIO(b"hello"))
    store.install(name("x"), content)
    assert store.find(name("x")).manifest.read_bytes() == content


def test_deleting_takes_the_blobs_nobody_else_needs(shelf: Shelf) -> None:
    shelf.add("x", ("model", b"mine"), ("license", "shared"), config={"model_type": "1B"})
    shelf.add("y", ("model", b"yours"), ("license", "shared"), config={"model_type": "2B"})
    stray = shelf.blob("an upload that is still under way")
    ModelStore(shelf.root).delete(name("X"))
    left = {str(shelf.blob(text)["digest"]) for text in ("yours", "shared", '{"model_type": "2B"}')}
    assert shelf.blobs() == {digest.replace(":", "-") for digest in left | {str(stray["digest"])}}
    assert tree(shelf.root / "manifests") == [
        "registry.ollama.ai",
        "registry.ollama.ai/library",
        "registry.ollama.ai/library/y",
        "registry.ollama.ai/library/y/latest",
    ]


def test_deleting_the_last_model_leaves_no_empty_directories(shelf: Shelf) -> None:
    shelf.add("host/me/x:1", ("model", b"weights"))
    ModelStore(shelf.root).delete(name("host/me/x:1"))
    assert tree(shelf.root) == ["blobs", "manifests"]


def test_a_digest_counts_however_its_file_or_its_manifest_spells_it(shelf: Shelf) -> None:
    layer = shelf.blob("hello", ":")
    shelf.manifest("x", json.dumps({"layers": [{"mediaType": KIND + "model", **layer}]}))
    spelled = {"mediaType": KIND + "model", "size": 5, "digest": HELLO.replace(":", "-")}
    shelf.manifest("y", json.dumps({"layers": [spelled]}))
    store = ModelStore(shelf.root)
    store.delete(name("x"))
    assert shelf.blobs() == {HELLO}
    store.delete(name("y"))
    assert shelf.blobs() == set()


def test_no_blob_goes_while_any_manifest_is_damaged(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.add("x", ("model", b"weights"))
    bad = shelf.manifest("bad", "{")
    before = shelf.blobs()
    store = ModelStore(shelf.root)
    store.delete(name("x"))
    assert shelf.blobs() == before
    assert str(bad) in caplog.text
    with pytest.raises(ModelNotFound):
        store.find(name("x"))


def test_a_damaged_manifest_can_be_deleted(shelf: Shelf) -> None:
    shelf.manifest("bad", "{")
    shelf.blob("something")
    store = ModelStore(shelf.root)
    store.delete(name("bad"))
    assert tree(shelf.root / "manifests") == []
    assert len(shelf.blobs()) == 1


def test_a_finder_file_does_not_stop_blobs_from_going(shelf: Shelf) -> None:
    path = shelf.add("x", ("model", b"weights"))
    shelf.add("y", ("model", b"others"), config={"a": 1})
    (path.parent / ".DS_Store").write_bytes(b"\0")
    ModelStore(shelf.root).delete(name("x"))
    assert len(shelf.blobs()) == 2


def test_copies_and_deletions_at_once_leave_a_whole_store(shelf: Shelf, box: Shelf) -> None:
    store = ModelStore(shelf.root, box.root)
    failures: list[BaseException] = []

    def churn(number: int) -> None:
        try:
            for _ in range(10):
                store.copy(name("tiny"), name(f"copy:{number}"))
                store.find(name(f"copy:{number}"))
                store.delete(name(f"copy:{number}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert shelf.blobs() == set()
