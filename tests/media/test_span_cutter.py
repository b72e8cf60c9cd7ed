import importlib
import sys
from pathlib import Path

import av
import pytest
from support import clips, written_clips
from support.crashes import crashing_python
from support.written_clips import B_FRAMES

from monitor.errors import OutputError, SourceError, SourceNotFoundError, SourceUnreadableError
from monitor.media.media_clock import BREAK
from monitor.media.sources import open_source
from monitor.media.span_cutter import cut, cut_isolated
from monitor.media.worker.isolated_source import available
from monitor.settings import SourceSettings
from monitor.types import Frame

LATE = {"output_ts_offset": "40"}  # timestamps that begin at 40 s


def frames_of(file: Path) -> list[Frame]:
    with open_source(file) as source:
        return list(source)


@pytest.mark.parametrize("muxing", [None, LATE], ids=["from 0", "from 40 s"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_span_is_copied_from_the_key_frame_before_it(
    tmp_path: Path, name: str, muxing: dict[str, str] | None
) -> None:
    file = clips.video(tmp_path / name, frames=59, options={"g": "10", **B_FRAMES}, muxing=muxing)
    with av.open(str(file)) as container:
        assert name == "a.mp4" or (container.start_time or 0) / 1e6 > 30 or muxing is None
    frames = frames_of(file)
    for start, end, begin in ((0.0, 0.2, 0.0), (0.9, 1.3, 0.8), (2.1, 9.0, 2.0)):
        clip = cut(file, tmp_path / "clip.mp4", start, end)
        assert not clip.reencoded
        assert clip.start == pytest.approx(begin)
        assert clip.end == pytest.approx(min(end, 58 / 25), abs=0.17)
        written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


def test_the_packets_are_those_of_the_file_bit_by_bit(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4", frames=50, options={"g": "10"})
    cut(file, tmp_path / "clip.mp4", 0.8, 1.48)
    assert written_clips.payloads(tmp_path / "clip.mp4") == written_clips.payloads(file)[20:38]


def test_a_span_far_into_a_long_file_is_found_by_seeking(tmp_path: Path) -> None:
    times = [number * 10.0 for number in range(60)]
    file = clips.video(tmp_path / "a.mkv", frames=60, times=times, options={"g": "20", "sc_threshold": "0"})
    frames = frames_of(file)
    clip = cut(file, tmp_path / "clip.mp4", 545.0, 570.0)
    assert (clip.start, clip.end) == (400.0, 570.0)
    written_clips.check(tmp_path / "clip.mp4", clip, frames, tolerance=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "mpeg4", {"g": "10", "bf": "2"}),
        ("a.avi", "mpeg4", {"g": "10"}),
        ("a.mkv", "mjpeg", {}),
        ("a.mp4", "libx265", {"g": "10"}),
        ("a.ts", "mpeg2video", {"g": "10", "bf": "2"}),
    ],
)
def test_codecs_that_browsers_do_not_play_are_encoded_again(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    muxing = None if name == "a.avi" else LATE  # AVI would fill the 40 s
    file = clips.video(
        tmp_path / name, codec=codec, pixel_format=pixel_format, frames=50, options=options, muxing=muxing
    )
    frames = frames_of(file)
    for start, end in ((0.0, 0.2), (0.91, 1.33), (1.9, 9.0)):
        clip = cut(file, tmp_path / "clip.mp4", start, end)
        assert clip.reencoded
        assert start - 0.041 < clip.start <= start + 1e-6
        assert clip.end == pytest.approx(min(end, 49 / 25), abs=0.041)
        written_clips.check(tmp_path / "clip.mp4", clip, frames)
        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert container.streams.video[0].codec_context.name == "h264"


def test_encoding_reads_only_the_packets_that_it_needs(tmp_path: Path) -> None:
    from monitor.media.span_cutter import _decode, _examine

    times = [number * 1.0 for number in range(60)]
    file = clips.video(tmp_path / "a.mp4", codec="mpeg4", frames=60, times=times, options={"g": "5"})
    first = next(iter(_decode(_examine(file), 52.0, margin=1.0)))
    assert first.media_time == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("name", "codec", "reencoded"),
    [("a.mp4", "libx264", False), ("a.mkv", "libx264", False), ("a.mp4", "mpeg4", True)],
)
def test_a_variable_frame_rate_stays_variable(tmp_path: Path, name: str, codec: str, *, reencoded: bool) -> None:
    shown = [0.0, 0.033, 0.5, 0.533, 2.25, 2.26, 4.0, 4.2, 4.21, 7.0]
    options = {"g": "9", **(B_FRAMES if codec == "libx264" else {})}
    file = clips.video(tmp_path / name, codec=codec, frames=10, times=shown, options=options)
    frames = frames_of(file)
    clip = cut(file, tmp_path / "clip.mp4", 0.6, 4.1)
    assert clip.reencoded is reencoded
    times = written_clips.check(tmp_path / "clip.mp4", clip, frames)
    assert {0.533, 2.25, 2.26, 4.0} <= {round(time, 3) for time in times}


def test_a_recording_whose_timestamps_restart_is_decoded(tmp_path: Path) -> None:
    one = clips.video(tmp_path / "a.ts", frames=40, options={"g": "10"})
    two = clips.video(tmp_path / "b.ts", frames=40, options={"g": "10"})
    one.write_bytes(one.read_bytes() + two.read_bytes())
    frames = frames_of(one)
    clip = cut(one, tmp_path / "clip.mp4", 1.4, 2.2 + BREAK)
    assert clip.reencoded
    assert written_clips.check(tmp_path / "clip.mp4", clip, frames)[-1] == pytest.approx(2.2 + BREAK)


def test_packets_without_timestamps_are_decoded(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.h264", frames=40, options={"g": "10", **B_FRAMES})
    with av.open(str(file)) as container:
        assert {packet.pts for packet in container.demux(video=0)} == {None}
    frames = frames_of(file)
    assert len(frames) == 40
    clip = cut(file, tmp_path / "clip.mp4", 0.5, 0.9)
    assert clip.reencoded
    assert clip.end - clip.start > 0.3
    written_clips.check(tmp_path / "clip.mp4", clip, frames)


def test_avi_lacks_presentation_times_so_it_is_decoded(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.avi", frames=40, options={"g": "10", **B_FRAMES})
    clip = cut(file, tmp_path / "clip.mp4", 0.5, 0.9)
    assert clip.reencoded
    written_clips.check(tmp_path / "clip.mp4", clip, frames_of(file))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_span_outside_the_file_is_an_error(tmp_path: Path, codec: str) -> None:
    file = clips.video(tmp_path / "a.mp4", codec=codec, frames=25)
    with pytest.raises(SourceError, match=r"between 3\.00 s and 5\.00 s: the last one is at 0\.96 s"):
        cut(file, tmp_path / "clip.mp4", 3.0, 5.0)
    with pytest.raises(SourceError, match=r"the first one is at 0\.00 s"):
        cut(file, tmp_path / "clip.mp4", -3.0, -1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_file_and_a_file_without_video_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        cut(tmp_path / "a.mp4", tmp_path / "clip.mp4", 0.0, 1.0)
    with pytest.raises(SourceUnreadableError, match="holds no picture"):
        cut(clips.silence(tmp_path / "a.m4a"), tmp_path / "clip.mp4", 0.0, 1.0)
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_unwritable_path_is_an_output_error(tmp_path: Path, codec: str) -> None:
    file = clips.video(tmp_path / "a.mp4", codec=codec)
    with pytest.raises(OutputError, match="cannot be written"):
        cut(file, tmp_path / "missing" / "clip.mp4", 0.0, 0.4)


@pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")
@pytest.mark.parametrize(
    ("codec", "crash"), [("libx264", "remux._retime"), ("mpeg4", "video_writer.VideoWriter.close")]
)
def test_a_process_that_dies_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, crash: str
) -> None:
    file, place = clips.video(tmp_path / "a.mp4", codec=codec), tmp_path / "place"
    place.mkdir()
    clip = cut_isolated(file, place / "clip.mp4", 0.0, 0.2, settings=SourceSettings())
    assert clip == cut(file, tmp_path / "here.mp4", 0.0, 0.2)
    assert (place / "clip.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    (place / "clip.mp4").unlink()
    module, name = crash.split(".", 1)
    monkeypatch.setattr(sys, "executable", crashing_python(tmp_path, f"monitor.media.{module}", name))
    with pytest.raises(SourceUnreadableError, match=r"a\.mp4: the process that reads it crashed \(SIGABRT\)"):
        cut_isolated(file, place / "clip.mp4", 0.0, 0.2, settings=SourceSettings())
    assert list(place.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match="cannot be written"):
        cut_isolated(file, tmp_path / "missing" / "clip.mp4", 0.0, 0.4, settings=SourceSettings())


def test_unusual_file_names_work(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a:%03d*.mp4")
    assert cut(file, tmp_path / "clip.mp4", 0.0, 0.4).end == pytest.approx(0.4)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_seek_that_lands_too_late_is_repeated_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    module = importlib.import_module("monitor.media.span_cutter")
    seek, asked = module._seek, []

    def late(container: object, stream: object, time: float) -> None:
        asked.append(time)
        seek(container, stream, time + 15.0)

    monkeypatch.setattr(module, "_seek", late)
    times = [number * 1.0 for number in range(60)]
    file = clips.video(tmp_path / "a.mp4", codec=codec, frames=60, times=times, options={"g": "5"})
    frames = frames_of(file)
    clip = cut(file, tmp_path / "clip.mp4", 42.0, 44.0)
    assert clip.start == pytest.approx(40.0 if codec == "libx264" else 42.0)
    assert asked == [41.0, 34.0, -22.0]
    written_clips.check(tmp_path / "clip.mp4", clip, frames)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_many_reordered_pictures_leave_no_gap(tmp_path: Path, name: str) -> None:
    file = clips.video(tmp_path / name, frames=30, options={"g": "30", **B_FRAMES, "bf": "7"})
    clip = cut(file, tmp_path / "clip.mp4", 0.0, 0.04)
    assert (clip.start, clip.end) == pytest.approx((0.0, 0.32), abs=1e-3)
    written_clips.check(tmp_path / "clip.mp4", clip, frames_of(file), tolerance=0.01)
