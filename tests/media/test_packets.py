import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support import clips

from monitor.media.packets import CompressedPacket, PacketStream


def stream_of(path: Path) -> tuple[PacketStream, bytes | None]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return PacketStream.of(stream), stream.codec_context.extradata


@pytest.mark.parametrize(
    ("suffix", "container"), [("mp4", "mov,mp4,m4a,3gp,3g2,mj2"), ("mkv", "matroska,webm"), ("ts", "mpegts")]
)
def test_a_packet_stream_describes_a_stream_without_its_container(tmp_path: Path, suffix: str, container: str) -> None:
    stream, description = stream_of(clips.video(tmp_path / f"a.{suffix}"))
    assert (stream.codec, stream.pixel_format, stream.container) == ("h264", "yuv420p", container)
    assert stream.described
    assert isinstance(stream.time_base, Fraction)
    with av.open(io.BytesIO(stream.header)) as holder:
        like = holder.streams.video[0]
        assert (like.codec_context.name, like.width, like.height) == ("h264", 160, 120)
        assert like.codec_context.extradata == description, "Annex B stays Annex B: packets must fit to it"


def test_a_stream_that_no_file_can_hold_has_no_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.media.packets._HEADER_FORMATS", ("image2", "wav"))
    stream, _ = stream_of(clips.video(tmp_path / "a.mp4"))
    assert stream.header == b""


def test_a_packet_is_copied() -> None:
    packet = av.Packet(bytes(np.arange(9, dtype=np.uint8)))
    packet.pts, packet.is_keyframe = 7, True
    assert CompressedPacket.of(packet) == CompressedPacket(bytes(range(9)), pts=7, is_key=True)
