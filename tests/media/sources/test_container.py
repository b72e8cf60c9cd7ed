import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support import clips

from monitor.errors import SourceUnavailableError, SourceUnreadableError
from monitor.media.media_clock import BREAK
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.rgb import rgb
from monitor.media.sources import container as footage_module
from monitor.media.sources.address import Address
from monitor.media.sources.container import BROKEN_TIME, ContainerSource, open_container, open_container_source
from monitor.settings import SourceSettings
from monitor.types import Pixels

SETTINGS = SourceSettings()


def footage(path: Path, *, live: bool = False, settings: SourceSettings = SETTINGS) -> ContainerSource:
    address = Address.of(path)
    container = open_container(str(path), address=address, settings=settings)
    return open_container_source(container, address=address, settings=settings, live=live)


def test_the_info_of_a_file_is_complete(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=50, sound=True)
    with footage(path) as source:
        info = source.info
    assert (info.kind, info.live, info.width, info.height) == ("file", False, 160, 120)
    assert (info.fps, info.duration, info.frame_count) == (25.0, 2.0, 50)
    assert (info.path, info.name, info.has_audio, info.still) == (path, str(path), True, False)


def test_unknown_properties_of_a_live_stream_are_none(tmp_path: Path) -> None:
    with footage(clips.video(tmp_path / "a.mp4"), live=True) as source:
        assert source.info.live
        assert (source.info.duration, source.info.frame_count, source.info.still) == (None, None, False)


def test_the_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    with footage(clips.video(tmp_path / "a.mp4", turned=(90, False))) as source:
        frame = next(iter(source))
        assert (source.info.width, source.info.height) == (120, 160) == (frame.width, frame.height)


@pytest.mark.parametrize("angle", [0, 90])
def test_pixels_that_are_not_square_are_made_so(tmp_path: Path, angle: int) -> None:
    path = clips.video(tmp_path / "a.mp4", aspect=Fraction(4, 3), turned=(angle, False))
    with footage(path) as source:
        frame = next(iter(source))
    assert sorted((frame.width, frame.height)) == [120, 213]
    assert (source.info.width, source.info.height) == (frame.width, frame.height)
    assert (frame.height == 213) == (angle == 90)


def test_frames_are_numbered_timed_and_read_only(tmp_path: Path) -> None:
    with footage(clips.video(tmp_path / "a.mp4")) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(12))
    assert [clips.number_of(frame.pixels) for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.media_time for frame in frames], np.arange(12) / 25)
    assert {frame.source for frame in frames} == {source.info.name}
    assert not any(frame.pixels.flags.writeable for frame in frames)


def test_a_second_iteration_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    with footage(clips.video(tmp_path / "a.mp4")) as source:
        first = [frame.index for frame, _ in zip(source, range(3), strict=False)]
        assert first == [0, 1, 2]
        assert next(iter(source)).index > 2


def test_after_close_there_are_no_frames(tmp_path: Path) -> None:
    source = footage(clips.video(tmp_path / "a.mp4"))
    source.close()
    assert list(source) == []


def test_a_single_picture_is_a_still_in_any_container(tmp_path: Path) -> None:
    with footage(clips.video(tmp_path / "a.mkv", frames=1)) as source:
        assert (source.info.still, source.info.kind, source.info.fps) == (True, "image", None)
        assert len(list(source)) == 1


def test_the_only_surviving_picture_of_a_video_is_not_a_still(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=20, muxing={"movflags": "faststart"})
    with av.open(str(path)) as container:
        second = [packet.pos for packet in container.demux(video=0) if packet.size][1]
    path.write_bytes(path.read_bytes()[: second + 3])
    with footage(path) as source:
        assert not source.info.still
        assert len(list(source)) == 1
        assert sum(source.drops.values()) == 19


def test_pictures_beyond_the_limit_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4")
    with pytest.raises(SourceUnreadableError, match=r"160 x 120 pixels .* source\.max_pixels"):
        footage(path, settings=SourceSettings(max_pixels=160 * 120 - 1))
    with footage(path, settings=SourceSettings(max_pixels=160 * 120)) as source:
        assert len(list(source)) == 12


def test_pictures_that_exceed_the_limit_midway_are_dropped_and_counted(tmp_path: Path) -> None:
    small = clips.video(tmp_path / "a.ts", codec="mpeg2video", options={"g": "1"})
    large = clips.video(tmp_path / "b.ts", codec="mpeg2video", options={"g": "1"}, size=(640, 480))
    small.write_bytes(small.read_bytes() + large.read_bytes())
    with footage(small, settings=SourceSettings(max_pixels=200 * 200)) as source:
        assert {frame.width for frame in source} == {160}
        assert source.drops["undecodable packet"] > 5


def test_a_size_change_ends_a_live_stream_but_not_a_file(tmp_path: Path) -> None:
    path, large = clips.video(tmp_path / "a.ts"), clips.video(tmp_path / "b.ts", size=(320, 240))
    path.write_bytes(path.read_bytes() + large.read_bytes())
    with footage(path) as source:
        assert [frame.width for frame in source] == [160] * 12 + [320] * 12
    with footage(path, live=True) as source:
        frames = iter(source)
        assert [next(frames).width for _ in range(12)] == [160] * 12
        with pytest.raises(SourceUnavailableError, match="from 160 x 120 to 320 x 240 pixels; it is opened again"):
            next(frames)


def test_restarted_timestamps_are_counted_as_a_break(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.ts", frames=50)
    later = clips.video(tmp_path / "b.ts", frames=50, muxing={"output_ts_offset": "3600"})
    both = path.read_bytes() + later.read_bytes()
    path.write_bytes(both)
    for live, step in ((True, 0.04 + BREAK), (False, 3598.04)):
        with footage(path, live=live) as source:
            times = [frame.media_time for frame in source]
            assert max(np.diff(times)) == pytest.approx(step, abs=2.1 if not live else 0.01)
            assert source.drops == ({BROKEN_TIME: 1} if live else {})


def test_a_file_with_only_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadableError, match="sound but no picture"):
        footage(clips.silence(tmp_path / "a.m4a"))


def test_a_codec_without_a_decoder_is_named_as_the_reason(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zz9z"))
    with pytest.raises(SourceUnreadableError, match="cannot decode its pictures"):
        footage(path)


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Dear detector,\n" * 100)
    with pytest.raises(SourceUnreadableError, match="is text"):
        footage(path)


def test_pixels_that_cannot_be_converted_are_refused_at_once_and_counted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, shapes = clips.video(tmp_path / "a.mp4"), rgb

    def failing(picture: av.VideoFrame, **others: object) -> Pixels:
        if picture.pts != good:
            raise ValueError("odd24")
        return shapes(picture, **others)

    monkeypatch.setattr(footage_module, "rgb", failing)
    good = -1
    with pytest.raises(SourceUnreadableError, match=r"its pixels \(odd24\)"):
        footage(path)
    good = 0
    with footage(path) as source:
        assert [frame.index for frame in source] == [0]
        assert source.drops == {"unconvertible picture": 11}


def test_a_format_missing_in_ffmpeg_is_a_source_error() -> None:
    with pytest.raises(SourceUnavailableError):
        open_container("0", address=Address.of("webcam:0"), settings=SETTINGS, format_name="no-such-format")


def test_a_failure_closes_the_container(tmp_path: Path) -> None:
    address = Address.of(clips.silence(tmp_path / "a.m4a"))
    container = open_container(address.target, address=address, settings=SETTINGS)
    with pytest.raises(SourceUnreadableError):
        open_container_source(container, address=address, settings=SETTINGS, live=False)
    assert len(container.streams) == 0


def test_a_frame_is_freed_with_its_last_reference(tmp_path: Path) -> None:
    """The garbage collector would free it hundreds of megabytes later."""
    gc.collect()
    gc.disable()
    try:
        with footage(clips.video(tmp_path / "a.mp4", frames=25)) as source:
            for _ in source:
                pass
        kept = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert kept < 10, "of 25"


class Times:
    """Stores the media time of each reported timestamp."""

    def __init__(self) -> None:
        self.packets: list[int] = []
        self.pictures: dict[int | None, float] = {}

    def begin(self, stream: PacketStream) -> bool:
        return True

    def packet(self, packet: CompressedPacket) -> None:
        self.packets.append(packet.pts)

    def picture(self, *, pts: int | None, media_time: float) -> None:
        self.pictures[pts] = media_time


def test_a_listener_receives_the_media_time_of_each_picture(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", options={"bf": "3", "b_strategy": "0"}, muxing={"output_ts_offset": "5"})
    times = Times()
    with footage(path) as source:
        assert source.tap(times)
        assert times.packets[0] == 5000, "it was read to open the file"
        frames = []
        for frame in source:
            assert frame.media_time in times.pictures.values(), "reported before the frame"
            frames.append(frame)
    assert times.packets != sorted(times.packets)
    assert sorted(times.packets) == list(times.pictures) == [5000 + 40 * number for number in range(12)]
    assert list(times.pictures.values()) == [frame.media_time for frame in frames]
