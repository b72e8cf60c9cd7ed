from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.crashes import dies_of_bad
from support.footage import posed

from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.lab.datasets.record import FakeSpan, Record
from monitor.lab.evaluation import videos
from monitor.lab.evaluation.outcomes import MediaSpan, Outcome
from monitor.lab.evaluation.videos import video_outcomes
from monitor.media.sources import open_source
from monitor.results.recorder import run
from monitor.settings import Settings
from monitor.types import Label, Reason


class Says:
    """A classifier that says the same of every crop."""

    name = "scripted"

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(batch), self.logit, np.float32), np.full((len(batch), 3, 3), self.logit, np.float32)


def says(engines: Engines, logit: float) -> Engines:
    return replace(engines, scorers=(Scorer(engines.classifier, Says(logit)),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with a face of three seconds, one without, a picture, and a file that is none of these."""
    folder = tmp_path_factory.mktemp("clips")
    for name, pixels in (
        ("face", posed((160, 120, 120), width=320, height=240)),
        ("empty", np.full((240, 320, 3), 90)),
    ):
        with av.open(folder / f"{name}.mp4", "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(10), options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for _ in range(30):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")))
            container.mux(stream.encode())
    cv2.imwrite(str(folder / "still.png"), posed((160, 120, 120), width=320, height=240)[..., ::-1])
    (folder / "broken.mp4").write_text("no video at all")
    return folder


def record(folder: Path, name: str, label: int = 0, **others: object) -> Record:
    facts = {"dataset": "made", "video_id": name, "path": folder / name, "label": label, "method": "swap" * label}
    return Record(**{**facts, **others})  # type: ignore[arg-type]


def test_a_video_is_what_analyze_says_of_it(folder: Path, engines: Engines, settings: Settings) -> None:
    loud = says(engines, 6.0)
    (found,) = video_outcomes([record(folder, "face.mp4", 1)], settings=settings, engines=loud)
    with open_source(folder / "face.mp4", settings.source) as source:
        result = run(source, engines=loud, settings=settings)
    assert found.decision is result.verdict.label is Label.LIKELY_FAKE
    film = found.footage
    assert film is not None
    assert film.duration == pytest.approx(3.0)
    assert (film.frames, film.faces) == (30, 1)
    assert film.alarms == tuple(MediaSpan(one.start, one.end) for one in result.segments)
    assert 12 <= len(film.moments) <= 16, "five a second, once the face is followed"
    assert film.moments[-1].label is Label.LIKELY_FAKE
    assert film.face_seconds == pytest.approx(2.8, abs=0.2)
    assert 0 < film.abstaining_seconds < 1.5
    assert found.picture is not None


def test_files_are_ranked_by_one_statistic_whatever_the_thresholds(
    folder: Path, engines: Engines, settings: Settings
) -> None:
    calibration = engines.classifier.card.calibration
    leaning = says(engines, (0.7 - calibration.shift) / calibration.scale)
    found = {}
    for name, at in (("eager", 0.55), ("shy", 0.97)):
        verdict = settings.verdict.model_copy(update={"suspicious_at": at, "fake_at": 0.99})
        chosen = settings.model_copy(update={"verdict": verdict})
        (found[name],) = video_outcomes([record(folder, "face.mp4", 1)], settings=chosen, engines=leaning)
    assert found["eager"].accused
    assert found["shy"].abstained
    assert found["eager"].probability == found["shy"].probability
    said = [one.probability for one in found["shy"].footage.moments if one.probability is not None]
    assert found["shy"].probability <= max(said)


def test_an_undecided_video_is_ranked_all_the_same(folder: Path, engines: Engines, settings: Settings) -> None:
    calibration = engines.classifier.card.calibration
    neutral = -calibration.shift / calibration.scale
    (found,) = video_outcomes([record(folder, "face.mp4")], settings=settings, engines=says(engines, neutral))
    assert found.abstained
    assert found.probability == pytest.approx(0.5, abs=1e-3)
    assert Reason.INCONCLUSIVE in found.reasons


def test_nothing_stops_the_run_and_nothing_is_dropped(folder: Path, engines: Engines, settings: Settings) -> None:
    names = ["broken.mp4", "empty.mp4", "gone.mp4", "still.png", "face.mp4"]
    told: list[Outcome] = []
    found = video_outcomes(
        [record(folder, name) for name in names], settings=settings, engines=says(engines, -6.0), on_done=told.append
    )
    assert [one.id for one in found] == [one.id for one in told] == names
    broken, empty, gone, still, face = found
    assert broken.failed
    assert "broken.mp4" in broken.failure
    assert gone.failed
    assert empty.abstained
    assert empty.probability is empty.picture is None
    assert empty.reasons == (Reason.NO_FACE,)
    assert (still.footage, still.decision) == (None, Label.LIKELY_REAL)
    assert face.decision is Label.LIKELY_REAL


def test_a_member_of_an_archive_is_sent_to_prepare(folder: Path, engines: Engines, settings: Settings) -> None:
    member = record(folder, "broken.mp4", path=folder / "broken.mp4" / "1" / "fake" / "0")
    (found,) = video_outcomes([member], settings=settings, engines=engines)
    assert "lab prepare" in found.failure


def test_fake_spans_come_along(folder: Path, engines: Engines, settings: Settings) -> None:
    partly = record(folder, "face.mp4", 1, spans=(FakeSpan(1.0, 2.0),), group="g")
    (found,) = video_outcomes([partly], settings=settings, engines=says(engines, 0.0))
    assert found.footage is not None
    assert found.footage.fake_spans == (MediaSpan(1.0, 2.0),)
    assert (found.group, found.method) == ("g", "swap")


def test_what_nobody_foresaw_is_that_files_failure(
    folder: Path, engines: Engines, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(source: object, **others: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(videos, "run", odd)
    (found,) = video_outcomes([record(folder, "face.mp4")], settings=settings, engines=engines)
    assert found.failed
    assert "RuntimeError('odd')" in found.failure


def test_a_file_that_kills_its_process_is_found_out(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "_alone", dies_of_bad)
    told: list[Outcome] = []
    names = ["a", "bad", "b"]
    found = video_outcomes([record(folder, name) for name in names], settings=settings, jobs=2, on_done=told.append)
    assert [one.failed for one in found] == [False, True, False]
    assert videos.CRASHED in found[1].failure
    assert sorted(one.id for one in told) == sorted(names), "each is told once"


def test_processes_say_what_one_says(folder: Path, engines: Engines, settings: Settings) -> None:
    records = [record(folder, "face.mp4"), record(folder, "broken.mp4", 1)]
    assert video_outcomes(records, settings=settings, jobs=2) == video_outcomes(
        records, settings=settings, engines=engines
    )
