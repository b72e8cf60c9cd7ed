import json
from pathlib import Path

import numpy as np
import pytest
from support import clips

from monitor.errors import SourceUnreadableError
from monitor.flags.clip_redaction import box_at, read_positions, redact_clip
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter

LEFT, RIGHT = (10.0, 10.0, 50.0, 50.0), (30.0, 10.0, 70.0, 50.0)


@pytest.mark.parametrize(
    ("media_time", "box"),
    [
        (0.8, None),
        (0.95, LEFT),
        (1.0, LEFT),
        (1.1, (20.0, 10.0, 60.0, 50.0)),
        (1.2, RIGHT),
        (1.6, None),  # between two samples that are too far from each other
        (2.2, LEFT),
        (2.25, LEFT),
        (2.4, None),
    ],
)
def test_a_box_is_interpolated_between_near_samples_only(
    media_time: float, box: tuple[float, float, float, float] | None
) -> None:
    found = box_at([(1.0, LEFT), (1.2, RIGHT), (2.2, LEFT)], media_time)
    assert found == (None if box is None else pytest.approx(box))
    assert box_at([], media_time) is None


def test_positions_are_read_in_order_and_an_older_trace_has_none(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    samples = [{"media_time": 2.0, "box": RIGHT}, {"media_time": 1.5, "box": None}, {"media_time": 1.0, "box": LEFT}]
    trace.write_text(json.dumps({"samples": samples}))
    assert read_positions(trace) == [(1.0, LEFT), (2.0, RIGHT)]
    for content in ("{}", "?", "[]", json.dumps({"samples": [{"media_time": 1.0}]})):
        trace.write_text(content)
        assert read_positions(trace) == []
    assert read_positions(tmp_path / "absent.json") == []


def test_a_clip_shows_the_flagged_face_alone_at_the_same_times_without_sound(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    times = [0.0, 0.1, 0.25, 0.5]
    with VideoWriter(tmp_path / "clip.mp4", fps=10) as written:
        for moment in times:
            written.write(noise, moment)
    content = redact_clip(tmp_path / "clip.mp4", start=4.0, positions=[(4.1, LEFT), (4.5, LEFT)], width=80)
    (tmp_path / "copy.mp4").write_bytes(content)
    with open_source(tmp_path / "copy.mp4") as source:
        frames = list(source)
        assert not source.info.has_audio
    assert [frame.media_time for frame in frames] == pytest.approx(times, abs=0.01)
    own, rest = (slice(20, 100), slice(20, 100)), (slice(0, 120), slice(110, 160))
    for frame in frames:
        assert frame.pixels[rest].std() < 0.4 * noise[rest].std()
        assert frame.pixels[own].std() > 0.8 * noise[own].std(), "4.0 is near the first sample"


def test_a_clip_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = clips.video(tmp_path / "clip.mp4", frames=3)
    broken.write_bytes(b"no video")
    with pytest.raises(SourceUnreadableError):
        redact_clip(broken, start=0.0, positions=[(0.0, LEFT)], width=80)
