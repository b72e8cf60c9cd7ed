"""The selection of frames from a live source on a busy machine."""

from pathlib import Path

import numpy as np
import pytest
from support import clips

from monitor.media import frame_skipping as module
from monitor.media.frame_skipping import FrameSkipper
from monitor.media.sources import container, open_source


def taken(skipper: FrameSkipper, times: np.ndarray) -> list[int]:
    return [index for index, time in enumerate(times.tolist()) if skipper.takes(time)]


def test_all_frames_are_taken_without_a_limit() -> None:
    skipper = FrameSkipper()
    assert taken(skipper, np.arange(50) / 25) == list(range(50))
    assert skipper.skipped == 0


def test_frames_are_taken_evenly_and_the_others_are_counted() -> None:
    skipper = FrameSkipper()
    skipper.fps = 5
    found = taken(skipper, np.arange(100) / 25)
    assert len(found) in (20, 21, 22)
    assert set(np.diff(found[1:])) == {5}
    assert skipper.skipped == 100 - len(found)
    skipper.fps = None
    assert len(taken(skipper, 4 + np.arange(100) / 25)) == 100


@pytest.mark.parametrize("fps", [15.0, 10.0, 5.0])
def test_a_source_at_the_allowed_rate_keeps_its_frames(fps: float) -> None:
    skipper = FrameSkipper()
    skipper.fps = fps
    shaken = np.random.default_rng(0).uniform(-0.1, 0.1, 600)
    assert len(taken(skipper, 0.0123 + (np.arange(600) + shaken) / fps)) >= 598


def test_the_skipper_does_not_catch_up_after_a_pause() -> None:
    skipper = FrameSkipper()
    skipper.fps = 5
    times = np.concatenate((np.arange(25) / 25, 60 + np.arange(25) / 25))
    assert len([index for index in taken(skipper, times) if index >= 25]) <= 6


def test_a_frame_is_taken_every_two_seconds_if_media_time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    skipper = FrameSkipper()
    skipper.fps = 3
    found = 0
    for index in range(250):  # ten seconds of pictures with the same time stamp, a millisecond apart
        now[0] += 0.04
        found += skipper.takes(index / 1000)
    assert found in (5, 6)


def test_skipped_frames_are_never_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[float] = []
    rgb = container.rgb
    monkeypatch.setattr(container, "rgb", lambda frame, **how: (converted.append(frame.time), rgb(frame, **how))[1])
    with open_source(clips.video(tmp_path / "a.mkv", frames=25)) as source:
        converted.clear()
        source.skip_to(5)
        frames = list(source)
        assert len(frames) + source.skipped == 25
    assert len(frames) in (5, 6)
    assert converted == pytest.approx([frame.media_time for frame in frames])
    assert [frame.index for frame in frames] == [round(frame.media_time * 25) for frame in frames]
