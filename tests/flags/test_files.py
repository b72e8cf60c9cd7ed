from dataclasses import replace
from pathlib import Path

import pytest
from support.flagging import flag

from monitor.errors import FlagNotFoundError, OutputError
from monitor.flags.database import FlagStore
from monitor.flags.files import CLIP, FlagFiles, RepairReport
from monitor.types import ClipState

FILES = {"frame.jpg": b"a picture", "trace.json": b"{}"}


@pytest.fixture
def store(tmp_path: Path):
    with FlagStore.open(f"sqlite:///{tmp_path}/flags.db") as store:
        yield store


@pytest.fixture
def exhibits(tmp_path: Path) -> FlagFiles:
    return FlagFiles(tmp_path / "files")


def kept(exhibits: FlagFiles, store: FlagStore, number: int = 0):
    """A flag with its first files and a pending clip."""
    one = flag(number)
    one = replace(one, exhibits=exhibits.create(one.id, FILES))
    store.add(one, actor="ada")
    return one


def add_clip(exhibits: FlagFiles, flag_id: str) -> None:
    with exhibits.open_new(flag_id, CLIP) as path:
        path.write_bytes(b"a clip")


class TestKeeping:
    def test_files_are_there_whole_with_their_hashes(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        assert {path.name: path.read_bytes() for path in exhibits.folder(one.id).iterdir()} == FILES
        assert [(each.name, each.size) for each in one.exhibits] == [("frame.jpg", 9), ("trace.json", 2)]
        assert exhibits.hash_file(one.id, "frame.jpg") == one.exhibits[0]
        assert exhibits.faults(one) == []

    def test_a_file_that_fails_on_the_way_vanishes(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)

        def encode(path: Path) -> None:
            path.write_bytes(b"half a cl")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), exhibits.open_new(one.id, CLIP) as path:
            encode(path)
        assert exhibits.faults(one) == []

    def test_their_size_is_summed(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        assert exhibits.size(one.id) == 11
        assert exhibits.size("nobody") == 0

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

    def test_tampering_is_reported(self, exhibits: FlagFiles, store: FlagStore) -> None:
        one = kept(exhibits, store)
        folder = exhibits.folder(one.id)
        (folder / "frame.jpg").write_bytes(b"A picture")
        (folder / "trace.json").unlink()
        (folder / "more.txt").write_text("hello")
        (folder / ".DS_Store").write_bytes(b"made by a file manager")
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
    def test_a_valid_store_is_unchanged(self, exhibits: FlagFiles, store: FlagStore) -> None:
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
        one = kept(exhibits, store)
        add_clip(exhibits, one.id)
        store.attach(one.id, (*one.exhibits, exhibits.hash_file(one.id, CLIP)), clip=ClipState.KEPT)
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
        assert exhibits.faults(store.get(one.id)) == []

    def test_a_kill_at_every_step_is_repaired(self, exhibits: FlagFiles, store: FlagStore, tmp_path: Path) -> None:
        exhibits.create("never-committed", FILES)
        (tmp_path / "files" / "hardly-begun.partial").mkdir()
        cut, whole = kept(exhibits, store, 1), kept(exhibits, store, 2)
        (exhibits.folder(cut.id) / f"{CLIP}.partial").write_bytes(b"half")
        add_clip(exhibits, whole.id)
        assert exhibits.repair(store) == RepairReport(orphans=3, found=1, lost=1)
        assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [cut.id, whole.id]
        found, lost = store.get(whole.id), store.get(cut.id)
        assert found.clip is ClipState.KEPT
        assert [each.name for each in found.exhibits] == ["frame.jpg", "trace.json", CLIP]
        assert (lost.clip, lost.exhibits) == (ClipState.MISSING, cut.exhibits)
        assert "before the clip was complete" in lost.clip_why
        assert exhibits.faults(found) == exhibits.faults(lost) == []
        assert store.first_fault() is None
        assert exhibits.repair(store) == RepairReport(0, 0, 0)
