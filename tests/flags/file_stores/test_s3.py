"""The bucket of a real S3 endpoint on loopback; tests/flags/test_files.py has what all stores do."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest
from support.flag_storage import BucketStorage
from support.s3_server import KEYS

from monitor.errors import OutputError
from monitor.flags.file_stores import FileStore, open_file_store
from monitor.flags.file_stores import s3 as module
from monitor.settings import EvidenceSettings

FILES = {"frame.jpg": b"a picture", "trace.json": b"{}"}


def unreachable() -> str:
    """An address that nobody answers at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def at(address: str, folder: Path, files: str = "s3://flags/nothing") -> FileStore:
    return open_file_store(EvidenceSettings(files=files, files_endpoint=address), folder=folder)


def test_a_file_is_known_by_its_url(bucket: BucketStorage) -> None:
    store = bucket.file_store()
    store.create("one", FILES)
    assert store.locate("one", "frame.jpg") == f"{bucket.settings.files}/one/frame.jpg"
    assert store.address == bucket.settings.files


def test_a_clip_is_there_whole_or_not_at_all(bucket: BucketStorage) -> None:
    store = bucket.file_store()
    store.create("one", FILES)
    with store.open_new("one", "clip.mp4") as path:
        path.write_bytes(b"a clip")
        assert bucket.names("one") == set(FILES)
    assert bucket.read("one", "clip.mp4") == b"a clip"
    assert not path.parent.exists(), "the local file is deleted"


def test_a_failed_upload_leaves_nothing_of_a_flag(bucket: BucketStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bucket.file_store()
    pipe = store._system.pipe  # type: ignore[attr-defined]

    def half(files: dict[str, bytes]) -> None:
        pipe(dict(list(files.items())[:1]))
        raise OSError("connection reset")

    monkeypatch.setattr(store._system, "pipe", half)  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="one cannot be written: connection reset"):
        store.create("one", FILES)
    assert bucket.names() == set()


def test_a_changed_object_is_never_read_from_an_old_copy(bucket: BucketStorage) -> None:
    store = bucket.file_store()
    store.create("one", FILES)
    assert store.path("one", "frame.jpg").read_bytes() == b"a picture"
    bucket.write("one", "frame.jpg", b"A picture")
    assert store.path("one", "frame.jpg").read_bytes() == b"A picture"
    bucket.delete("one", "frame.jpg")
    for read in (store.path, store.hash_file):
        with pytest.raises(OutputError, match=r"one/frame\.jpg cannot be read: no such file or bucket"):
            read("one", "frame.jpg")


def test_copies_of_a_removed_flag_are_deleted(bucket: BucketStorage) -> None:
    store = bucket.file_store()
    store.create("one", FILES)
    copy = store.path("one", "frame.jpg")
    store.remove("one")
    assert not copy.exists()


def test_an_id_is_no_prefix_of_another(bucket: BucketStorage) -> None:
    store = bucket.file_store()
    for flag_id in ("one", "one-more"):
        store.create(flag_id, FILES)
    store.remove("one")
    assert bucket.names("one-more") == set(FILES)
    assert store.remove_abandoned({"one-more"}, min_age=timedelta()) == 0


def test_a_store_that_does_not_answer_is_one_sentence(
    s3_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    store = at(unreachable(), tmp_path)
    for act in (lambda: store.create("one", FILES), lambda: store.sizes("one"), store.require_writable):
        with pytest.raises(OutputError, match=r"the store does not answer; check evidence\.files_endpoint") as error:
            act()
        assert "\n" not in str(error.value)


def test_missing_and_wrong_keys_are_told_without_them(
    s3_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(OutputError, match="keys are incomplete; set AWS_ACCESS_KEY_ID") as error:
        at(s3_address, tmp_path).create("one", FILES)
    assert KEYS["AWS_ACCESS_KEY_ID"] not in str(error.value)


def test_a_reason_without_better_words_is_masked_and_short() -> None:
    reason = module._reason(ValueError("bad\nurl http://user:secret@host/x?token=abc " + "y" * 500))
    assert "secret" not in reason
    assert "abc" not in reason
    assert "\n" not in reason
    assert len(reason) <= 210
    assert module._reason(PermissionError("Forbidden")).startswith("the store refuses these keys")
