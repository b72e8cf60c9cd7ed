from pathlib import Path

import av
import pytest
from av.stream import Disposition
from support import clips
from support.web_server import web_server

from monitor.errors import SourceUnreadableError
from monitor.media.sources import open_isolated, open_source
from monitor.media.span_cutter import cut_isolated
from monitor.settings import SourceSettings

RATES = {(160, 120): 200_000, (320, 240): 2_000_000, (640, 480): 5_000_000}


def master(folder: Path, *sizes: tuple[int, int], live: bool = False) -> Path:
    """A master playlist of variants in this order."""
    lines = ["#EXTM3U"]
    for number, size in enumerate(sizes):
        path = folder / f"v{number}.m3u8"
        clips.video(path, size=size, frames=50, options={"g": "25"}, muxing={"hls_time": "1", "hls_list_size": "0"})
        if live:
            path.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", ""))
        rate = RATES.get(size, 1_000_000) + number
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={size[0]}x{size[1]}", path.name]
    (folder / "master.m3u8").write_text("\n".join(lines) + "\n")
    return folder / "master.m3u8"


@pytest.mark.parametrize(
    ("limit", "taken"), [(1080, (640, 480)), (480, (640, 480)), (479, (320, 240)), (240, (320, 240)), (100, (160, 120))]
)
def test_the_largest_variant_up_to_the_limit_is_taken_and_named(
    tmp_path: Path, limit: int, taken: tuple[int, int]
) -> None:
    path = master(tmp_path, (160, 120), (640, 480), (320, 240))
    with open_isolated(path, SourceSettings(max_variant_height=limit)) as source:
        assert (source.info.width, source.info.height) == taken
        assert {(frame.width, frame.height) for frame in source} == {taken}
    (note,) = source.info.notes
    assert "160 x 120 at 0.2 Mbit/s, 320 x 240 at 2.0 Mbit/s, 640 x 480 at 5.0 Mbit/s" in note
    assert f"of which {taken[0]} x {taken[1]} at" in note
    assert "source.max_variant_height" in note


def test_of_equal_sizes_the_highest_bit_rate_is_taken(tmp_path: Path) -> None:
    path = master(tmp_path, (320, 240), (320, 240))
    text = path.read_text().replace("2000000", "9000000")  # the first one
    path.write_text(text)
    with open_source(path) as source:
        assert "of which 320 x 240 at 9.0 Mbit/s was taken" in source.info.notes[0]


def test_the_lines_of_a_portrait_variant_are_its_width(tmp_path: Path) -> None:
    path = master(tmp_path, (120, 160), (480, 640))
    with open_source(path, SourceSettings(max_variant_height=480)) as source:
        assert (source.info.width, source.info.height) == (480, 640)


def test_a_playlist_with_one_variant_has_no_note(tmp_path: Path) -> None:
    with open_source(master(tmp_path, (320, 240))) as source:
        assert source.info.notes == ()


def test_the_other_variants_are_not_downloaded(tmp_path: Path) -> None:
    master(tmp_path, (160, 120), (320, 240))
    with web_server(tmp_path) as served, open_isolated(f"{served.url}/master.m3u8") as source:
        assert [clips.number_of(frame.pixels) for frame in source] == list(range(50))
        assert (source.info.width, source.info.live) == (320, False)
    assert "/v10.ts" in served.asked
    assert "/v11.ts" in served.asked
    assert "/v01.ts" not in served.asked


def test_a_live_stream_takes_the_best_variant_too(tmp_path: Path) -> None:
    master(tmp_path, (160, 120), (320, 240), live=True)
    with web_server(tmp_path) as served, open_source(f"{served.url}/master.m3u8") as source:
        assert (source.info.live, source.info.width) == (True, 320)
        assert next(iter(source)).width == 320


def two_tracks(path: Path) -> Path:
    """Two videos in one file: the first with pictures 0 to 11, the second, larger, with 30 to 41."""
    with av.open(str(path), "w") as out:
        streams = []
        for size in ((160, 120), (320, 240)):
            stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "16"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.metadata["title"] = f"Camera {len(streams) + 1}"
            streams.append(stream)
        for number in range(12):
            for stream, first in zip(streams, (0, 30), strict=True):
                pixels = clips.picture(first + number, (stream.width, stream.height))
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            out.mux(stream.encode())
    return path


def numbers(path: Path, settings: SourceSettings) -> list[int]:
    with open_isolated(path, settings) as source:
        return [clips.number_of(frame.pixels) for frame in source]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_track_that_is_not_looked_at_is_named(tmp_path: Path, suffix: str) -> None:
    path = two_tracks(tmp_path / f"a.{suffix}")
    with open_isolated(path) as source:
        (note,) = source.info.notes
        taken = 1 if source.info.width == 160 else 2
    names = ["track 1 (160 x 120, h264", "track 2 (320 x 240, h264"]
    assert f"holds 2 video tracks: only {names[taken - 1]}" in note
    assert f"was looked at, not {names[2 - taken]}" in note
    assert "source.video_track" in note


@pytest.mark.parametrize(("track", "first"), [(1, 0), (2, 30)])
def test_the_track_can_be_chosen(tmp_path: Path, track: int, first: int) -> None:
    path = two_tracks(tmp_path / "a.mkv")
    settings = SourceSettings(video_track=track)
    assert numbers(path, settings) == list(range(first, first + 12))
    with open_source(path, settings) as source:
        assert f"only track {track} (" in source.info.notes[0]
        assert f"Camera {track}" in source.info.notes[0].partition("not track")[0]


def test_a_clip_is_cut_from_the_chosen_track(tmp_path: Path) -> None:
    path, settings = two_tracks(tmp_path / "a.mkv"), SourceSettings(video_track=2)
    cut_isolated(path, tmp_path / "clip.mp4", 0.0, 0.4, settings=settings)
    assert numbers(tmp_path / "clip.mp4", SourceSettings())[0] == 30


def test_a_track_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    path = two_tracks(tmp_path / "a.mkv")
    with pytest.raises(SourceUnreadableError, match=r"has 2 video tracks, and the setting source\.video_track is 3"):
        open_isolated(path, SourceSettings(video_track=3))


def test_one_track_with_cover_art_has_no_note(tmp_path: Path) -> None:
    video = clips.video(tmp_path / "a.mp4")
    with av.open(str(video)) as given, av.open(str(tmp_path / "b.mp4"), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        cover = out.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 160, 120, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
        out.mux(cover.encode(av.VideoFrame.from_ndarray(clips.picture(50), format="rgb24")))
        out.mux(cover.encode())
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(container.streams.video) == 2
    with open_source(tmp_path / "b.mp4") as source:
        assert source.info.notes == ()
        assert clips.number_of(next(iter(source)).pixels) == 0
