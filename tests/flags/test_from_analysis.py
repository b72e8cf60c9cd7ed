import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.observations import ENGINE, Face, observation

from monitor.errors import OutputError, SourceUnreadableError
from monitor.flags import from_analysis
from monitor.flags.archive import FlagArchive
from monitor.flags.bundle import verify
from monitor.flags.files import CLIP, FACES, FRAME, OVERLAY, TRACE
from monitor.flags.from_analysis import AnalysedFile, choose_span, flag_span, span_around
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter
from monitor.results.result_folder import TIMELINE_FILE
from monitor.results.timeline import Timeline
from monitor.settings import EvidenceSettings
from monitor.system import jpeg
from monitor.types import ClipState, Flag, Label, Reason

SPAN = {
    "track_id": 2,
    "start": 1.0,
    "end": 3.0,
    "label": "SUSPICIOUS",
    "peak": 0.83,
    "best_frame": 20,
    "best_time": 2.0,
}
REPORT: dict[str, Any] = {
    "source": {"kind": "file", "sha256": "ab" * 32},
    "tracks": [
        {"track_id": 1, "first_seen": 0.0, "last_seen": 4.0, "samples": 9, "effective_samples": 2.2, "reasons": []},
        {
            "track_id": 2,
            "first_seen": 1.5,
            "last_seen": 3.5,
            "samples": 9,
            "effective_samples": 1.7,
            "reasons": ["TOO_BLURRED"],
        },
    ],
    "label_changes": [{"track_id": 2, "after": "SUSPICIOUS"}, {"track_id": 1, "after": "LIKELY_REAL"}],
    "engine": {"name": "onnxruntime-fp32"},
    "model": {"id": "weights-1", "weights_sha256": "cd" * 32},
    "program": {"version": "0.1.0"},
    "settings": {"verdict": {"fake_at": 0.9}},
}

OTHER = Face((70, 20, 110, 70), track=1, log_odds=-2.0)
SUSPECT = Face((10, 20, 50, 70), track=2, label=Label.SUSPICIOUS, probability=0.78, log_odds=1.5)


def video(path: Path, *, brighter: int = 0) -> Path:
    """Four seconds whose brightness tells the time."""
    with VideoWriter(path, fps=10) as written:
        for index in range(40):
            written.write(np.full((96, 128, 3), 5 * index + brighter, np.uint8), index / 10)
    return path


def noisy_video(path: Path) -> Path:
    """Four seconds of one picture without a plain spot."""
    noise = np.random.default_rng(5).integers(0, 255, (24, 32, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    with VideoWriter(path, fps=10) as written:
        for index in range(40):
            written.write(noise, index / 10)
    return path


def tell(results: Path, *moments: tuple[float, Sequence[Face]]) -> None:
    """Let the timeline say that these faces were sampled at these media times."""
    timeline = Timeline(results)
    for media_time, faces in moments:
        timeline.add(observation(faces, index=round(media_time * 10), media_time=media_time))
    timeline.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive(tmp_path / "kept") as archive:
        yield archive


@pytest.fixture
def analysed(tmp_path: Path) -> AnalysedFile:
    (tmp_path / "results").mkdir()
    video(tmp_path / "results" / "annotated.mp4", brighter=40)
    tell(tmp_path / "results", (1.8, [OTHER, SUSPECT]), (2.0, [OTHER, SUSPECT]), (2.2, [OTHER, SUSPECT]))
    return AnalysedFile(video(tmp_path / "upload.mp4"), "holiday.mp4", tmp_path / "results", REPORT)


def brightness(path: Path) -> float:
    return float(np.asarray(Image.open(path)).mean())


def faces_of(archive: FlagArchive, flag: Flag) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((archive.files.folder(flag.id) / FACES).read_bytes())
    return found


def test_a_span_is_kept_with_its_pictures_and_clip(archive: FlagArchive, analysed: AnalysedFile) -> None:
    flag = flag_span(archive, analysed, SPAN, reporter="ada", note="look")
    assert archive.store.get(flag.id) == flag
    assert (flag.source, flag.reporter, flag.note, flag.clip) == ("holiday.mp4", "ada", "look", ClipState.KEPT)
    assert (flag.start, flag.media_time, flag.end, flag.track_id) == (1.0, 2.0, 3.0, 2)
    assert (flag.label, flag.probability, flag.reasons) == (Label.SUSPICIOUS, 0.78, (Reason.TOO_BLURRED,))
    assert (flag.samples, flag.effective_samples, flag.engine) == (2, 2.4, ENGINE), "those up to the moment"
    assert [change["track_id"] for change in flag.trace] == [2]
    assert archive.faults() == []
    folder = archive.files.folder(flag.id)
    assert brightness(folder / "frame.jpg") == pytest.approx(100, abs=4)
    assert brightness(folder / "overlay.jpg") == pytest.approx(140, abs=4)
    assert flag.clip_span is not None
    assert flag.clip_span[0] <= flag.start
    assert (flag.clip_warning, archive.faults()) == ("", [])
    with av.open(str(folder / "clip.mp4")) as clip:
        assert len(list(clip.decode(video=0))) >= 20


def test_a_flag_holds_every_face_of_its_frame_with_what_was_said_of_it(
    archive: FlagArchive, analysed: AnalysedFile
) -> None:
    gone, later = replace(OTHER, track=3), replace(OTHER, track=4)
    tracks = [REPORT["tracks"][0] | seen for seen in (
        {"track_id": 3, "first_seen": 0.0, "last_seen": 1.9}, {"track_id": 4, "first_seen": 2.1, "last_seen": 4.0}
    )]  # fmt: skip
    analysed = replace(analysed, report=REPORT | {"tracks": [*REPORT["tracks"], *tracks]})
    near = replace(OTHER, label=Label.LIKELY_REAL, probability=0.125)
    tell(analysed.results, (0.4, [OTHER]), (1.9, [near, gone]), (2.0, [SUSPECT]), (2.1, [later]), (2.3, [OTHER]))
    flag = flag_span(archive, analysed, SPAN, reporter="ada")
    assert flag.box == SUSPECT.box
    assert faces_of(archive, flag) == {
        "frame_index": 20,
        "media_time": 2.0,
        "width": 128,
        "height": 96,
        "faces": [
            {"track_id": 1, "box": list(OTHER.box), "label": "LIKELY_REAL", "probability": 0.125},
            {"track_id": 2, "box": list(SUSPECT.box), "label": "SUSPICIOUS", "probability": 0.78},
        ],
    }


@pytest.mark.parametrize("settings", [{"min_score_interval": 0.5}, {"score_every": 0.5}])
def test_a_face_is_in_the_frame_if_its_sample_is_as_near_as_two_samples(
    archive: FlagArchive, analysed: AnalysedFile, settings: dict[str, float]
) -> None:
    moments = (1.6, [OTHER]), (2.0, [SUSPECT])
    tell(analysed.results, *moments)
    sparse = replace(analysed, report=REPORT | {"settings": {"classifier": settings}})
    faces = [faces_of(archive, flag_span(archive, one, SPAN, reporter="ada"))["faces"] for one in (analysed, sparse)]
    assert [[face["track_id"] for face in found] for found in faces] == [[2], [1, 2]]


def test_the_trace_holds_the_samples_of_the_face_in_its_span(archive: FlagArchive, analysed: AnalysedFile) -> None:
    rejected = replace(SUSPECT, log_odds=None, rejected=(Reason.TOO_DARK,))
    both = [OTHER, SUSPECT]
    tell(analysed.results, (0.8, both), (1.0, both), (1.2, [OTHER, rejected]), (2.0, both), (3.0, both), (3.2, both))
    flag = flag_span(archive, analysed, SPAN, reporter="ada")
    trace = json.loads((archive.files.folder(flag.id) / TRACE).read_bytes())
    assert [sample["media_time"] for sample in trace["samples"]] == [1.0, 2.0, 3.0]
    assert {sample["log_odds"] for sample in trace["samples"]} == {1.5}
    assert tuple(trace["changes"]) == flag.trace


def test_an_export_blurs_the_other_face_of_an_analysed_file(
    archive: FlagArchive, analysed: AnalysedFile, tmp_path: Path
) -> None:
    analysed = replace(analysed, file=noisy_video(tmp_path / "noise.mp4"))
    noisy_video(analysed.results / "annotated.mp4")
    flag = flag_span(archive, analysed, SPAN, reporter="ada")
    bundle = archive.export([flag], tmp_path / "a.zip", actor="bob", blur=True)
    assert bundle.skipped == ()
    found = verify(bundle.path)
    assert found.faults == ()
    assert f"{CLIP} was altered by the export: everything outside the flagged face blurred" in found.declared[-1]
    with zipfile.ZipFile(bundle.path) as exported:
        (tmp_path / "blurred.mp4").write_bytes(exported.read(f"flags/{flag.id}/{CLIP}"))
        for name in (FRAME, OVERLAY):
            shown = jpeg.decode(exported.read(f"flags/{flag.id}/{name}")).astype(float)
            kept = jpeg.decode((archive.files.folder(flag.id) / name).read_bytes()).astype(float)
            other, own = (slice(20, 70), slice(70, 110)), (slice(20, 70), slice(10, 50))
            assert shown[other].std() < 0.7 * kept[other].std()
            lost = [np.abs(shown[face] - kept[face]).mean() for face in (own, other)]
            assert 3 * lost[0] < lost[1], "the flag's own face can be seen"
    assert flag.clip_span is not None
    with open_source(tmp_path / "blurred.mp4") as blurred, open_source(archive.files.folder(flag.id) / CLIP) as whole:
        for shown_frame, kept_frame in zip(blurred, whole, strict=True):
            moment = flag.clip_span[0] + kept_frame.media_time
            detail = shown_frame.pixels[own].std() / kept_frame.pixels[own].std()
            assert shown_frame.pixels[other].std() < 0.4 * kept_frame.pixels[other].std(), "at every moment"
            if not 0.05 < min(abs(moment - 1.8), abs(moment - 2.2)) < 0.15:
                assert bool(detail > 0.8) is (1.7 < moment < 2.3), "where the flagged face was sampled"


@pytest.mark.parametrize("broken", ["unreadable", "own face", "no box"])
def test_where_the_faces_are_may_not_be_known(
    archive: FlagArchive, analysed: AnalysedFile, tmp_path: Path, broken: str
) -> None:
    timeline = analysed.results / TIMELINE_FILE
    if broken == "unreadable":
        timeline.write_text("no,timeline\n1,2\n")
    elif broken == "own face":
        tell(analysed.results, (2.0, [OTHER]))
    else:
        tell(analysed.results, (2.0, [OTHER, SUSPECT]))
        timeline.write_text(timeline.read_text().replace("10.0,20.0,50.0,70.0", ",,,", 1))
    flag = flag_span(archive, analysed, SPAN, reporter="ada")
    assert (flag.track_id, flag.label, flag.box) == (2, Label.SUSPICIOUS, None)
    assert flag.probability == (0.78 if broken == "no box" else None), "never the peak of the span"
    assert faces_of(archive, flag)["faces"] is None
    skipped = archive.export([flag], tmp_path / "a.zip", actor="bob", blur=True).skipped
    assert f"{flag.id}/{FRAME}: {FACES} does not contain the positions of its faces" in skipped


def test_a_chosen_span_is_kept_at_its_strongest_sample(archive: FlagArchive, analysed: AnalysedFile) -> None:
    weak = replace(SUSPECT, log_odds=0.5)
    tell(analysed.results, (0.6, [replace(SUSPECT, log_odds=4.0)]), (1.4, [OTHER, weak]), (1.8, [OTHER, SUSPECT]))
    flag = flag_span(archive, analysed, choose_span(analysed, 1.0, 2.5), reporter="ada")
    assert (flag.start, flag.media_time, flag.end, flag.track_id) == (1.0, 1.8, 2.5, 2)
    assert (flag.frame_index, flag.clip, flag.box) == (18, ClipState.KEPT, SUSPECT.box)
    assert brightness(archive.files.folder(flag.id) / "frame.jpg") == pytest.approx(90, abs=4)


def test_a_chosen_span_without_a_face_is_kept_as_a_whole(archive: FlagArchive, analysed: AnalysedFile) -> None:
    flag = flag_span(archive, analysed, choose_span(analysed, 3.0, 3.5), reporter="ada")
    assert (flag.start, flag.media_time, flag.end, flag.track_id, flag.box) == (3.0, 3.0, 3.5, None, None)
    assert (flag.label, flag.probability, flag.clip) == (Label.NOT_ENOUGH_EVIDENCE, None, ClipState.KEPT)
    assert faces_of(archive, flag)["faces"] == []
    assert archive.faults() == []


def test_the_frame_on_the_screen_is_kept_with_its_surroundings(archive: FlagArchive, analysed: AnalysedFile) -> None:
    evidence = EvidenceSettings(pre_roll=1.0, post_roll=5.0)
    report = REPORT | {"source": REPORT["source"] | {"duration": 4.0}}
    span = span_around(replace(analysed, report=report), 2.05, evidence)
    flag = flag_span(archive, analysed, span, reporter="ada")
    assert (flag.start, flag.media_time, flag.end) == (1.05, 2.0, 4.0)
    assert (flag.frame_index, flag.track_id, flag.label) == (20, 2, Label.SUSPICIOUS), "the worst face"
    folder = archive.files.folder(flag.id)
    assert brightness(folder / "frame.jpg") == pytest.approx(100, abs=4)
    assert brightness(folder / "overlay.jpg") == pytest.approx(140, abs=4)
    at_the_end = flag_span(archive, analysed, span_around(analysed, 4.2, evidence), reporter="ada")
    assert at_the_end.frame_index == 39


def test_the_same_span_is_flagged_once(archive: FlagArchive, analysed: AnalysedFile) -> None:
    for span in (SPAN, span_around(analysed, 2.05, EvidenceSettings())):
        flag = flag_span(archive, analysed, span, reporter="ada")
        assert flag_span(archive, analysed, span, reporter="ada") == flag
        assert flag_span(archive, analysed, span, reporter="bob") != flag, "another person's"
    assert archive.store.count() == 4
    archive.delete(flag.id, actor="ada")
    assert flag_span(archive, analysed, span, reporter="ada") != flag


def test_a_file_that_is_gone_keeps_nothing(archive: FlagArchive, analysed: AnalysedFile, tmp_path: Path) -> None:
    short = replace(analysed, file=tmp_path / "results" / "annotated.mp4")
    with pytest.raises(SourceUnreadableError, match="it ends before 9 s"):
        flag_span(archive, short, SPAN | {"best_time": 9.0}, reporter="ada")
    assert archive.store.count() == 0


def test_a_clip_that_cannot_be_had_is_said(
    archive: FlagArchive, analysed: AnalysedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("no space left")

    monkeypatch.setattr(from_analysis, "cut_isolated", full)
    flag = flag_span(archive, analysed, SPAN, reporter="ada")
    assert (flag.clip, flag.clip_why) == (ClipState.MISSING, "no space left")
    assert archive.faults() == []
