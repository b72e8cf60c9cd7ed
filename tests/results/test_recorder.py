import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.clips import video
from support.observations import change, observation

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError, OutputError, SourceUnavailableError
from monitor.media.sources import Source, open_source
from monitor.results.recorder import ResultRecorder, run
from monitor.results.report import Report
from monitor.runtime import VerdictCollector
from monitor.settings import Settings, SourceSettings
from monitor.types import Hint, HintKind, Label, Reason, Segment


@pytest.fixture
def demo() -> Source:
    return open_source("demo:", SourceSettings(demo_seconds=1.0))


def kept(source: Source, folder: Path, engines: Engines, settings: Settings) -> Report:
    recording = ResultRecorder(folder, source=source, engines=engines, settings=settings)
    return run(source, engines=engines, settings=settings, recording=recording)


def test_a_source_becomes_a_result(demo: Source, engines: Engines, settings: Settings, tmp_path: Path) -> None:
    result = kept(demo, tmp_path, engines, settings)
    assert result.failure is None
    assert result.frames.frames_analysed == result.frames.frames_read == 25
    assert len(result.tracks) >= 1
    assert result.folder == tmp_path / "demo"
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"]["label"] == result.verdict.label
    assert report == result.to_dict() | {"created_at": report["created_at"]}
    assert report["engine"]["name"] == "onnxruntime-fp32"
    assert report["model"]["id"] == engines.classifier.card.id
    assert len(report["tracks"]) == len(result.tracks)


def test_without_a_recording_nothing_is_written(demo: Source, engines: Engines, settings: Settings) -> None:
    seen: list[int] = []
    result = run(demo, engines=engines, settings=settings, sinks=[lambda frame, _: seen.append(frame.index)])
    assert result.folder is None
    assert seen == list(range(25))


def test_the_same_file_gives_the_same_report(engines: Engines, settings: Settings, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=10)
    reports = []
    for attempt in ("a", "b"):
        kept(open_source(clip), tmp_path / attempt, engines, settings)
        report = json.loads((tmp_path / attempt / "clip" / "report.json").read_text(encoding="utf-8"))
        del report["created_at"]
        reports.append(report)
    assert reports[0] == reports[1]
    assert reports[0]["source"]["sha256"]
    assert reports[0]["verdict"]["reasons"] == [Reason.NO_FACE]


def test_a_still_picture_is_judged_and_says_so(
    demo: Source, engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    Image.fromarray(next(iter(demo)).pixels).save(tmp_path / "face.png")
    result = kept(open_source(tmp_path / "face.png"), tmp_path / "out", engines, settings)
    assert len(result.tracks) == 1
    assert Reason.SINGLE_IMAGE in result.verdict.reasons
    assert (tmp_path / "out" / "face" / "annotated.mp4").is_file()


class Lost(Source):
    """A camera that hangs up after some frames."""

    def __init__(self, source: Source, frames: int) -> None:
        super().__init__(replace(source.info, live=True), source._drops)
        self._source, self._frames = source, frames

    def __iter__(self):
        for _, frame in zip(range(self._frames), self._source, strict=False):
            yield frame
        raise SourceUnavailableError("camera hung up; is it on?")

    def close(self) -> None:
        self._source.close()


def test_what_was_seen_before_a_camera_hung_up_is_kept(
    demo: Source, engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    result = kept(Lost(demo, 3), tmp_path, engines, settings)
    assert "hung up" in str(result.failure)
    assert result.folder is not None
    report = json.loads((result.folder / "report.json").read_text(encoding="utf-8"))
    assert "hung up" in report["frames"]["ended_early"]


def test_a_camera_that_shows_nothing_leaves_nothing(
    demo: Source, engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnavailableError):
        kept(Lost(demo, 0), tmp_path / "out", engines, settings)
    assert not (tmp_path / "out").exists()


def test_a_failing_engine_leaves_nothing(demo: Source, engines: Engines, settings: Settings, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EngineError("the engine broke")

    broken_engines = replace(
        engines, scorers=(SimpleNamespace(score=broken, engine=engines.scorer.engine, classifier=engines.classifier),)
    )
    with pytest.raises(EngineError, match="broke"):
        kept(demo, tmp_path / "out", broken_engines, settings)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing(
    demo: Source, engines: Engines, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, pixels: object, media_time: float) -> None:
        if media_time > 0.5:
            raise OutputError("no space left on the disk")

    monkeypatch.setattr("monitor.media.video_writer.VideoWriter.write", full)
    with pytest.raises(OutputError, match="no space"):
        kept(demo, tmp_path / "out", engines, settings)
    assert not (tmp_path / "out").exists()


def test_a_tick_can_end_the_session_early_and_keep_what_was_seen(
    engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    source = open_source("demo:", SourceSettings(demo_seconds=600))
    recording = ResultRecorder(tmp_path, source=source, engines=engines, settings=settings, video=False)
    result = run(source, engines=engines, settings=settings, recording=recording, on_tick=lambda stats: False)
    assert 0 < result.frames.frames_analysed < 600 * 25
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["report.json", "timeline.csv"]


def test_the_tallys_memory_is_bounded() -> None:
    tally = VerdictCollector()
    segment = Segment(track_id=1, start=0, end=1, label=Label.SUSPICIOUS, peak=0.9, mean=0.8, best_frame=0, best_time=0)
    hint = Hint(HintKind.FROZEN, 0.0, 3.0)
    observation = SimpleNamespace(
        changes=(change(1),) * 600,
        closed_segments=(segment,) * 600,
        ended_tracks=(),
        hints=(),
        hint_changes=(hint,) * 600,
        engine="onnxruntime-fp32",
    )
    frame = np.zeros(1)
    for _ in range(100):
        tally(frame, observation)  # type: ignore[arg-type]
    assert len(tally.segments) == len(tally.label_changes) == 10_000


class Again(Source):
    """A stream that shows its first passage twice."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.info, source._drops)
        self._source = source

    def __iter__(self):
        passage = list(self._source)
        for number, frame in enumerate(passage * 2):
            yield replace(frame, index=number, media_time=number / 25)

    def close(self) -> None:
        self._source.close()


def test_hints_on_the_stream_are_told_and_kept_beside_the_verdict(
    engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    result = kept(Again(open_source("demo:", SourceSettings(demo_seconds=2.0))), tmp_path, engines, settings)
    (hint,) = result.hints
    assert (hint.kind, hint.end) == (HintKind.LOOPED, None)
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    assert [(one["kind"], one["end"]) for one in report["hints"]] == [("LOOPED", None)]
    assert report["hints"][0]["start"] == pytest.approx(2.0, abs=0.5)


def test_hints_that_ended_are_remembered_too(demo: Source) -> None:
    tally, (frame, *_) = VerdictCollector(), demo
    ended, held = Hint(HintKind.FROZEN, 1.0, 4.0), Hint(HintKind.VIRTUAL_CAMERA, 0.0)
    for active, changes in (((held,), (held,)), ((held,), (ended,))):
        tally(frame, replace(observation(), hints=active, hint_changes=changes))
    assert tally.hints == (ended, held)
