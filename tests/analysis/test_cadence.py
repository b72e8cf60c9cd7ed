"""Sources with one picture in two seconds or fewer: on real pixels and networks, and the settings that they get."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.footage import posed
from support.observations import frame as made

from monitor.analysis.cadence import SourceCadence, is_slow, stretch
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.analysis.verdicts import source_verdict
from monitor.media.sources import open_source
from monitor.settings import Settings
from monitor.types import Frame, HintKind, Label, Observation, Pixels, SourceVerdict

UPRIGHT = posed((320, 240, 150))


def interval_after(*media_times: float, fps: float | None = None) -> float:
    cadence = SourceCadence(fps)
    for media_time in media_times:
        cadence.update(media_time)
    return cadence.interval


def slide_show(path: Path, pictures: list[Pixels], *, every: float) -> Path:
    """A video with one picture in ``every`` seconds."""
    with av.open(str(path), "w") as out:
        rate = 1 / Fraction(every).limit_denominator(100)
        stream = out.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for pixels in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


def analyse(frames: list[Frame], engines: Engines, settings: Settings) -> tuple[list[Observation], SourceVerdict]:
    pipeline = Pipeline(engines, settings)
    seen = [pipeline.step(frame) for frame in frames]
    ended = [summary for one in seen for summary in one.ended_tracks]
    return seen, source_verdict([*ended, *pipeline.finish()[1]])


def ids(seen: list[Observation]) -> list[list[int]]:
    return [one.tracked.track_ids.tolist() for one in seen]


def test_the_interval_is_the_usual_gap_between_pictures() -> None:
    assert interval_after(0.0) == 0.0, "unknown"
    assert interval_after(fps=0.5) == 2.0, "announced"
    assert interval_after(0.0, 10.0) == 10.0
    assert interval_after(0.0, 2.0, 3.9, 6.1, 8.0) == pytest.approx(2.0, abs=0.11)
    assert interval_after(*np.arange(0, 2, 0.04), 10.0, 20.0) == pytest.approx(0.04), "stalls do not count"
    assert interval_after(0.0, 4.0, fps=25) == pytest.approx(0.04), "nor does one at the start"
    assert interval_after(0.0, 2.0, 4.0, fps=25) == 2.0, "what arrives counts more than what was announced"
    assert interval_after(0.0, 2.0, 2.04, 2.08, 2.12) == pytest.approx(0.04), "a slow start"
    assert interval_after(5.0, 5.0, 4.0) == 0.0, "no time has passed"


@pytest.mark.parametrize("fps", [60.0, 25.0, 5.0, 3.0, 2.5])
def test_usual_frame_rates_keep_the_settings(fps: float) -> None:
    settings = Settings()
    assert stretch(settings, 1 / fps) is settings
    assert not is_slow(settings, 1 / fps)


def test_an_unknown_rate_keeps_the_settings() -> None:
    settings = Settings()
    assert stretch(settings, 0.0) is settings


def test_a_slow_source_gets_longer_time_constants_and_never_shorter_ones() -> None:
    settings = stretch(Settings(), 10.0)
    assert (settings.tracker.max_age, settings.tracker.min_hits) == (25.0, 1)
    assert (settings.verdict.timeout, settings.verdict.decay_time) == (25.0, 50.0)
    assert settings.segment.max_backdate == 25.0
    assert stretch(Settings(), 0.5).tracker.min_hits == Settings().tracker.min_hits
    assert stretch(Settings(), 2.0).verdict.decay_time == Settings().verdict.decay_time


@pytest.mark.parametrize("every", [2.0, 10.0, 0.9])
def test_one_picture_in_many_seconds_is_judged(
    tmp_path: Path, engines: Engines, settings: Settings, every: float
) -> None:
    """Nine pictures of a face that moves a little, as decoded from a file."""
    pictures = [posed((320 + 25 * (-1) ** number, 240 + 4 * number, 150)) for number in range(9)]
    with open_source(slide_show(tmp_path / "slow.mp4", pictures, every=every)) as source:
        frames = list(source)
    assert frames[-1].media_time == pytest.approx(8 * every)
    seen, verdict = analyse(frames, engines, settings)
    assert ids(seen)[1:] == [[1]] * 8, "one face, the same throughout"
    assert all(len(one.scores) for one in seen[1:]), "each picture counts"
    assert seen[-1].verdicts[0].label is Label.LIKELY_REAL
    assert verdict.label is Label.LIKELY_REAL


def test_each_picture_of_a_slide_show_is_judged_for_itself(
    tmp_path: Path, engines: Engines, settings: Settings
) -> None:
    """Cuts between all pictures, so that no face is seen twice; one of them is missing in between."""
    rng = np.random.default_rng(1)
    pictures = []
    for number, (x, y) in enumerate([(200, 180), (440, 300), (200, 300), (440, 180)]):
        noise = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((80, 80, 1))).astype(np.uint8)
        near = posed((x, y, 150))
        pictures.append(np.where((np.hypot(*np.ogrid[-y : 480 - y, -x : 640 - x]) < 130)[..., None], near, noise))
        assert number < 4
    with open_source(slide_show(tmp_path / "slides.mp4", pictures, every=4.0)) as source:
        frames = list(source)
        pipeline = Pipeline(engines, settings, info=source.info)
    seen = [pipeline.step(frame) for frame in frames]
    assert [one.scene_cut for one in seen] == [False, True, True, True]
    assert ids(seen) == [[1], [2], [3], [4]]
    assert all(len(one.scores) == 1 for one in seen)


def test_an_upside_down_camera_with_rare_pictures_is_turned_at_once(engines: Engines, settings: Settings) -> None:
    turned = np.ascontiguousarray(UPRIGHT[::-1, ::-1])
    seen, _ = analyse([made(turned, index=number, media_time=2.0 * number) for number in range(6)], engines, settings)
    assert len(seen[2].scores) == 1
    assert [hint.kind for hint in seen[-1].hints] == [HintKind.TURNED_PICTURE]


def test_a_face_that_is_missing_in_one_picture_keeps_its_id(engines: Engines, settings: Settings) -> None:
    shown = [posed((320, 240, 150)) for _ in range(7)]
    for pixels in shown:  # a background that stays
        pixels[:, :150], pixels[:, 490:] = (200, 40, 30), (20, 60, 220)
    shown[3][100:400, 200:450] = 90
    frames = [made(pixels, index=number, media_time=2.0 * number) for number, pixels in enumerate(shown)]
    seen, _ = analyse(frames, engines, settings)
    assert ids(seen)[1:] == [[1], [1], [], [1], [1], [1]], [one.scene_cut for one in seen]


def test_a_stall_of_a_usual_stream_still_ends_its_tracks(engines: Engines, settings: Settings) -> None:
    times = [0.1 * number for number in range(8)] + [4.0 + 0.1 * number for number in range(8)]
    frames = [made(UPRIGHT, index=number, media_time=time) for number, time in enumerate(times)]
    seen, _ = analyse(frames, engines, settings)
    assert {track for one in ids(seen) for track in one} == {1, 2}
