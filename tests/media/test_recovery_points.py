"""Intra refresh: after a loss, pictures count again when a sweep has made them whole, and not before."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.footage import posed

from monitor.media.recovery_points import RecoveryPoints, _exp_golomb, _recovery_count, length_size
from monitor.media.sources import open_source
from monitor.media.sources.address import Address
from monitor.media.sources.reader import Reader
from monitor.settings import SourceSettings

PERIOD = 20  # pictures per sweep
ENCODERS = {
    "libx264": {"preset": "veryfast", "tune": "zerolatency", "intra-refresh": "1", "g": str(PERIOD)},
    "libx265": {
        "preset": "ultrafast",
        "x265-params": f"log-level=none:pools=1:frame-threads=1:bframes=0:intra-refresh=1:keyint={PERIOD}",
    },
}
TS = 188  # bytes of a transport stream's packet


def refreshed(path: Path, *, codec: str = "libx264", frames: int = 120) -> Path:
    """A moving head, with a key frame at the start only."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=ENCODERS[codec])
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(frames):
            pixels = posed((160 + 40 * np.sin(number / 7), 120, 150), width=320, height=240)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


def pictures(path: Path) -> dict[int, np.ndarray]:
    with av.open(str(path)) as container:
        return {picture.pts or 0: picture.to_ndarray() for picture in container.decode(video=0)}


def read(path: Path, *, damaged: set[int], live: bool = False) -> tuple[Reader, dict[int, np.ndarray]]:
    """The pictures that count, of a file whose packets with these numbers are spoilt in their second half."""
    container = av.open(str(path))
    reader = Reader(container, container.streams.video[0], address=Address.of(path), read_timeout=5.0, live=live)

    def spoil(packets: Any) -> Any:
        for number, packet in enumerate(packets):
            sent = packet
            if number in damaged:
                data = bytes(packet)
                sent = av.Packet(data[: len(data) // 3])
                sent.stream, sent.pts, sent.dts, sent.is_corrupt = packet.stream, packet.pts, packet.dts, True
            yield sent

    reader._packets = spoil(reader._packets)
    return reader, {picture.pts or 0: picture.to_ndarray() for picture, _ in reader}


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_an_intra_refresh_ends_the_damage_and_every_picture_that_counts_is_whole(tmp_path: Path, name: str) -> None:
    path = refreshed(tmp_path / name)
    whole = pictures(path)
    reader, seen = read(path, damaged={30})
    lost = sorted(set(whole) - set(seen))
    order = sorted(whole)
    assert order[30] == lost[0]
    assert PERIOD // 2 < len(lost) <= 2 * PERIOD + 1, reader.drops
    assert sum(reader.drops.values()) == len(lost)
    assert all(np.array_equal(picture, whole[pts]) for pts, picture in seen.items())


def test_a_stream_without_timestamps_recovers_a_little_later(tmp_path: Path) -> None:
    path = refreshed(tmp_path / "a.h264")
    whole = [picture.pixels for picture in open_source(path)]
    container = av.open(str(path))
    points, recovered = RecoveryPoints(container.streams.video[0].codec_context), []
    for number, packet in enumerate(container.demux(video=0)):
        if number == 30:
            points.damage(None)
        packet.pts = None
        points.add(packet)
        recovered += [number] if points.whole_from is not None and number >= 30 else []
    assert 2 * PERIOD < recovered[0] < 30 + 2 * PERIOD + 17
    assert len(whole) == 120


def test_a_loss_during_a_sweep_waits_for_the_next_one(tmp_path: Path) -> None:
    path = refreshed(tmp_path / "a.ts")
    whole = pictures(path)
    _, seen = read(path, damaged={30, 45, 58})
    assert all(np.array_equal(picture, whole[pts]) for pts, picture in seen.items())
    assert set(sorted(whole)[-15:]) <= set(seen)


def test_a_loss_on_the_line_costs_seconds_and_not_the_rest(tmp_path: Path) -> None:
    """Whole packets of the transport stream are missing, in the product's own source."""
    path = refreshed(tmp_path / "a.ts")
    whole = list(open_source(path))
    content = path.read_bytes()
    start = len(content) // 3 // TS * TS
    path.write_bytes(content[:start] + content[start + 6 * TS :])
    with open_source(path, SourceSettings()) as source:
        seen = list(source)
        drops = source.drops
    assert len(whole) - 2 * PERIOD - 3 <= len(seen) < len(whole)
    assert drops["corrupt picture"]
    np.testing.assert_array_equal(seen[-1].pixels, whole[-1].pixels)
    np.testing.assert_array_equal(seen[-30].pixels, whole[-30].pixels)


def test_a_sweep_in_hevc_lasts_as_many_pictures_as_its_message_says(tmp_path: Path) -> None:
    """x265 sends no such messages, so one is put before picture 40: type 39, recovery_poc_cnt 20."""
    message = b"\0\0\0\1\x4e\x01" + bytes([6, 2, 0b00000101, 0b00000100, 0x80])
    container = av.open(str(refreshed(tmp_path / "a.ts", codec="libx265")))
    points = RecoveryPoints(container.streams.video[0].codec_context)
    whole = []
    for number, packet in enumerate(container.demux(video=0)):
        if number == 30:
            points.damage(packet.pts)
        sent = av.Packet((message if number == 40 else b"") + bytes(packet))
        sent.pts = packet.pts
        points.add(sent)
        whole += [number] if points.whole_from is not None else []
    assert whole[0] == 60


def test_a_stream_without_recovery_points_still_waits_for_its_key_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "60", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(90):
            pixels = posed((120 + number, 120, 150), width=320, height=240)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    _, seen = read(path, damaged={20})
    assert len(seen) == 20 + 30


@pytest.mark.parametrize(
    ("bits", "value"), [("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("000010011", 18), ("0000", None), ("", None)]
)
def test_numbers_in_messages_are_read(bits: str, value: int | None) -> None:
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big") if bits else b""
    assert _exp_golomb(content) == value


def test_messages_before_the_recovery_point_are_passed_over() -> None:
    user_data = bytes([5, 255, 5]) + bytes(260)
    assert _recovery_count(bytes([6]) + user_data + bytes([6, 1, 0b00100_100, 0x80]), codec="h264") == 3
    assert _recovery_count(bytes([6]) + user_data, codec="h264") is None
    assert _recovery_count(bytes([6, 6]), codec="h264") is None
    assert _recovery_count(bytes([78, 1, 6, 1, 0b00100_100]), codec="hevc") == 2


def test_descriptions_say_how_units_are_separated() -> None:
    assert length_size("h264", b"") == 0
    assert length_size("h264", bytes([0, 0, 0, 1, 0x67])) == 0
    assert length_size("h264", bytes([1, 66, 0, 30, 0xFF, 0xE1])) == 4


def test_the_end_of_a_lost_picture_behind_the_messages_announces_nothing() -> None:
    whole = b"\x06\x06\x01\xc4\x80"
    assert _recovery_count(whole, codec="h264") is not None
    noise = np.random.default_rng(1).bytes(2000)
    assert _recovery_count(whole[:-1] + noise, codec="h264") is None
    assert _recovery_count(b"\x06\x05\x02ab" + noise, codec="h264") is None
