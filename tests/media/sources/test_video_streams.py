from pathlib import Path

import pytest
from support import clips
from support.web_server import web_server

from monitor.media.sources import open_isolated, open_source
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
