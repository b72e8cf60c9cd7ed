from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.flag_storage import FolderStorage, Storage, on_both
from support.flagging import flag

from monitor.errors import FlagNotFoundError, OutputError
from monitor.flags.database import FlagStore
from monitor.flags.files import CLIP, FlagFiles, RepairReport
from monitor.types import ClipState

FILES = {"frame.jpg": b"a picture", "trace.json": b"{}"}


@pytest.fixture
def store(storage: Storage):
    with storage.store() as store:
        yield store


@pytest.fixture
def exhibits(storage: Storage) -> FlagFiles:
    return storage.files()


def kept(exhibits: FlagFiles, store: FlagStore, number: int = 0, **changes: Any):
    """A flag with its first files and a pending clip."""
    one = flag(number, **changes)
    one = replace(one, exhibits=exhibits.create(one.id, FILES))
    store.add(one, actor="ada")
    return one


def add_clip(exhibits: FlagFiles, flag_id: str) -> None:
    with exhibits.open_new(flag_id, CLIP) as path:
        path.write_bytes(b"a clip")


class TestKeeping:
    @on_both
    def test_files_are_there_whole_with_their_hashes(
        self, exhibits: FlagFiles, store: FlagStore, storage: Storage
    ) -> None:
        one = kept(exhibits, store)
        assert {name: storage.read(one.id, name) for name in storage.names(one.id)} == FILES
        assert {name: exhibits.path(one.id, name).read_bytes() for name in exhibits.names(one.id)} == FILES
        assert [(each.name, each.size) for each in one.exhibits] == [("frame.jpg", 9), ("trace.json", 2)]
        assert exhibits.hash_file(one.id, "frame.jpg") == one.exhibits[0]
        assert exhibits.faults(one) == []

    @on_both
    def test_a_file_that_fails_on_the_way_vanishes(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)

        def encode(path: Path) -> None:
            path.write_bytes(b"half a cl")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), exhibits.open_new(one.id, CLIP) as path:
            encode(path)
        assert exhibits.faults(one) == []

    @on_both
    def test_their_size_is_summed(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        assert exhibits.size(one.id) == 11
        assert exhibits.usage([one]) == {one.id: 11}
        assert exhibits.size("nobody") == 0

    @on_both
    def test_a_flag_that_was_deleted_gets_no_file(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        exhibits.remove(one.id)
        exhibits.remove(one.id)
        with pytest.raises(FlagNotFoundError, match="was deleted"):
            add_clip(exhibits, one.id)

    def test_a_failed_write_is_one_sentence_and_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "files").write_text("in the way")
        with pytest.raises(OutputError, match="cannot be written"):
            FlagFiles(tmp_path / "files").create("some", FILES)
        with pytest.raises(OutputError, match="cannot be written"):
            FlagFiles(tmp_path).create("some", {"x" * 300: b""})
        assert [path.name for path in tmp_path.iterdir()] == ["files"]

    @on_both
    def test_tampering_is_reported(self, exhibits: FlagFiles, store: FlagStore, storage: Storage) -> None:
        one = kept(exhibits, store)
        assert exhibits.path(one.id, "frame.jpg").read_bytes() == b"a picture"
        storage.write(one.id, "frame.jpg", b"A picture")
        storage.delete(one.id, "trace.json")
        storage.write(one.id, "more.txt", b"hello")
        storage.write(one.id, ".DS_Store", b"made by a file manager")
        assert exhibits.faults(one) == [
            f"{one.id}/trace.json is missing", f"{one.id}/more.txt was added", f"{one.id}/frame.jpg was changed",
        ]  # fmt: skip

    def test_a_pending_clip_is_no_fault(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        with exhibits.open_new(one.id, CLIP) as path:
            path.write_bytes(b"half")
            being_encoded = path.with_name(".clip.mp4-5f2c01ab.partial")
            being_encoded.touch()
            assert exhibits.faults(one) == []
            being_encoded.unlink()
        assert exhibits.faults(one) == [], "it lies there, and is recorded next"
        done = replace(one, clip=ClipState.MISSING)
        assert exhibits.faults(done) == [f"{one.id}/{CLIP} was added"]

    def test_files_that_cannot_be_deleted_or_read_are_an_error(
        self, exhibits: FlagFiles, store: FlagStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = kept(exhibits, store)
        with pytest.raises(OutputError, match="cannot be read: No such file"):
            exhibits.hash_file(one.id, "nothing")

        def refused(_: Path) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("shutil.rmtree", refused)
        with pytest.raises(OutputError, match=r"cannot be deleted \(Permission denied\)"):
            exhibits.remove(one.id)


class TestRepair:
    @on_both
    def test_a_valid_store_is_unchanged(self, exhibits: FlagFiles, store: FlagStore) -> None:
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
        one = kept(exhibits, store)
        add_clip(exhibits, one.id)
        store.attach(one.id, (*one.exhibits, exhibits.hash_file(one.id, CLIP)), clip=ClipState.KEPT)
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
        assert exhibits.faults(store.get(one.id)) == []

    def test_a_kill_at_every_step_is_repaired(self, exhibits: FlagFiles, store: FlagStore, tmp_path: Path) -> None:
        exhibits.create("never-committed", FILES)
        root = tmp_path / "kept" / "files"
        (root / "hardly-begun.partial").mkdir()
        cut, whole = kept(exhibits, store, 1), kept(exhibits, store, 2)
        (exhibits.folder(cut.id) / f"{CLIP}.partial").write_bytes(b"half")
        add_clip(exhibits, whole.id)
        assert exhibits.repair(store) == RepairReport(orphans=3, found=1, lost=1)
        assert sorted(path.name for path in root.iterdir()) == [cut.id, whole.id]
        found, lost = store.get(whole.id), store.get(cut.id)
        assert found.clip is ClipState.KEPT
        assert [each.name for each in found.exhibits] == ["frame.jpg", "trace.json", CLIP]
        assert (lost.clip, lost.exhibits) == (ClipState.MISSING, cut.exhibits)
        assert "before the clip was complete" in lost.clip_why
        assert exhibits.faults(found) == exhibits.faults(lost) == []
        assert store.first_fault() is None
        assert exhibits.repair(store) == RepairReport(0, 0, 0)

    def test_a_kill_is_repaired_in_a_bucket_after_some_time(self, bucket: Storage) -> None:
        exhibits = bucket.files()
        exhibits.create("never-committed", FILES)
        with bucket.store() as store:
            cut, whole = kept(exhibits, store, 1), kept(exhibits, store, 2)
            add_clip(exhibits, whole.id)
            young = kept(exhibits, store, 3, created_at=datetime.now(UTC))
            report = bucket.files().repair(store)
            assert report == RepairReport(orphans=0, found=1, lost=1), "the folder and the last flag are young"
            assert bucket.names() == {"never-committed", cut.id, whole.id, young.id}
            found, lost = store.get(whole.id), store.get(cut.id)
            assert (found.clip, lost.clip, store.get(young.id).clip) == ("kept", "missing", "pending")
            assert [each.name for each in found.exhibits] == ["frame.jpg", "trace.json", CLIP]
            at_once = bucket.files(abandoned_after=timedelta())
            assert at_once.repair(store) == RepairReport(orphans=1, found=0, lost=1)
            assert bucket.names() == {cut.id, whole.id, young.id}
            assert exhibits.faults(found) == exhibits.faults(lost) == []
            assert store.first_fault() is None

    def test_beside_another_process_only_old_things_are_repaired(
        self, exhibits: FlagFiles, store: FlagStore, storage: FolderStorage
    ) -> None:
        one = kept(exhibits, store, created_at=datetime.now(UTC))
        exhibits.create("being-committed", FILES)
        other = storage.files()
        assert other.repair(store) == RepairReport(0, 0, 0)
        assert storage.names() == {one.id, "being-committed"}
        exhibits.close()
        assert other.repair(store) == RepairReport(orphans=1, found=0, lost=1), "that process has ended"

    def test_while_a_process_repairs_another_one_waits_to_write(
        self, exhibits: FlagFiles, store: FlagStore, storage: FolderStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept(exhibits, store)
        monkeypatch.setattr("monitor.flags.file_stores.folder._PATIENCE", 0.05)
        with exhibits._files.alone() as is_alone:
            assert is_alone
            with pytest.raises(OutputError, match="another process repairs it"):
                storage.files().create("some", FILES)
        assert storage.files().create("some", FILES)

    def test_a_clip_that_a_process_records_meanwhile_stays(
        self, exhibits: FlagFiles, store: FlagStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = kept(exhibits, store)
        find = store.find

        def find_and_change(*args: Any, **options: Any) -> Any:
            found = find(*args, **options)
            add_clip(exhibits, one.id)
            store.attach(one.id, (*one.exhibits, exhibits.hash_file(one.id, CLIP)), clip=ClipState.KEPT, span=(1, 2))
            return found

        monkeypatch.setattr(store, "find", find_and_change)
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
        assert store.get(one.id).clip_span == (1, 2)
