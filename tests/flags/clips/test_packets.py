import errno
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from support import clips, rtsp_server, written_clips
from support.written_clips import B_FRAMES

from monitor.errors import MonitorError, OutputError, SourceError
from monitor.flags.clips import PacketRing, PictureRing, follow
from monitor.media import remux as remux_module
from monitor.media.media_clock import BREAK
from monitor.media.sources import Source, open_source
from monitor.media.worker.isolated_source import available
from monitor.settings import SourceSettings
from monitor.types import Frame

PLENTY = 2**30
HERE = SourceSettings(isolate=False)


def watched(file: Path | str, *, seconds: float = 60, max_bytes: int = PLENTY) -> tuple[PacketRing, list[Frame]]:
    """The ring buffer of a file after reading it to its end."""
    with open_source(file) as source:
        ring = follow(source, seconds=seconds, max_bytes=max_bytes, settings=HERE)
        assert isinstance(ring, PacketRing)
        frames = []
        for frame in source:
            ring.add(frame)
            frames.append(frame)
    return ring, frames


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_clip_is_saved_after_the_source_was_closed_from_the_key_frame_before(tmp_path: Path, suffix: str) -> None:
    file = clips.video(tmp_path / f"a.{suffix}", frames=50, options={"g": "10"})
    ring, frames = watched(file)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.9, 1.5)
    assert not clip.reencoded
    times = written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
    assert times == pytest.approx([number / 25 for number in range(20, 38)], abs=1e-4)


def test_the_packets_are_those_of_the_source_bit_by_bit(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=50, options={"g": "10"})
    ring, _ = watched(file)
    written_clips.save(ring, tmp_path / "clip.mp4", 0.8, 1.5)
    assert written_clips.payloads(tmp_path / "clip.mp4") == written_clips.payloads(file)[20:38]


@pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")
def test_a_clip_is_written_in_a_separate_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, _ = watched(clips.video(tmp_path / "a.mp4", frames=50, options={"g": "10"}))
    here = written_clips.save(ring, tmp_path / "here.mp4", 0.8, 1.5)
    ring._settings = SourceSettings()
    with monkeypatch.context() as patch:
        patch.delattr(av, "open")
        assert written_clips.save(ring, tmp_path / "there.mp4", 0.8, 1.5) == here
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SourceError, match=r"clip\.mp4: the process that reads it ended by itself"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.8, 1.5)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_pictures_that_are_decoded_in_another_order_than_shown(tmp_path: Path, suffix: str) -> None:
    file = clips.video(tmp_path / f"a.{suffix}", frames=50, options={"g": "12", **B_FRAMES})
    with av.open(str(file)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert times != sorted(times), "there are B-frames in it"
    ring, frames = watched(file)
    for start, end in ((0.0, 1.99), (0.5, 0.53), (0.9, 1.37), (1.0, 1.41)):
        clip = written_clips.save(ring, tmp_path / "clip.mp4", start, end)
        assert clip.start <= start
        assert clip.end >= end - 0.04
        written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


def test_pictures_before_the_key_frame_of_an_open_group_are_dropped(tmp_path: Path) -> None:
    options = {"g": "12", "flags": "-cgop", "x264-params": "open-gop=1", **B_FRAMES}
    file = clips.video(tmp_path / "a.mkv", frames=50, options=options)
    ring, frames = watched(file)
    packets = ring._timed(ring._groups)
    begin, key = [(index, packet) for index, packet in enumerate(packets) if packet.is_key][2]
    assert packets[begin + 1].media_time < key.media_time, "the group is open"
    clip = written_clips.save(ring, tmp_path / "clip.mp4", key.media_time + 0.1, key.media_time + 0.4)
    assert clip.start == key.media_time
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


def test_a_variable_frame_rate_stays_variable(tmp_path: Path) -> None:
    shown = [0.0, 0.033, 0.5, 0.533, 2.25, 2.26, 4.0, 4.2, 4.21, 7.0]
    file = clips.video(tmp_path / "a.mkv", frames=10, times=shown, options={"g": "3", **B_FRAMES})
    ring, frames = watched(file)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.6, 4.1)
    times = written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
    assert {0.533, 2.25, 2.26, 4.0} <= {round(time, 3) for time in times}
    assert clip.end < 7


def test_the_picture_shown_during_a_span_is_in_its_clip(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mkv", frames=4, times=[0.0, 1.0, 9.0, 10.0], options={"g": "1"})
    ring, frames = watched(file)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 3.0, 5.0)
    assert written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01) == [1.0]


@pytest.mark.parametrize(
    ("codec", "name", "options"),
    [("libvpx-vp9", "a.webm", {"g": "10"}), ("libsvtav1", "a.mkv", {"g": "10", "preset": "12"})],
)
def test_other_codecs_that_browsers_play(
    tmp_path: Path, codec: str, name: str, options: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    ring, frames = watched(clips.video(tmp_path / name, codec=codec, frames=40, options=options))
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.9, 1.2)
    assert clip.start > 0.5
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mp4", "libx265", "yuv420p"),
        ("a.mp4", "libx264", "yuv444p"),
        ("a.avi", "libx264", "yuv420p"),
        ("a.h264", "libx264", "yuv420p"),
    ],
)
def test_codecs_that_browsers_do_not_play_use_pictures(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    file = clips.video(tmp_path / name, codec=codec, pixel_format=pixel_format)
    with open_source(file) as source:
        ring = follow(source, seconds=10, max_bytes=PLENTY, settings=HERE)
        assert isinstance(ring, PictureRing)
        frames = list(source)
    for frame in frames:
        ring.add(frame)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.1, 0.3)
    assert clip.reencoded
    written_clips.check(tmp_path / "clip.mp4", clip, frames)


def test_turned_pictures_with_oblong_pixels_stay_so(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", aspect=Fraction(4, 3), turned=(90, True))
    ring, frames = watched(file)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 0.4)
    assert (frames[0].width, frames[0].height) == (120, 213)
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


def test_the_first_picture_is_not_lost_though_it_was_read_to_open_the_source(tmp_path: Path) -> None:
    ring, frames = watched(clips.video(tmp_path / "a.mp4", frames=20, options={"g": "100", **B_FRAMES}))
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 0.5)
    assert clip.start == 0.0
    assert len(written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)) >= 13


def test_the_seconds_limit_the_buffer_and_it_begins_at_a_key_frame(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=60, options={"g": "5"})
    with open_source(file) as source:
        ring = follow(source, seconds=1.0, max_bytes=PLENTY, settings=HERE)
        assert isinstance(ring, PacketRing)
        for frame in source:
            assert ring._timed(ring._groups)[0].is_key
            first, last = ring.span or (9.0, 9.0)
            assert first == pytest.approx(round(first / 0.2) * 0.2)
            assert min(1.0, frame.media_time) <= last - first + 1e-6 <= 1.0 + 0.2 + 0.08
    assert ring.span == pytest.approx((1.2, 2.36))


def test_a_reserved_clip_is_whole_after_its_packets_left_the_ring(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=59, options={"g": "5", **B_FRAMES})
    with open_source(file) as source:
        ring = follow(source, seconds=0.5, max_bytes=PLENTY, settings=HERE)
        assert isinstance(ring, PacketRing)
        frames = list(islice(source, 15))
        reserved = ring.reserve(start=0.3, moment=0.5, end=0.9)
        frames += source
    assert (ring.span or (0.0, 0.0))[0] > 1.5
    with reserved:
        clip = reserved.save(tmp_path / "clip.mp4")
    assert clip.start == pytest.approx(0.2)
    assert clip.end >= 0.9 - 1e-6
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
    assert ring._reservations.size == 0


@contextmanager
def quarter_ring(path: Path, *, frames: int) -> Iterator[tuple[Source, PacketRing, int]]:
    """A source and its ring, which holds a quarter of the source's bytes."""
    file = clips.video(path, frames=frames, options={"g": "5"})
    limit = sum(len(payload) for payload in written_clips.payloads(file)) // 4
    with open_source(file) as source:
        ring = follow(source, seconds=60, max_bytes=limit, settings=HERE)
        assert isinstance(ring, PacketRing)
        yield source, ring, limit


def test_reserved_packets_have_a_limit(tmp_path: Path) -> None:
    with quarter_ring(tmp_path / "a.mp4", frames=59) as (source, ring, limit):
        reserved = []
        for frame in source:
            if frame.index % 5 == 0:
                now = frame.media_time
                reserved.append(ring.reserve(start=now - 0.4, moment=now, end=now + 0.4))
            assert ring._reservations.size <= limit
    held = [clip for clip in reserved if clip.units]
    assert 0 < len(held) < len(reserved)
    for clip in held:
        saved = clip.save(tmp_path / "clip.mp4")
        assert saved.start - 1e-6 <= clip.moment <= saved.end + 1e-6


def test_the_bytes_limit_the_buffer(tmp_path: Path) -> None:
    with quarter_ring(tmp_path / "a.mp4", frames=60) as (source, ring, limit):
        largest = 0
        for _ in source:
            assert ring.size == sum(len(kept.packet.data) for group in ring._groups for kept in group.packets) <= limit
            assert all(group.packets[0].packet.is_key for group in ring._groups)
            largest = max(largest, ring.size)
    assert largest > limit // 2


def test_a_group_beyond_the_bytes_is_dropped_until_the_next_key_frame(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=45, options={"g": "40", "sc_threshold": "0"})
    sizes = [len(payload) for payload in written_clips.payloads(file)]
    ring, frames = watched(file, max_bytes=max(sum(sizes[:20]), sum(sizes[40:])))
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 1.0, 1.76)
    assert clip.start == pytest.approx(1.6)
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


def test_a_span_without_pictures_is_an_error(tmp_path: Path) -> None:
    ring, _ = watched(clips.video(tmp_path / "a.mp4", frames=50, options={"g": "5"}), seconds=0.5)
    with pytest.raises(SourceError, match=r"between 0\.10 s and 0\.50 s: the first one is at 1\.40 s"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.1, 0.5)
    with pytest.raises(SourceError, match=r"the last one is at 1\.96 s"):
        written_clips.save(ring, tmp_path / "clip.mp4", 2.5, 3.0)
    assert not (tmp_path / "clip.mp4").exists()
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.1, 1.5)
    assert (clip.start, clip.end) == pytest.approx((1.4, 1.48)), "what there is of a span is written"


def test_an_empty_ring_has_no_span(tmp_path: Path) -> None:
    ring = PacketRing(seconds=1, max_bytes=PLENTY, settings=HERE)
    assert ring.span is None
    with pytest.raises(SourceError, match="there are none at all"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 1.0)


def test_media_time_continues_after_a_timestamp_reset(tmp_path: Path) -> None:
    one = clips.video(tmp_path / "a.ts", frames=40, options={"g": "10", **B_FRAMES})
    two = clips.video(tmp_path / "b.ts", frames=40, options={"g": "10", **B_FRAMES})
    one.write_bytes(one.read_bytes() + two.read_bytes())
    ring, frames = watched(one)
    assert frames[-1].media_time > 3
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 1.3, 2.2 + BREAK)
    assert (clip.start, clip.end) == (pytest.approx(1.2), pytest.approx(2.2 + BREAK, abs=0.17))
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


@pytest.mark.parametrize("count", range(37, 44))
def test_undecoded_packets_before_a_timestamp_reset_keep_their_place(tmp_path: Path, count: int) -> None:
    one = clips.video(tmp_path / "a.ts", frames=40, options={"g": "10", **B_FRAMES})
    one.write_bytes(2 * one.read_bytes())
    with open_source(one) as source:
        ring = follow(source, seconds=60, max_bytes=PLENTY, settings=HERE)
        frames = list(islice(source, count))
    assert isinstance(ring, PacketRing)
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 1.3, 1.35)
    assert clip.start == pytest.approx(1.2)
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
    times = [packet.media_time for packet in ring._timed(ring._groups)]
    assert all(after > before - 0.2 for before, after in pairwise(times))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_clip_is_written_under_a_partial_name(tmp_path: Path, codec: str) -> None:
    file = clips.video(tmp_path / "a.mp4", codec=codec)
    with open_source(file) as source:
        ring = follow(source, seconds=60, max_bytes=PLENTY, settings=HERE)
        frames = list(source)
    for frame in frames:
        ring.add(frame)
    clip = written_clips.save(ring, tmp_path / "clip.mp4.partial", 0.0, 0.4)
    written_clips.check(tmp_path / "clip.mp4.partial", clip, frames)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "clip.mp4.partial"}


def test_a_clip_is_saved_while_packets_arrive(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=59, options={"g": "5", **B_FRAMES})
    with open_source(file) as source:
        ring = follow(source, seconds=1, max_bytes=PLENTY, settings=HERE)
        ahead = list(islice(source, 30))
        thread = threading.Thread(target=lambda: ahead.extend(source))
        thread.start()
        saved = 0
        while thread.is_alive() or not saved:
            first, last = ring.span or (0.0, 0.0)
            clip = written_clips.save(ring, tmp_path / "clip.mp4", first, last + 1)
            written_clips.assert_plays(tmp_path / "clip.mp4")
            assert clip.end > clip.start
            saved += 1
        thread.join(10)
    assert len(ahead) == 59


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, _ = watched(clips.video(tmp_path / "a.mp4"))

    def full(*_: Any, **__: Any) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="cannot be written"):
        written_clips.save(ring, tmp_path / "missing" / "clip.mp4", 0.0, 0.4)
    monkeypatch.setattr(remux_module, "_retime", full)
    with pytest.raises(OutputError, match="no space left"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 0.4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_cameras_stream_is_kept(tmp_path: Path, transport: str) -> None:
    from monitor.settings import SourceSettings

    if reason := rtsp_server.missing():
        pytest.skip(reason)
    file = clips.video(tmp_path / "a.mp4", frames=50, options={"g": "10", "slices": "3", **B_FRAMES})
    with (
        rtsp_server.serve(file, "--loop") as url,
        open_source(url, SourceSettings(rtsp_transport=transport)) as source,
    ):
        ring = follow(source, seconds=1.5, max_bytes=PLENTY, settings=HERE)
        assert isinstance(ring, PacketRing)
        frames = list(islice(source, 90))
    now = frames[-1].media_time
    clip = written_clips.save(ring, tmp_path / "clip.mp4", now - 1.2, now - 0.4)
    assert now - 1.2 - 0.5 < clip.start <= now - 1.2
    assert now - 0.5 < clip.end < now
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
    with pytest.raises(MonitorError, match="no picture between"):
        written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 0.2)


@pytest.mark.rtsp
def test_the_first_picture_of_a_camera_is_kept(tmp_path: Path) -> None:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    file = clips.video(tmp_path / "a.mp4", frames=50, options={"g": "25"})
    with rtsp_server.serve(file, "--loop") as url, open_source(url) as source:
        ring = follow(source, seconds=30, max_bytes=PLENTY, settings=HERE)
        frames = list(islice(source, 20))
    clip = written_clips.save(ring, tmp_path / "clip.mp4", 0.0, 0.5)
    assert clip.start == 0.0
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)
