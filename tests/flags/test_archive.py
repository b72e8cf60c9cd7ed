from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.flagging import BEGIN, clip, flag

from monitor.errors import OutputError
from monitor.flags import archive as archives
from monitor.flags.archive import FlagArchive, default_folder
from monitor.flags.bundle import verify
from monitor.flags.queries import ALL, FlagQuery
from monitor.flags.retention import RetentionClass, Usage
from monitor.media.clip import Clip
from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Flag, Opinion, Origin


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive.open(EvidenceSettings(folder=tmp_path / "kept")) as archive:
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


def test_deleting_a_flag_deletes_its_files(archive: FlagArchive) -> None:
    archive.delete(flag(1).id, actor="bob", why="asked for")
    assert not archive.files.folder(flag(1).id).exists()
    assert archive.store.count() == 2
    assert archive.faults() == []


def test_faults_of_database_and_files_are_reported_together(archive: FlagArchive) -> None:
    (archive.files.folder(flag(2).id) / "frame.jpg").write_bytes(b"another")
    archive.files.remove(flag(0).id)
    assert archive.faults() == [f"{flag(0).id}/frame.jpg is missing", f"{flag(2).id}/frame.jpg was changed"]


def test_a_clip_that_contradicts_its_flag_is_a_fault(archive: FlagArchive) -> None:
    def write(path: Path, seconds: float) -> Clip:
        path.write_bytes(clip((0.0, seconds)))
        return Clip(10.0, 14.0, reencoded=False)

    archive.add_clip(flag(0).id, lambda path: write(path, 4.0))
    archive.add_clip(flag(1).id, lambda path: write(path, 2.5))
    assert archive.store.get(flag(0).id).clip_span == (10.0, 14.0)
    assert archive.faults() == [f"{flag(1).id}/clip.mp4 has 2.50 s, but the flag states 4.00 s"]


def test_an_export_is_valid(archive: FlagArchive, tmp_path: Path) -> None:
    made = archive.export(archive.store.find(ALL), tmp_path / "all.zip", actor="bob")
    assert verify(made.path).faults == ()
    assert made.flags == 3


def automatic(archive: FlagArchive, number: int) -> Flag:
    one = flag(number, origin=Origin.AUTOMATIC, reporter="", clip=ClipState.KEPT)
    one = replace(one, exhibits=archive.files.create(one.id, {"frame.jpg": b"a picture"}))
    archive.store.add(one, actor="")
    return one


def test_tidying_deletes_the_planned_flags_and_logs_the_reason(archive: FlagArchive) -> None:
    one, settings = automatic(archive, 5), EvidenceSettings(keep_days=1)
    now = BEGIN + timedelta(days=2)
    (planned,) = archive.plan(settings, now=now).deletions
    assert (planned.flag_id, planned.size) == (one.id, 9)
    assert archive.store.count() == 4, "a plan deletes nothing"
    assert archive.tidy(settings, now=now).deletions == (planned,)
    assert archive.store.count() == 3, "what people flagged stays"
    assert not archive.files.folder(one.id).exists()
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
