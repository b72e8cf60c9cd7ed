from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from monitor.errors import OutputError, SourceUnreadableError
from monitor.flags import from_analysis
from monitor.flags.archive import FlagArchive
from monitor.flags.from_analysis import AnalysedFile, flag_span
from monitor.media.video_writer import VideoWriter
from monitor.types import ClipState, Label, Reason

SPAN = {
    "track_id": 2,
    "start": 1.0,
    "end": 3.0,
    "label": "SUSPICIOUS",
    "peak": 0.83,
    "best_frame": 20,
    "best_time": 2.0,
}
REPORT = {
    "source": {"kind": "file", "sha256": "ab" * 32},
    "tracks": [{"track_id": 2, "samples": 9, "effective_samples": 1.7, "reasons": ["TOO_BLURRED"]}],
    "label_changes": [{"track_id": 2, "after": "SUSPICIOUS"}, {"track_id": 1, "after": "LIKELY_REAL"}],
    "engine": {"name": "onnxruntime-fp32"},
    "model": {"id": "weights-1", "weights_sha256": "cd" * 32},
    "program": {"version": "0.1.0"},
    "settings": {"verdict": {"fake_at": 0.9}},
}


def video(path: Path, *, brighter: int = 0) -> Path:
    """Four seconds whose brightness tells the time."""
    with VideoWriter(path, fps=10) as written:
        for index in range(40):
            written.write(np.full((96, 128, 3), 5 * index + brighter, np.uint8), index / 10)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive(tmp_path / "kept") as archive:
        yield archive


@pytest.fixture
def analysed(tmp_path: Path) -> AnalysedFile:
    (tmp_path / "results").mkdir()
    video(tmp_path / "results" / "annotated.mp4", brighter=40)
    return AnalysedFile(video(tmp_path / "upload.mp4"), "holiday.mp4", tmp_path / "results", REPORT)


def brightness(path: Path) -> float:
    return float(np.asarray(Image.open(path)).mean())


def test_a_span_is_kept_with_its_pictures_and_clip(archive: FlagArchive, analysed: AnalysedFile) -> None:
    flag = flag_span(archive, analysed, SPAN, reporter="ada", note="look")
    assert archive.store.get(flag.id) == flag
    assert (flag.source, flag.reporter, flag.note, flag.clip) == ("holiday.mp4", "ada", "look", ClipState.KEPT)
    assert (flag.start, flag.media_time, flag.end, flag.track_id) == (1.0, 2.0, 3.0, 2)
    assert (flag.label, flag.probability, flag.reasons) == (Label.SUSPICIOUS, 0.83, (Reason.TOO_BLURRED,))
    assert [change["track_id"] for change in flag.trace] == [2]
    assert archive.faults() == []
    assert flag.box is None, "no timeline tells"
    folder = archive.files.folder(flag.id)
    assert brightness(folder / "frame.jpg") == pytest.approx(100, abs=4)
    assert brightness(folder / "overlay.jpg") == pytest.approx(140, abs=4)
    with av.open(str(folder / "clip.mp4")) as clip:
        assert len(list(clip.decode(video=0))) >= 20


def test_the_timeline_tells_where_the_face_was(archive: FlagArchive, analysed: AnalysedFile) -> None:
    timeline = analysed.results / "timeline.csv"
    head = "frame_index,media_time,track_id,box_x1,box_y1,box_x2,box_y2\n"
    timeline.write_text(head + "19,1.9,2,1,2,3,4\n20,2.0,1,5,6,7,8\n20,2.0,2,10.5,11.0,40.0,52.5\n")
    assert flag_span(archive, analysed, SPAN, reporter="ada").box == (10.5, 11.0, 40.0, 52.5)
    timeline.write_text(head + "20,2.0,2,,,,\n")
    assert flag_span(archive, analysed, SPAN, reporter="ada").box is None


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
