from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.flag_storage import BucketStorage, Storage, on_both
from support.flagging import BEGIN, clip, flag

from monitor.errors import FlagNotFoundError, OutputError
from monitor.flags import archive as archives
from monitor.flags.archive import FlagArchive, default_folder
from monitor.flags.bundle import verify
from monitor.flags.queries import ALL, FlagQuery
from monitor.flags.retention import RetentionClass, Usage
from monitor.media.clip import Clip
from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Flag, Opinion, Origin


@pytest.fixture
def archive(storage: Storage) -> Iterator[FlagArchive]:
    with storage.archive() as archive:
        for number in range(3):
            one = flag(number)
            one = replace(one, exhibits=archive.files.create(one.id, {"frame.jpg": b"a picture"}))
            archive.store.add(one, actor="ada")
        yield archive


def test_the_archive_is_in_the_folder_of_the_settings(archive: FlagArchive, tmp_path: Path) -> None:
    assert {"files", "flags.db"} <= {path.name for path in (tmp_path / "kept").iterdir()}
    facts = {"folder": tmp_path / "other", "database": f"sqlite:///{tmp_path}/kept/flags.db"}
    with FlagArchive.open(EvidenceSettings.model_validate(facts)) as same:
        assert same.store.count() == 3
    assert default_folder().name == "evidence"


def test_every_page_is_read(archive: FlagArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_PAGE", 2)
    assert [one.id for one in archive.iterate(FlagQuery(order="oldest"))] == [flag(number).id for number in range(3)]


@on_both
def test_deleting_a_flag_deletes_its_files(archive: FlagArchive, storage: Storage) -> None:
    archive.delete(flag(1).id, actor="bob", why="asked for")
    assert storage.names() == {flag(0).id, flag(2).id}
    assert archive.store.count() == 2
    assert archive.faults() == []


@on_both
def test_faults_of_database_and_files_are_reported_together(archive: FlagArchive, storage: Storage) -> None:
    storage.write(flag(2).id, "frame.jpg", b"another")
    archive.files.remove(flag(0).id)
    assert archive.faults() == [f"{flag(0).id}/frame.jpg is missing", f"{flag(2).id}/frame.jpg was changed"]


@on_both
def test_a_clip_that_contradicts_its_flag_is_a_fault(archive: FlagArchive) -> None:
    def write(path: Path, seconds: float) -> Clip:
        path.write_bytes(clip((0.0, seconds)))
        return Clip(10.0, 14.0, reencoded=False)

    archive.add_clip(flag(0).id, lambda path: write(path, 4.0))
    archive.add_clip(flag(1).id, lambda path: write(path, 2.5))
    assert archive.store.get(flag(0).id).clip_span == (10.0, 14.0)
    assert archive.faults() == [f"{flag(1).id}/clip.mp4 has 2.50 s, but the flag states 4.00 s"]


@on_both
def test_an_export_is_valid(archive: FlagArchive, tmp_path: Path) -> None:
    made = archive.export(archive.store.find(ALL), tmp_path / "all.zip", actor="bob")
    assert verify(made.path).faults == ()
    assert made.flags == 3


def automatic(archive: FlagArchive, number: int) -> Flag:
    one = flag(number, origin=Origin.AUTOMATIC, reporter="", clip=ClipState.KEPT)
    one = replace(one, exhibits=archive.files.create(one.id, {"frame.jpg": b"a picture"}))
    archive.store.add(one, actor="")
    return one


@on_both
def test_tidying_deletes_the_planned_flags_and_logs_the_reason(archive: FlagArchive, storage: Storage) -> None:
    one, settings = automatic(archive, 5), EvidenceSettings(keep_days=1)
    now = BEGIN + timedelta(days=2)
    (planned,) = archive.plan(settings, now=now).deletions
    assert (planned.flag_id, planned.size) == (one.id, 9)
    assert archive.store.count() == 4, "a plan deletes nothing"
    assert archive.tidy(settings, now=now).deletions == (planned,)
    assert archive.store.count() == 3, "what people flagged stays"
    assert one.id not in storage.names()
    last = archive.store.events(one.id)[-1]
    assert (last.action, last.actor, last.details) == ("deleted", "", {"why": planned.why})
    assert archive.faults() == []


def test_false_alarms_have_their_own_age_limit(archive: FlagArchive) -> None:
    one, settings = automatic(archive, 5), EvidenceSettings(false_alarm_days=3)
    assert archive.tidy(settings, now=BEGIN + timedelta(days=9)).deletions == (), "nobody called it one"
    archive.store.review(one.id, actor="bob", opinion=Opinion.REAL)
    assert archive.plan(EvidenceSettings(), now=BEGIN).held[RetentionClass.FALSE_ALARM] == Usage(1, 9)
    said = archive.store.get(one.id).reviewed_at
    assert said is not None
    assert archive.tidy(settings, now=said + timedelta(days=2.9)).deletions == ()
    (gone,) = archive.tidy(settings, now=said + timedelta(days=3.1)).deletions
    assert gone.flag_id == one.id
    assert archive.plan(EvidenceSettings(), now=BEGIN).held[RetentionClass.FALSE_ALARM] == Usage(0, 0)


def test_a_flag_reviewed_or_deleted_meanwhile_is_skipped(archive: FlagArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, gone, settings = automatic(archive, 5), automatic(archive, 6), EvidenceSettings(keep_days=1)
    plan = archive.plan(settings, now=BEGIN + timedelta(days=2))
    assert len(plan.deletions) == 2
    archive.store.review(seen.id, actor="bob")
    archive.delete(gone.id, actor="bob")
    monkeypatch.setattr(archive, "plan", lambda *_, **__: plan)
    assert archive.tidy(settings, now=BEGIN + timedelta(days=2)).deletions == ()
    assert archive.store.get(seen.id).reviewed_by == "bob"


def test_its_size_counts_all_files_in_the_folder(archive: FlagArchive) -> None:
    before = archive.size
    (archive.folder / "analyses" / "one").mkdir(parents=True)
    (archive.folder / "analyses" / "one" / "upload.mp4").write_bytes(b"x" * 1000)
    assert archive.size == before + 1000
    assert before == sum(path.stat().st_size for path in archive.folder.rglob("*") if path.is_file()) - 1000
    assert archive.free > 0


def test_an_unwritable_archive_is_an_error(archive: FlagArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path.name for path in archive.folder.iterdir())
    archive.require_writable()
    assert sorted(path.name for path in archive.folder.iterdir()) == before

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match="no space left"):
        archive.require_writable()


def test_an_unwritable_bucket_is_an_error(bucket: BucketStorage) -> None:
    with bucket.archive() as archive:
        archive.require_writable()
        assert bucket.names() == set()
    elsewhere = bucket.settings.model_copy(update={"files": "s3://no-such-bucket/flags"})
    with FlagArchive.open(elsewhere) as archive, pytest.raises(OutputError, match="no such file or bucket"):
        archive.require_writable()


@on_both
def test_a_clip_of_a_flag_that_is_deleted_meanwhile_leaves_nothing(
    archive: FlagArchive, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = archive.store.attach

    def delete_before(flag_id: str, *args: Any, **options: Any) -> Flag:
        archive.store.delete(flag_id, actor="bob")
        return attach(flag_id, *args, **options)

    def write(path: Path) -> Clip:
        path.write_bytes(b"a clip")
        return Clip(10.0, 14.0, reencoded=False)

    monkeypatch.setattr(archive.store, "attach", delete_before)
    with pytest.raises(FlagNotFoundError):
        archive.add_clip(flag(1).id, write)
    assert storage.names() == {flag(0).id, flag(2).id}


def test_a_clip_that_cannot_be_sent_is_missing_with_the_reason(bucket: BucketStorage) -> None:
    with bucket.archive() as archive:
        one = archive.add(flag(), {"frame.jpg": b"a picture"})

    def write(path: Path) -> Clip:
        path.write_bytes(b"a clip")
        monkeypatch.setattr(archive.files._files, "_root", "no-such-bucket/flags")  # type: ignore[attr-defined]
        return Clip(10.0, 14.0, reencoded=False)

    with pytest.MonkeyPatch.context() as monkeypatch, bucket.archive() as archive:
        lost = archive.add_clip(one.id, write)
    assert (lost.clip, lost.exhibits) == (ClipState.MISSING, one.exhibits)
    assert lost.clip_why.endswith("clip.mp4 cannot be written: no such file or bucket")
    assert bucket.names(one.id) == {"frame.jpg"}
    assert not list(archive.folder.glob("copies/**/*.mp4"))


@on_both
def test_two_processes_tidy_at_once(storage: Storage) -> None:
    settings, now = EvidenceSettings(keep_days=1), BEGIN + timedelta(days=2)
    with storage.archive() as one, storage.archive() as other, ThreadPoolExecutor(2) as pool:
        for number in range(12):
            automatic(one, number)
        plans = list(pool.map(lambda archive: archive.tidy(settings, now=now), (one, other)))
        deleted = [deletion.flag_id for plan in plans for deletion in plan.deletions]
        assert sorted(deleted) == [flag(number).id for number in range(12)], "each by one of them"
        assert storage.names() == set()
        assert [event.action for event in one.store.events()].count("deleted") == 12
        assert one.faults() == []
