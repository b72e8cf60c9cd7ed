"""Pictures that never arrive: the decoder conceals them, and the reader does not."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.footage import posed

from monitor.media.reference_gaps import ReferenceGaps, _Bits
from monitor.media.sources.address import Address
from monitor.media.sources.reader import Reader

GROUP = 20  # pictures from one key frame to the next
PLAIN = {"preset": "veryfast", "g": str(GROUP), "bf": "0"}
PYRAMID = {"preset": "veryfast", "g": str(GROUP), "bf": "3", "b_strategy": "0", "x264-params": "b-pyramid=normal"}
SCALED = {"preset": "veryfast", "g": str(GROUP), "bf": "0", "x264-params": "cqm=jvt"}
FIELDS = {"preset": "veryfast", "g": str(GROUP), "bf": "0", "x264-params": "interlaced=1"}


def film(path: Path, options: dict[str, str], *, codec: str = "libx264", pixel_format: str = "yuv420p") -> Path:
    """A moving head, three groups of pictures."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixel_format
        for number in range(3 * GROUP):
            pixels = posed((160 + 40 * np.sin(number / 7), 120, 150), width=320, height=240)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


def read(path: Path, *, lost: Iterable[int]) -> tuple[Reader, dict[int, np.ndarray]]:
    """The pictures that count, of a film without the packets with these numbers."""
    container = av.open(str(path))
    reader = Reader(container, container.streams.video[0], address=Address.of(path), read_timeout=5.0)

    def pass_on(packets: Any) -> Iterator[Any]:
        yield from (packet for number, packet in enumerate(packets) if number not in lost)

    reader._packets = pass_on(reader._packets)
    return reader, {picture.pts or 0: picture.to_ndarray() for picture, _ in reader}


@pytest.mark.parametrize("name", ["film.mp4", "film.ts"])
@pytest.mark.parametrize("lost", [[7], [7, 8, 9], [GROUP], [GROUP - 1, GROUP]], ids=str)
def test_no_picture_counts_between_a_lost_one_and_the_next_key_frame(
    tmp_path: Path, name: str, lost: list[int]
) -> None:
    path = film(tmp_path / name, PLAIN)
    _, sent = read(path, lost=())
    assert len(sent) == 3 * GROUP
    reader, seen = read(path, lost=lost)
    assert all((seen[pts] == sent[pts]).all() for pts in seen), "bit for bit"
    assert reader.drops["lost picture"] > 0
    intact_from = -(-(lost[-1] + 1) // GROUP) * GROUP
    assert len(seen) == lost[0] + 3 * GROUP - intact_from, "all others count"


@pytest.mark.parametrize(
    ("options", "pixel_format"),
    [(PLAIN, "yuv420p"), (PYRAMID, "yuv420p"), (SCALED, "yuv420p"), (FIELDS, "yuv420p"), (PLAIN, "yuv444p")],
    ids=["plain", "pyramid", "scaling lists", "fields", "4:4:4"],
)
def test_a_whole_film_has_no_gap(tmp_path: Path, options: dict[str, str], pixel_format: str) -> None:
    reader, seen = read(film(tmp_path / "film.ts", options, pixel_format=pixel_format), lost=())
    assert (len(seen), reader.drops) == (3 * GROUP, {})


def test_pictures_that_none_refers_to_may_be_missing(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", {**PLAIN, "bf": "1", "b_strategy": "0"})
    with av.open(str(path)) as container:
        unreferenced = [
            number
            for number, packet in enumerate(container.demux(video=0))
            if packet.size and not bytes(packet)[4] & 0x60 and not packet.is_keyframe
        ]
    assert unreferenced
    reader, seen = read(path, lost=unreferenced[3:6])
    assert reader.drops["lost picture"] == 0
    assert len(seen) == 3 * GROUP - 3


def test_other_codecs_are_left_alone(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", {}, codec="mpeg2video")
    with av.open(str(path)) as container:
        gaps = ReferenceGaps(container.streams.video[0].codec_context)
        assert not any(gaps.add(packet) for packet in container.demux(video=0))


def test_a_set_or_a_slice_that_breaks_off_is_no_gap(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", PLAIN)
    for kept in range(12):
        with av.open(str(path)) as container:
            gaps = ReferenceGaps(container.streams.video[0].codec_context)
            for packet in container.demux(video=0):
                gaps.add(av.Packet(bytes(packet)[:kept]))


def test_numbers_are_read_as_the_standard_writes_them() -> None:
    bits = _Bits(b"\x67" + bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [bits.variable() for _ in range(5)] == [0, 1, 2, 3, 4]
    bits = _Bits(b"\x67" + bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [bits.signed() for _ in range(5)] == [0, 1, -1, 2, -2]
    with pytest.raises(IndexError):
        bits.fixed(8)


def test_a_recording_cut_at_an_open_group_lacks_nothing_but_a_later_loss_counts(tmp_path: Path) -> None:
    options = {**PYRAMID, "flags": "-cgop"}
    options["x264-params"] += ":open-gop=1"
    path = film(tmp_path / "film.mkv", options)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        key = [number for number, packet in enumerate(packets) if packet.is_keyframe][1]
        at = packets[key].pts or 0
        leading = [number for number in range(key + 1, len(packets)) if (packets[number].pts or 0) < at]
    assert leading, "the group is open"
    cut = {*range(key), *leading}
    reader, seen = read(path, lost=cut)
    assert reader.drops["lost picture"] == 0
    assert len(seen) == len(packets) - len(cut)
    later = leading[-1] + 1  # the next picture in decoding order, to which others refer
    reader, seen = read(path, lost={*cut, later, later + 4})
    assert reader.drops["lost picture"] > 0
