from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from support import clips

from monitor.errors import SourceUnavailableError
from monitor.media.pixel_aspect import pixel_aspect
from monitor.media.sources import open_isolated
from monitor.media.sources.address import Address
from monitor.media.sources.container import open_container, open_container_source
from monitor.media.span_cutter import _decode, _examine
from monitor.settings import SourceSettings

SAR_4_3, SAR_16_9 = Fraction(16, 15), Fraction(64, 45)


def changing(path: Path, codec: str, *, joined: bool = False, **options: object) -> Path:
    """A transport stream of 12 pictures in 4:3 and 12 in 16:9.

    Args:
        path: of the stream.
        codec: FFmpeg's name of an encoder.
        joined: whether the time stamps run back in between, as in two recordings in one file.
        options: further ones, for the encoder.
    """
    parts = [
        clips.video(path.with_name(f"{number}.ts"), codec=codec, aspect=aspect, size=(180, 144), **options)
        for number, aspect in enumerate((SAR_4_3, SAR_16_9))
    ]
    if joined:
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path
    with av.open(str(path), "w") as out, av.open(str(parts[0])) as first, av.open(str(parts[1])) as second:
        stream = out.add_stream_from_template(first.streams.video[0])
        for number, part in enumerate((first, second)):
            for packet in part.demux(video=0):
                if packet.dts is not None:
                    packet.pts += number * 12 * 3600
                    packet.dts += number * 12 * 3600
                    packet.stream = stream
                    out.mux(packet)
    return path


@pytest.mark.parametrize(("aspect", "used"), [(None, 1.0), (0, 1.0), (2, 2.0), (0.5, 0.5), (1000, 1.0), (0.001, 1.0)])
def test_an_implausible_pixel_aspect_is_ignored(aspect: Fraction | float | None, used: float) -> None:
    assert pixel_aspect(SimpleNamespace(sample_aspect_ratio=aspect)) == used


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("codec", "options"),
    [("libx264", {}), ("libx264", {"options": {"preset": "medium", "bf": "3"}}), ("mpeg2video", {}), ("libx265", {})],
)
def test_each_picture_has_the_aspect_of_its_own_part(tmp_path: Path, codec: str, options: dict, joined: bool) -> None:
    with open_isolated(changing(tmp_path / "a.ts", codec, joined=joined, **options)) as source:
        sizes = [(frame.width, frame.height) for frame in source]
        assert (source.info.width, source.info.height) == (192, 144)
    assert sizes == [(192, 144)] * 12 + [(256, 144)] * 12


def test_a_clip_from_a_later_part_has_its_aspect(tmp_path: Path) -> None:
    index = _examine(changing(tmp_path / "a.ts", "libx264"))
    pictures = list(_decode(index, 0.7, margin=0.3))
    assert [picture.pixels.shape for picture in pictures][-8:] == [(144, 256, 3)] * 8


def test_an_aspect_of_the_container_counts_more_than_the_coded_one(tmp_path: Path) -> None:
    with open_isolated(clips.video(tmp_path / "a.mp4", aspect=Fraction(4, 3))) as source:
        assert {frame.width for frame in source} == {213}


def test_a_live_stream_whose_aspect_changes_is_opened_again(tmp_path: Path) -> None:
    path = changing(tmp_path / "a.ts", "libx264")
    address, settings = Address.of(path), SourceSettings()
    container = open_container(str(path), address=address, settings=settings)
    with (
        open_container_source(container, address=address, settings=settings, live=True) as source,
        pytest.raises(SourceUnavailableError, match="changed from 192 x 144 to 256 x 144 pixels; it is opened again"),
    ):
        list(source)
