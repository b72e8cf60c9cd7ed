import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.events import analyse_frame, close_stream, open_stream
from support.flag_writer import SUSPECT, provenance
from support.observations import Face, change, observation, segment, summary
from support.reports import written_report

from monitor.flags.archive import FlagArchive
from monitor.flags.builder import FlagDraft, FlagMark, FlagProvenance, choose_face, observed_frame, observed_samples
from monitor.flags.clips import PictureRing
from monitor.flags.files import FACES, FRAME, OVERLAY, TRACE
from monitor.flags.from_analysis import AnalysedFile, flag_span
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.media.video_writer import VideoWriter
from monitor.settings import Settings
from monitor.system import jpeg
from monitor.types import Flag, Frame, Label, Observation, Reason, SourceVerdict

CALM = Face((200, 40, 260, 120), track=1, label=Label.LIKELY_REAL, probability=0.1, log_odds=-2.0)
GREY = np.full((240, 320, 3), 128, np.uint8)
PROVENANCE = provenance(Settings(evidence={"pre_roll": 1, "post_roll": 1}))
MOMENT = 2.0


def draft(*faces: Face, track_id: int | None = None, start: float = 1.0, observed: int = 5) -> FlagDraft:
    """Of the last of some observations of these faces, half a second apart."""
    seen = [observation(faces, index=index, media_time=index / 2) for index in range(observed)]
    picture = jpeg.encode(GREY, quality=90)
    frame = observed_frame(seen[-1], picture=picture, captured_at=datetime(2026, 1, 1, tzinfo=UTC))
    return FlagDraft(
        provenance=FlagProvenance.of(PROVENANCE, engine="torch"),
        mark=FlagMark(media_time=MOMENT, frame_index=4, start=start, end=3.0, reporter="ada", note="odd"),
        frame=frame,
        face=choose_face(frame.faces or (), track_id=track_id),
        changes=[change(track, media_time=1.5).to_dict() for track in (1, 2)],
        samples=list(observed_samples(seen)),
    )


def read(made: FlagDraft, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.files()[name])
    return found


def test_a_flag_is_about_the_worst_face_unless_one_is_chosen() -> None:
    flag = draft(CALM, SUSPECT).flag()
    assert (flag.track_id, flag.label, flag.probability, flag.box) == (2, Label.SUSPICIOUS, 0.8, SUSPECT.box)
    assert [change["track_id"] for change in flag.trace] == [2]
    assert draft(CALM, SUSPECT, track_id=1).flag().probability == 0.1


@pytest.mark.parametrize("faces", [(), (CALM,)])
def test_a_flag_without_its_face_is_about_the_picture(faces: tuple[Face, ...]) -> None:
    made = draft(*faces, track_id=7)
    flag = made.flag()
    assert (flag.track_id, flag.box, flag.label, flag.probability) == (None, None, Label.NOT_ENOUGH_EVIDENCE, None)
    assert (flag.trace, flag.reasons) == ((), ())
    assert read(made, TRACE) == {"changes": [], "samples": []}


def test_a_flag_names_its_source_and_its_judge() -> None:
    flag = draft(SUSPECT).flag()
    assert (flag.source, flag.source_kind, flag.engine) == ("cam", "rtsp", "torch")
    assert flag.weights_sha256 == PROVENANCE.model.weights_sha256
    assert (flag.start, flag.media_time, flag.end, flag.reporter, flag.note) == (1.0, 2.0, 3.0, "ada", "odd")


def test_every_face_of_the_frame_is_kept_even_without_a_probability() -> None:
    unknown = replace(
        CALM, label=Label.NOT_ENOUGH_EVIDENCE, probability=None, reasons=(Reason.TOO_DARK,), log_odds=None
    )
    faces = read(draft(unknown, SUSPECT), FACES)
    assert (faces["width"], faces["height"], faces["media_time"]) == (320, 240, MOMENT)
    assert faces["faces"] == [
        {"track_id": 1, "box": list(CALM.box), "label": "NOT_ENOUGH_EVIDENCE", "probability": None},
        {"track_id": 2, "box": list(SUSPECT.box), "label": "SUSPICIOUS", "probability": 0.8},
    ]


def test_the_trace_holds_the_samples_of_the_face_since_the_start() -> None:
    samples = read(draft(CALM, SUSPECT, start=1.0), TRACE)["samples"]
    assert [sample["media_time"] for sample in samples] == [1.0, 1.5, 2.0]
    assert {sample["log_odds"] for sample in samples} == {SUSPECT.log_odds}
    assert [sample["box"] for sample in samples] == [list(SUSPECT.box)] * 3, "for a blurred clip"


def test_the_overlay_is_the_picture_with_its_boxes() -> None:
    files = draft(SUSPECT).files()
    assert np.abs(jpeg.decode(files[FRAME]).astype(int) - 128).max() < 5
    assert np.abs(jpeg.decode(files[OVERLAY]).astype(int) - 128).max() > 60


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FlagArchive, Flag, Flag]]:
    """The same observations, once watched live and once left by an analysis, and the flags of one moment of them."""
    folder = tmp_path_factory.mktemp("both")
    seen = [
        observation(
            (CALM, SUSPECT),
            index=2 * number,
            media_time=number / 5,
            changes=[change(2, Label.SUSPICIOUS, 1.2)] if number == 6 else (),
        )
        for number in range(16)
    ]
    with FlagArchive(folder / "kept") as archive:
        yield archive, live_flag(archive, seen), analysed_flag(archive, seen, folder)


def live_flag(archive: FlagArchive, seen: Sequence[Observation]) -> Flag:
    flagger = FlagRecorder(archive, submit=lambda job: job())
    flagger.prepare(PROVENANCE, clips=PictureRing(seconds=1, max_bytes=1 << 20))
    open_stream(flagger, connection=2, live=False)
    for one in seen:
        frame = Frame(GREY.copy(), one.frame_index, one.media_time, datetime(2026, 1, 1, tzinfo=UTC), "cam")
        analyse_frame(flagger, frame, one, connection=2)
    flag = flagger.flag(FlagRequest(connection=2, media_time=MOMENT, frame_index=20, track_id=2, reporter="ada"))
    close_stream(flagger, connection=2)
    return archive.store.get(flag.id)


def analysed_flag(archive: FlagArchive, seen: Sequence[Observation], folder: Path) -> Flag:
    results = folder / "results"
    results.mkdir()
    for path in (folder / "upload.mp4", results / "annotated.mp4"):
        with VideoWriter(path, fps=10) as written:
            for index in range(35):
                written.write(GREY, index / 10)
    span = replace(segment(2, 1.0, 3.0, peak=0.97), best_frame=20, best_time=MOMENT)
    verdict = SourceVerdict(label=Label.SUSPICIOUS, probability=0.8, track_id=2, reasons=())
    tracks = [summary(1), summary(2, Label.SUSPICIOUS, 0.9)]
    report = written_report(results, PROVENANCE, verdict, observations=seen, segments=[span], tracks=tracks)
    upload = AnalysedFile(folder / "upload.mp4", "cam", results, report)
    return flag_span(archive, upload, report["segments"][0], reporter="ada")


def test_live_and_analysed_flags_and_their_files_have_the_same_keys(both: tuple[FlagArchive, Flag, Flag]) -> None:
    archive, *flags = both
    live, analysed = (keys(flag.record()) for flag in flags)
    assert live == analysed
    for name in (FACES, TRACE):
        live, analysed = (json.loads((archive.files.folder(flag.id) / name).read_bytes()) for flag in flags)
        assert keys(live) == keys(analysed)
        assert live == analysed, "the same moment of the same observations"


def test_live_and_analysed_flags_say_the_same_of_the_same_moment(both: tuple[FlagArchive, Flag, Flag]) -> None:
    _, live, analysed = both
    assert analysed.probability == live.probability == 0.8, "the track's at that moment, not the peak of the span"
    names = ("label", "box", "track_id", "effective_samples", "trace", "engine", "model", "settings", "program")
    for name in names:
        assert getattr(live, name) == getattr(analysed, name), name


def keys(value: Any) -> Any:
    """The keys of a value, and of all values in it; a list counts as its first item."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return [keys(inner) for inner in value[:1]] if isinstance(value, list | tuple) else None
