from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.flag_storage import Storage, on_both
from support.flagging import BEGIN, flag

from monitor.cli.feedback import classify_flag, write_feedback
from monitor.errors import OutputError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.files import FlagFiles
from monitor.lab.datasets.feedback import open_feedback, read_feedback
from monitor.lab.datasets.record import FlaggedFace
from monitor.settings import EvidenceSettings
from monitor.types import Flag, Label, Opinion

BOX = (10.0, 20.0, 110.0, 140.0)


@pytest.fixture
def exhibits(storage: Storage) -> FlagFiles:
    return storage.files()


def reviewed(number: int, opinion: Opinion | None, **changes: Any) -> Flag:
    when = BEGIN + timedelta(days=1)
    return flag(number, **{"opinion": opinion, "reviewed_by": "bob", "reviewed_at": when} | changes)


def kept(exhibits: FlagFiles, one: Flag, *names: str) -> Flag:
    return replace(one, exhibits=exhibits.create(one.id, {name: name.encode() for name in names or ("frame.jpg",)}))


@pytest.mark.parametrize(
    ("label", "opinion", "said"),
    [
        (Label.SUSPICIOUS, Opinion.REAL, "false alarms"),
        (Label.LIKELY_FAKE, Opinion.REAL, "false alarms"),
        (Label.LIKELY_REAL, Opinion.FAKE, "missed"),
        (Label.NOT_ENOUGH_EVIDENCE, Opinion.FAKE, "missed"),
        (Label.LIKELY_FAKE, Opinion.FAKE, "confirmed"),
        (Label.LIKELY_REAL, Opinion.REAL, "confirmed"),
        (Label.NOT_ENOUGH_EVIDENCE, Opinion.REAL, "real where the program was undecided"),
        (Label.LIKELY_FAKE, Opinion.UNSURE, "unsure"),
        (Label.LIKELY_FAKE, None, "unsure"),
    ],
)
def test_a_flag_is_classified_by_label_and_opinion(label: Label, opinion: Opinion | None, said: str) -> None:
    assert classify_flag(reviewed(0, opinion, label=label)) == said
    assert classify_flag(flag(label=label, opinion=opinion)) == "not reviewed"


@on_both
def test_the_laboratory_reads_what_is_written(exhibits: FlagFiles, tmp_path: Path) -> None:
    flags = [
        kept(exhibits, reviewed(0, Opinion.REAL, note="=looks fine\nto me", category="false alarm")),
        kept(exhibits, reviewed(1, Opinion.FAKE, source="talk — Zoë.mp4", label=Label.LIKELY_REAL, probability=0.1)),
        kept(exhibits, reviewed(2, Opinion.FAKE)),
        kept(exhibits, reviewed(3, Opinion.UNSURE)),
        kept(exhibits, flag(4, opinion=Opinion.FAKE)),
        reviewed(5, Opinion.FAKE),
    ]
    written = write_feedback(flags, tmp_path / "out", exhibits=exhibits)
    assert written.in_words == "1 false alarms, 1 missed, 1 confirmed; left out: 1 unsure, 1 not reviewed, 1 no picture"
    found = open_feedback(tmp_path / "out")
    assert (found.unsure, found.superseded, found.disputed, found.unplaced) == (0, 0, (), 0)
    assert [(record.path.stem, record.label) for record in found.records] == [
        (flag(0).id, 0), (flag(1).id, 1), (flag(2).id, 1),
    ]  # fmt: skip
    assert found.records[0].path.read_bytes() == b"frame.jpg"
    assert {record.flagged for record in found.records} == {(FlaggedFace(BOX),)}
    first, second, third = found.records
    assert first.group == third.group != second.group, "one source is in one split"
    row = found.rows[0]
    assert (row.track_id, row.user, row.model_id, row.probability) == (1, "bob", "weights-1", 0.8)
    assert row.note == "false alarm: =looks fine\nto me"
    assert row.created_at == BEGIN + timedelta(days=1)
    assert read_feedback(tmp_path / "out") == list(found.records)


def test_one_file_under_two_names_is_one_source(exhibits: FlagFiles, tmp_path: Path) -> None:
    flags = [
        kept(exhibits, reviewed(number, Opinion.FAKE, source=name, source_sha256="ab" * 32))
        for number, name in enumerate(("a.mp4", "elsewhere/b.mp4"))
    ]
    write_feedback(flags, tmp_path / "out", exhibits=exhibits)
    assert len({record.group for record in read_feedback(tmp_path / "out")}) == 1


def test_odd_flags_are_written_too(exhibits: FlagFiles, tmp_path: Path) -> None:
    """No box, no track, an empty box, no key frame: the laboratory still reads it."""
    flags = [
        kept(exhibits, reviewed(0, Opinion.FAKE, track_id=None, box=None, probability=None, source="../..")),
        kept(exhibits, reviewed(1, Opinion.REAL, track_id=0, box=(5.0, 5.0, 5.0, 5.0), source="/")),
        kept(exhibits, reviewed(2, Opinion.REAL), "clip.mp4"),
    ]
    write_feedback(flags, tmp_path / "out", exhibits=exhibits)
    found = open_feedback(tmp_path / "out")
    assert [record.flagged for record in found.records] == [(), (), ()]
    assert found.records[2].path.name == f"{flag(2).id}.mp4"


def test_what_cannot_be_written_is_one_sentence(exhibits: FlagFiles, tmp_path: Path) -> None:
    one = kept(exhibits, reviewed(0, Opinion.FAKE))
    with pytest.raises(UsageError, match=r"no flag is usable as feedback \(.*1 unsure\)"):
        write_feedback([reviewed(1, Opinion.UNSURE)], tmp_path / "out", exhibits=exhibits)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write_feedback([one], tmp_path / "file", exhibits=exhibits)
    write_feedback([one], tmp_path / "out", exhibits=exhibits)
    with pytest.raises(UsageError, match="exists already"):
        write_feedback([one], tmp_path / "out", exhibits=exhibits)


def test_the_command_writes_the_feedback(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    with FlagArchive.open(EvidenceSettings(folder=tmp_path / "kept")) as archive:
        archive.store.add(kept(archive.files, flag(0)), actor="ada")
        archive.store.review(flag(0).id, actor="bob", opinion=Opinion.REAL)
    said = cli("flags", "feedback", "--out", "lessons")
    assert said.code == 0, said.err
    assert "1 false alarms, 0 missed, 0 confirmed" in said.out
    assert [record.label for record in read_feedback(tmp_path / "lessons")] == [0]
    assert cli("flags", "feedback", "--out", "lessons").code == 2
