from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import clips, written_clips

from monitor.errors import OutputError, SourceError
from monitor.flags.clips import PictureRing, follow
from monitor.media.sources import open_source
from monitor.types import Frame, Pixels

PLENTY = 2**30


def frame(number: int, time: float, *, pixels: Pixels | None = None) -> Frame:
    pixels = clips.picture(number) if pixels is None else pixels
    return Frame(pixels=pixels, index=number, media_time=time, captured_at=datetime.now(UTC), source="screen:")


def filled(times: list[float], *, seconds: float = 60, max_bytes: int = PLENTY) -> tuple[PictureRing, list[Frame]]:
    ring = PictureRing(seconds=seconds, max_bytes=max_bytes)
    frames = [frame(number, time) for number, time in enumerate(times)]
    for one in frames:
        ring.add(one)
    return ring, frames


def test_the_demo_is_kept_as_pictures(tmp_path: Path) -> None:
    with open_source("demo:") as source:
        ring = follow(source, seconds=1, max_bytes=PLENTY)
        assert isinstance(ring, PictureRing)
        frames = list(islice(source, 40))
        for one in frames:
            ring.add(one)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.8, 1.2)
    assert (clip.start, clip.end, clip.reencoded) == (0.8, 1.2, True)
    assert len(written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=4.0)) == 11


def test_every_picture_keeps_its_own_time(tmp_path: Path) -> None:
    times = [0.0, 0.033, 0.5, 0.533, 2.25, 2.26, 4.0, 7.0]
    ring, frames = filled(times)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.5, 5.0)
    assert (clip.start, clip.end) == (0.5, 4.0)
    assert written_clips.check(tmp_path / "clip.mp4", clip, frames) == pytest.approx(times[2:7], abs=1e-4)
    with open_source(tmp_path / "clip.mp4") as source:
        assert written_clips.numbers(list(source)) == [2, 3, 4, 5, 6]


def test_a_clip_begins_with_the_picture_shown_at_the_start(tmp_path: Path) -> None:
    ring, frames = filled([0.0, 1.0, 9.0, 10.0])
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 3.0, 5.0)
    assert (clip.start, clip.end) == (1.0, 1.0)
    assert written_clips.check(tmp_path / "clip.mp4", clip, frames) == [1.0]


def test_the_seconds_limit_the_buffer() -> None:
    ring = PictureRing(seconds=1.0, max_bytes=PLENTY)
    for number in range(60):
        ring.add(frame(number, number / 8))
        first, last = ring.span or (9.0, 0.0)
        assert last == number / 8
        assert first == max(0.0, last - 1.0)


def test_the_bytes_limit_the_buffer() -> None:
    ring, _ = filled([number / 25 for number in range(20)])
    limit = ring.size // 4
    small = PictureRing(seconds=60, max_bytes=limit)
    for number in range(20):
        small.add(frame(number, number / 25))
        assert small.size == sum(len(one.jpeg) for one in small._buffer) <= limit
    assert small.size > limit // 2
    assert small.span == pytest.approx((0.6, 0.76), abs=0.09)
    tiny = PictureRing(seconds=60, max_bytes=10)
    tiny.add(frame(0, 0.0))
    assert (tiny.size, tiny.span) == (0, None)


@pytest.mark.parametrize(
    ("size", "kept"), [((1280, 720), (1280, 720)), ((1282, 720), (641, 360)), ((3840, 2160), (960, 540))]
)
def test_wide_pictures_are_halved_until_they_fit(size: tuple[int, int], kept: tuple[int, int]) -> None:
    ring = PictureRing(seconds=60, max_bytes=PLENTY)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = clips.RED
    ring.add(frame(0, 0.0, pixels=pixels))
    decoded = cv2.imdecode(np.frombuffer(ring._buffer[0].jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded.shape == (kept[1], kept[0], 3)
    assert np.abs(decoded[10, 10].astype(int) - clips.RED).max() < 8
    assert decoded[10, -10].max() < 8


def test_a_span_without_pictures_is_an_error(tmp_path: Path) -> None:
    ring, _ = filled([number / 25 for number in range(50)], seconds=0.5)
    with pytest.raises(SourceError, match=r"the first one is at 1\.48 s"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.1, 0.5)
    with pytest.raises(SourceError, match=r"the last one is at 1\.96 s"):
        written_clips.save(ring, tmp_path / "clip.mp4", 2.5, 3.0)
    with pytest.raises(SourceError, match="none at all"):
        written_clips.save(PictureRing(seconds=1, max_bytes=1), tmp_path / "clip.mp4", 0.0, 1.0)
    assert list(tmp_path.iterdir()) == []
    assert written_clips.save(ring, tmp_path / "clip.mp4", 0.1, 1.5).start == pytest.approx(1.48)


def test_an_unwritable_path_is_an_output_error(tmp_path: Path) -> None:
    ring, _ = filled([0.0])
    with pytest.raises(OutputError, match="cannot be written"):
        written_clips.save(ring, tmp_path / "missing" / "clip.mp4", 0.0, 1.0)
