from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.events import analyse_frame, close_stream, open_stream
from support.flag_storage import Storage, on_both
from support.flag_writer import CARD, SUSPECT, provenance
from support.observations import Face, change, observation

from monitor.errors import OutputError, SourceUnreadableError, UsageError
from monitor.flags import recorder
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import Clip, PictureRing
from monitor.flags.queries import FlagQuery
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.media.sources import open_source
from monitor.runtime import BackgroundWorker
from monitor.settings import Settings
from monitor.system import jpeg
from monitor.types import ClipState, Flag, Frame, Label, LabelChange, Origin

SETTINGS = Settings(evidence={"pre_roll": 2, "post_roll": 1})
PROVENANCE = provenance(SETTINGS)
FIRST = ("frame.jpg", "overlay.jpg", "faces.json", "trace.json")
CALM = Face((200, 40, 260, 120), track=1, label=Label.LIKELY_REAL, probability=0.1, log_odds=-2.0)


class Clips:
    """Writes down what is reserved, written and released; a clip holds ``holds``, or fails if told so."""

    def __init__(self) -> None:
        self.reserved: list[tuple[float, float, float]] = []
        self.written: list[tuple[float, float]] = []
        self.released = 0
        self.holds: Clip | None = None
        self.fails: Exception | None = None

    def add(self, frame: Frame) -> None: ...

    def reserve(self, *, start: float, moment: float, end: float) -> Reserved:
        self.reserved.append((start, moment, end))
        return Reserved(self, start, end)


@dataclass
class Reserved:
    clips: Clips
    start: float
    end: float

    def save(self, path: Path) -> Clip:
        self.clips.written.append((self.start, self.end))
        if self.clips.fails:
            raise self.clips.fails
        path.write_bytes(b"moving")
        return self.clips.holds or Clip(self.start, self.end, reencoded=False)

    def release(self) -> None:
        self.clips.released += 1


@pytest.fixture
def archive(storage: Storage) -> Iterator[FlagArchive]:
    with storage.archive() as archive:
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


@on_both
def test_a_flag_is_kept_with_what_was_on_the_screen(flagger: FlagRecorder, archive: FlagArchive) -> None:
    for second in range(10):
        show(flagger, float(second), CALM, SUSPECT)
    flag = flagger.flag(mark(7.0, note="look", category="face swap"))
    assert archive.store.get(flag.id) == flag
    assert (flag.track_id, flag.label, flag.probability) == (2, Label.SUSPICIOUS, 0.8), "the worst face"
    assert (flag.start, flag.media_time, flag.end) == (5.0, 7.0, 8.0)
    assert (flag.source, flag.reporter, flag.note, flag.category) == ("cam", "ada", "look", "face swap")
    assert (flag.model, flag.weights_sha256) == (CARD.id, CARD.weights_sha256)
    assert flag.settings["verdict"]["suspicious_at"] == 0.8
    assert archive.files.faults(flag) == []
    picture = np.asarray(Image.open(archive.files.path(flag.id, "frame.jpg")))
    assert picture.shape == (240, 320, 3)
    assert abs(float(picture.mean()) - 70) < 2, "that of second 7"
    drawn = np.asarray(Image.open(archive.files.path(flag.id, "overlay.jpg"))).astype(int)
    assert np.abs(drawn - 70).max() > 60
    faces = json.loads(archive.files.path(flag.id, "faces.json").read_text())
    assert (faces["width"], faces["height"]) == (320, 240)
    assert [(face["track_id"], face["box"]) for face in faces["faces"]] == [(1, list(CALM.box)), (2, list(SUSPECT.box))]
    samples = json.loads(archive.files.path(flag.id, "trace.json").read_text())["samples"]
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
    [
        (mark(5.0, connection=2), "opened again"),
        (mark(-1.0), "only the last 30 s"),
        (mark(1e9), "not been analysed yet"),
    ],
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
    @on_both
    def test_it_is_written_when_the_seconds_after_are_over(
        self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips
    ) -> None:
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        show(flagger, 5.8, SUSPECT)
        assert archive.store.get(flag.id).clip is ClipState.PENDING
        show(flagger, 6.2, SUSPECT)
        assert clips.written == [(3.0, 6.0)]
        assert clips.reserved == [(3.0, 5.0, 6.0)]
        assert clips.released == 1
        kept = archive.store.get(flag.id)
        assert kept.clip is ClipState.KEPT
        assert (kept.clip_span, kept.clip_warning) == ((3.0, 6.0), "")
        assert archive.files.faults(kept) == []
        assert archive.files.path(flag.id, "clip.mp4").read_bytes() == b"moving"

    def test_it_is_written_when_the_source_ends_before(self, flagger: FlagRecorder, archive: FlagArchive) -> None:
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        close_stream(flagger)
        assert archive.store.get(flag.id).clip is ClipState.KEPT

    @on_both
    def test_why_there_is_none_is_kept(self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips) -> None:
        clips.fails = SourceUnreadableError("nothing of it is there any more")
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        close_stream(flagger)
        kept = archive.store.get(flag.id)
        assert (kept.clip, kept.clip_why) == (ClipState.MISSING, "nothing of it is there any more")
        assert kept.clip_span is None
        assert archive.files.faults(kept) == []
        assert clips.released == 1

    def test_a_clip_without_its_moment_says_so(self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips) -> None:
        clips.holds = Clip(5.5, 6.0, reencoded=False)
        show(flagger, 5.0, SUSPECT)
        flag = flagger.flag(mark(5.0))
        close_stream(flagger)
        kept = archive.store.get(flag.id)
        assert (kept.clip, kept.clip_span) == (ClipState.KEPT, (5.5, 6.0))
        assert kept.clip_warning == (
            "it does not contain the flagged moment 0:05.0, it is shorter than the requested 0:03.0 to 0:06.0"
        )
        assert archive.store.events(flag.id)[-1].details == {"files": [*FIRST, "clip.mp4"], "why": "", "span": [5.5, 6]}

    def test_pictures_are_reserved_at_the_moment_of_an_automatic_flag(self, archive: FlagArchive, clips: Clips) -> None:
        jobs: list[Any] = []
        flagger = FlagRecorder(archive, submit=jobs.append)
        flagger.prepare(PROVENANCE, clips=clips)
        open_stream(flagger)
        show(flagger, 1.0, SUSPECT, changes=(change(2, Label.SUSPICIOUS, 1.0),))
        assert clips.reserved == [(0.0, 1.0, 2.0)]
        for second in range(2, 60):
            show(flagger, float(second), CALM)
        while jobs:  # a busy machine
            jobs.pop(0)()
        show(flagger, 60.0, CALM)
        jobs.pop()()
        (flag,) = archive.store.find()
        assert (flag.media_time, flag.track_id, flag.clip_span) == (1.0, 2, (0.0, 2.0))

    def test_a_second_mark_and_a_failed_one_release_their_pictures(
        self, flagger: FlagRecorder, archive: FlagArchive, clips: Clips, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        show(flagger, 5.0, SUSPECT)
        known = flagger._mark(mark(5.0))
        flag = flagger.flag(mark(5.0))
        assert flagger._commit(known) == flag, "marked twice before the first was committed"
        assert (len(clips.reserved), clips.released) == (2, 1)

        def full(*_: object, **__: object) -> None:
            raise OutputError("no space left")

        monkeypatch.setattr(archive, "add", full)
        with pytest.raises(OutputError):
            flagger.flag(mark(5.0, reporter="bob"))
        assert (len(clips.reserved), clips.released) == (3, 2)

    @on_both
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


@on_both
def test_a_full_disk_leaves_neither_flag_nor_files(
    flagger: FlagRecorder, archive: FlagArchive, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(flagger, 0.0, CALM)

    def full(*_: object, **__: object) -> None:
        raise OutputError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(type(archive.store), "add", full)
        with pytest.raises(OutputError, match="no space"):
            flagger.flag(mark(0.0))
    assert archive.store.count() == 0
    assert storage.names() == set()
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


class TestBurst:
    """Flags in quick succession, while the clips are written long after their ring has moved on."""

    FLAGS = 30

    @staticmethod
    def run(archive: FlagArchive, ring: PictureRing, flags: int) -> list[Flag]:
        gate = threading.Event()
        with BackgroundWorker("clips") as worker:
            worker.do(gate.wait)  # a writer that does not get on
            flagger = FlagRecorder(archive, submit=worker.do)
            flagger.prepare(PROVENANCE, clips=ring)
            open_stream(flagger)
            for fifth in range(5 * (flags + 30)):
                show(flagger, fifth / 5, CALM, grey=fifth % 250)
                if fifth % 5 == 3 and fifth < 5 * flags:
                    flagger.flag(replace(mark(fifth / 5), frame_index=fifth))
            first, _ = ring.span or (0.0, 0.0)
            assert first > flags, "the ring has moved on"
            gate.set()
        assert ring._reservations.size == 0
        return list(archive.iterate(FlagQuery(order="oldest")))

    @staticmethod
    def grey_at(archive: FlagArchive, flag: Flag) -> float:
        """The brightness of the clip's picture at the flagged moment."""
        assert flag.clip_start is not None
        with open_source(archive.files.folder(flag.id) / "clip.mp4") as source:
            pictures = [one for one in source if one.media_time + flag.clip_start <= flag.media_time + 1e-3]
        return float(pictures[-1].pixels.mean())

    def test_every_clip_holds_its_moment(self, archive: FlagArchive) -> None:
        flags = self.run(archive, PictureRing(seconds=13, max_bytes=1 << 24), self.FLAGS)
        assert len(flags) == self.FLAGS
        for flag in flags:
            assert (flag.clip, flag.clip_warning) == (ClipState.KEPT, "")
            assert flag.clip_span == pytest.approx((flag.start, flag.end))
            assert abs(self.grey_at(archive, flag) - flag.frame_index % 250) < 3
        assert archive.faults() == []

    def test_without_memory_every_clip_says_what_it_lacks(self, archive: FlagArchive) -> None:
        flags = self.run(archive, PictureRing(seconds=13, max_bytes=90_000), self.FLAGS)
        assert len(flags) == self.FLAGS
        reduced = 0
        for flag in flags:
            if flag.clip is ClipState.MISSING:
                assert "memory for waiting clips" in flag.clip_why
                continue
            assert flag.clip_span is not None
            assert flag.clip_span[0] <= flag.media_time <= flag.clip_span[1], "the moment is the last part to go"
            assert abs(self.grey_at(archive, flag) - flag.frame_index % 250) < 3
            shortage = max(flag.clip_span[0] - flag.start, flag.end - flag.clip_span[1])
            assert ("shorter than the requested" in flag.clip_warning) == (shortage > 0.5)
            reduced += shortage > 0.5
        assert reduced
        assert archive.faults() == []


def test_a_flag_can_have_an_id_from_outside(flagger: FlagRecorder, archive: FlagArchive) -> None:
    show(flagger, 2.0, SUSPECT)
    assert flagger.flag(mark(2.0, flag_id="20261124T153000-5f2c01ab")).id == "20261124T153000-5f2c01ab"
    assert flagger.flag(mark(2.0, flag_id="20261124T153000-00000000")).id == "20261124T153000-5f2c01ab", "one flag"


def test_a_buffered_picture_is_given_in_full_size(flagger: FlagRecorder) -> None:
    show(flagger, 2.0, SUSPECT)
    assert jpeg.decode(flagger.picture(connection=1, media_time=2.1)).shape == (240, 320, 3)
    with pytest.raises(UsageError, match="the source was opened again meanwhile"):
        flagger.picture(connection=2, media_time=2.0)
