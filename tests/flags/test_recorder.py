import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.events import analyse_frame, close_stream, open_stream
from support.flag_writer import CARD, SUSPECT, provenance
from support.observations import Face, change, observation

from monitor.errors import OutputError, SourceUnreadableError, UsageError
from monitor.flags import recorder
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.settings import Settings
from monitor.types import ClipState, Flag, Frame, Label, LabelChange, Origin

SETTINGS = Settings(evidence={"pre_roll": 2, "post_roll": 1})
PROVENANCE = provenance(SETTINGS)
CALM = Face((200, 40, 260, 120), track=1, label=Label.LIKELY_REAL, probability=0.1, log_odds=-2.0)


class Clips:
    """Writes down what is asked for; fails if told so."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []
        self.fails: Exception | None = None

    def add(self, frame: Frame) -> None: ...

    def save(self, path: Path, start: float, end: float) -> None:
        self.asked.append((start, end))
        if self.fails:
            raise self.fails
        path.write_bytes(b"moving")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive(tmp_path / "kept") as archive:
        yield archive


@pytest.fixture
def clips() -> Clips:
    return Clips()


@pytest.fixture
def flagger(archive: FlagArchive, clips: Clips) -> FlagRecorder:
    made = FlagRecorder(archive, submit=lambda job: job())
    made.prepare(PROVENANCE, clips=clips)
    open_stream(made)
    return made


def show(
    flagger: FlagRecorder, seconds: float, *faces: Face, changes: tuple[LabelChange, ...] = (), grey: int | None = None
) -> None:
    """The flagger sees these faces at a media time, in a picture whose brightness tells the time."""
    level = round(10 * seconds) % 256 if grey is None else grey
    pixels = np.full((240, 320, 3), level, np.uint8)
    frame = Frame(pixels, round(seconds * 5), seconds, datetime(2026, 11, 24, tzinfo=UTC), "cam")
    analyse_frame(flagger, frame, observation(faces, index=frame.index, media_time=seconds, changes=changes))


def mark(seconds: float, **changes: Any) -> FlagRequest:
    return FlagRequest(
        **{"connection": 1, "media_time": seconds, "frame_index": round(seconds * 5), "reporter": "ada"} | changes
    )


def test_a_flag_is_kept_with_what_was_on_the_screen(flagger: FlagRecorder, archive: FlagArchive) -> None:
    for second in range(10):
        show(flagger, float(second), CALM, SUSPECT)
    flag = flagger.flag(mark(7.0, note="look", category="face swap"))
    assert archive.store.get(flag.id) == flag
    assert (flag.track_id, flag.label, flag.probability) == (2, Label.SUSPICIOUS, 0.8), "the worst face"
    assert (flag.start, flag.media_time, flag.end) == (5.0, 7.0, 8.0)
    assert (flag.source, flag.reporter, flag.note, flag.category) == ("cam", "ada", "look", "face swap")
    assert (flag.model, flag.weights_sha256) == (CARD.id, CARD.weights_sha256)
    assert flag.settings["verdict"]["suspicious_at"] == 0.75
    assert archive.files.faults(flag) == []
    folder = archive.files.folder(flag.id)
    picture = np.asarray(Image.open(folder / "frame.jpg"))
    assert picture.shape == (240, 320, 3)
    assert abs(float(picture.mean()) - 70) < 2, "that of second 7"
    drawn = np.asarray(Image.open(folder / "overlay.jpg")).astype(int)
    assert np.abs(drawn - 70).max() > 60
    faces = json.loads((folder / "faces.json").read_text())
    assert (faces["width"], faces["height"]) == (320, 240)
    assert [(face["track_id"], face["box"]) for face in faces["faces"]] == [(1, list(CALM.box)), (2, list(SUSPECT.box))]
    samples = json.loads((folder / "trace.json").read_text())["samples"]
    assert [sample["media_time"] for sample in samples] == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert {sample["log_odds"] for sample in samples} == {1.5}


def test_a_face_can_be_chosen(flagger: FlagRecorder) -> None:
    show(flagger, 0.0, CALM, SUSPECT)
    assert flagger.flag(mark(0.0, track_id=1)).label is Label.LIKELY_REAL


def test_a_picture_without_a_face_can_be_flagged(flagger: FlagRecorder) -> None:
    show(flagger, 0.0)
    flag = flagger.flag(mark(0.0))
    assert (flag.track_id, flag.box, flag.label) == (None, None, Label.NOT_ENOUGH_EVIDENCE)


def test_the_same_mark_twice_is_one_flag(flagger: FlagRecorder, archive: FlagArchive) -> None:
    show(flagger, 0.0, CALM)
    assert flagger.flag(mark(0.0)) == flagger.flag(mark(0.0))
    flagger.flag(mark(0.0, reporter="grace"))
    assert archive.store.count() == 2


def test_the_same_mark_twice_is_one_flag_after_the_source_ended_too(
    flagger: FlagRecorder, archive: FlagArchive
) -> None:
    show(flagger, 1.0, SUSPECT)
    close_stream(flagger)
    assert flagger.flag(mark(1.0)) == flagger.flag(mark(1.0))
    assert archive.store.count() == 1


def test_between_scores_the_last_scored_picture_is_kept(flagger: FlagRecorder, archive: FlagArchive) -> None:
    show(flagger, 1.0, SUSPECT, grey=50)
    show(flagger, 1.2, replace(SUSPECT, log_odds=None), grey=200)
    flag = flagger.flag(mark(1.2))
    picture = np.asarray(Image.open(io.BytesIO((archive.files.folder(flag.id) / "frame.jpg").read_bytes())))
    assert abs(float(picture.mean()) - 50) < 2
    assert flag.frame_index == 6


@pytest.mark.parametrize(
    ("wanted", "why"),
    [(mark(5.0, connection=2), "opened again"), (mark(-1.0), "only the last 30 s")],
)
def test_a_moment_that_is_gone_is_told(
    flagger: FlagRecorder, archive: FlagArchive, wanted: FlagRequest, why: str
) -> None:
    show(flagger, 0.0, CALM)
    with pytest.raises(UsageError, match=why):
        flagger.flag(wanted)
    assert archive.store.count() == 0


def test_old_moments_are_let_go_of(flagger: FlagRecorder) -> None:
    for second in range(60):
        show(flagger, float(second), CALM)
    assert len(flagger._moments) == 31
    with pytest.raises(UsageError, match="only the last 30 s"):
        flagger.flag(mark(20.0))


def test_memory_is_bounded_in_bytes(flagger: FlagRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_MAX_BYTES", 20_000)
    for tenth in range(100):
        show(flagger, tenth / 10, CALM)
    assert sum(len(moment.jpeg) for moment in flagger._moments) == flagger._bytes <= 20_000


class TestClip:
    def test_it_is_written_when_the_seconds_after_are_over(
        self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips
    ) -> None:
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        show(flagger, 5.8, SUSPECT)
        assert archive.store.get(flag.id).clip is ClipState.PENDING
        show(flagger, 6.2, SUSPECT)
        assert clips.asked == [(3.0, 6.0)]
        kept = archive.store.get(flag.id)
        assert kept.clip is ClipState.KEPT
        assert archive.files.faults(kept) == []
        assert (archive.files.folder(flag.id) / "clip.mp4").read_bytes() == b"moving"

    def test_it_is_written_when_the_source_ends_before(self, flagger: FlagRecorder, archive: FlagArchive) -> None:
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        close_stream(flagger)
        assert archive.store.get(flag.id).clip is ClipState.KEPT

    def test_why_there_is_none_is_kept(self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips) -> None:
        clips.fails = SourceUnreadableError("nothing of it is there any more")
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        close_stream(flagger)
        kept = archive.store.get(flag.id)
        assert (kept.clip, kept.clip_why) == (ClipState.MISSING, "nothing of it is there any more")
        assert archive.files.faults(kept) == []

    def test_a_deleted_flag_needs_none(self, flagger: FlagRecorder, archive: FlagArchive) -> None:
        show(flagger, 5.0, SUSPECT)
        archive.delete(flagger.flag(mark(5.0)).id, actor="ada")
        close_stream(flagger)
        assert archive.store.count() == 0


class TestAutomatic:
    def test_a_face_that_becomes_suspicious_is_flagged_once_in_a_while(
        self, flagger: FlagRecorder, archive: FlagArchive
    ) -> None:
        show(flagger, 1.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 1.0),))
        show(flagger, 2.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 2.0),))
        (flag,) = archive.store.find()
        assert (flag.origin, flag.track_id, flag.media_time, flag.reporter) == (Origin.AUTOMATIC, 2, 1.0, "")
        assert [change["after"] for change in flag.trace] == ["SUSPICIOUS"]
        show(flagger, 12.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 12.0),))
        assert archive.store.count() == 2

    def test_not_what_is_seen_again(self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips) -> None:
        flagger.prepare(PROVENANCE, clips=clips)
        open_stream(flagger, connection=2, live=False)
        show(flagger, 1.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 1.0),))
        assert archive.store.count() == 0


def test_a_full_disk_leaves_neither_flag_nor_files(
    flagger: FlagRecorder, archive: FlagArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(flagger, 0.0, CALM)

    def full(*_: object, **__: object) -> None:
        raise OutputError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(type(archive.store), "add", full)
        with pytest.raises(OutputError, match="no space"):
            flagger.flag(mark(0.0))
    assert archive.store.count() == 0
    assert not list((archive.folder / "files").iterdir())
    assert flagger.flag(mark(0.0)), "the next try works"


def test_nothing_seen_is_told(archive: FlagArchive, flagger: FlagRecorder) -> None:
    for nothing in (flagger, FlagRecorder(archive, submit=lambda job: job())):
        with pytest.raises(UsageError, match="no frame has been analysed yet"):
            nothing.flag(mark(0.0))


def test_frames_do_not_wait_for_a_slow_disk(
    flagger: FlagRecorder, archive: FlagArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(flagger, 0.0, CALM)
    add, begun, gate = archive.add, threading.Event(), threading.Event()

    def slow(*args: Any) -> Any:
        begun.set()
        assert gate.wait(20)
        return add(*args)

    monkeypatch.setattr(archive, "add", slow)
    person = threading.Thread(target=flagger.flag, args=(mark(0.0),))
    person.start()
    assert begun.wait(20)
    show(flagger, 1.0, CALM)
    close_stream(flagger)
    gate.set()
    person.join(20)
    (flag,) = archive.store.find()
    assert flag.clip is ClipState.KEPT, "the connection was over before it was committed"


def test_each_new_flag_is_announced_once(archive: FlagArchive, clips: Clips) -> None:
    announced: list[Flag] = []
    flagger = FlagRecorder(archive, submit=lambda job: job(), on_commit=announced.append)
    flagger.prepare(PROVENANCE, clips=clips)
    open_stream(flagger)
    show(flagger, 1.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 1.0),))
    flag = flagger.flag(mark(1.0))
    assert flagger.flag(mark(1.0)) == flag
    assert [one.origin for one in announced] == [Origin.AUTOMATIC, Origin.PERSON]
