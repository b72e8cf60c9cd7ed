import math
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from support import clips

from monitor.errors import SourceUnavailableError, SourceUnreadableError
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.sources import reader as reader_module
from monitor.media.sources.address import Address
from monitor.media.sources.reader import Reader


def reader(path: Path, *, read_timeout: float = 5.0, live: bool = False) -> Reader:
    container = av.open(str(path))
    stream = container.streams.video[0]
    return Reader(container, stream, address=Address.of(path), read_timeout=read_timeout, live=live)


class Stumbling:
    """A real container with simulated read failures: before each packet an error to raise, or None."""

    def __init__(self, path: Path, *stumbles: BaseException | None, always: BaseException | None = None) -> None:
        self.container = av.open(str(path))
        self.stumbles = list(stumbles)
        self.always = always
        self.packets = self.container.demux(self.container.streams.video[0])

    def demux(self, stream: Any) -> Iterator[Any]:
        while True:
            error = self.always or (self.stumbles.pop(0) if self.stumbles else None)
            if error is not None:
                raise error
            packet = next(self.packets, None)
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        self.container.close()


class Listening:
    """Records the calls that it receives."""

    def __init__(self, *, wants: bool = True) -> None:
        self.wants = wants
        self.calls: list[tuple[str, object]] = []

    def begin(self, stream: PacketStream) -> bool:
        self.calls.append(("begin", stream.codec))
        return self.wants

    def packet(self, packet: CompressedPacket) -> None:
        self.calls.append(("packet", packet.data))

    def picture(self, *, pts: int | None, media_time: float) -> None:
        self.calls.append(("picture", (pts, media_time)))

    def all(self, kind: str) -> list[Any]:
        return [value for name, value in self.calls if name == kind]


def payloads(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def stumbling(path: Path, *stumbles: BaseException | None, always: BaseException | None = None) -> Reader:
    container: Any = Stumbling(path, *stumbles, always=always)
    stream = container.container.streams.video[0]
    return Reader(container, stream, address=Address.of("webcam:0"), read_timeout=0.02)


def test_each_picture_has_the_arrival_time_of_its_packet(tmp_path: Path) -> None:
    arrivals = list(reader(clips.video(tmp_path / "a.mkv")))
    assert len(arrivals) == 12
    moments = [moment for _, moment in arrivals]
    assert moments == sorted(moments)
    assert moments[0].tzinfo is not None


def test_packets_announced_by_the_header_but_missing_are_counted(tmp_path: Path) -> None:
    whole = clips.video(tmp_path / "a.mp4", frames=50, muxing={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    read = reader(cut)
    pictures = list(read)
    assert 10 < len(pictures) < 40
    assert len(pictures) + sum(read.drops.values()) == 50
    assert read.drops["missing at the end"] > 10


def test_a_damaged_packet_is_counted(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=20, options={"g": "1"})
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][7]
        position, size = packet.pos, packet.size
    damaged = bytearray(path.read_bytes())
    damaged[position + 4 : position + size] = bytes(size - 4)
    path.write_bytes(damaged)
    read = reader(path)
    numbers = [clips.number_of(picture.to_ndarray(format="rgb24")) for picture, _ in read]
    assert numbers == [number for number in range(20) if number != 7]
    assert sum(read.drops.values()) == 1


def test_pictures_after_a_damaged_one_are_dropped_up_to_the_next_key_frame(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=30, options={"g": "10", "sc_threshold": "0"})
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][13]
        position, size = packet.pos, packet.size
    damaged = bytearray(path.read_bytes())
    damaged[position + 4 : position + size] = bytes(size - 4)
    path.write_bytes(damaged)
    read = reader(path)
    numbers = [clips.number_of(picture.to_ndarray(format="rgb24")) for picture, _ in read]
    assert numbers == [*range(13), *range(20, 30)]
    assert sum(read.drops.values()) == 7
    assert read.drops["picture after a corrupt one"] == 6


B_FRAMES = {"g": "10", "sc_threshold": "0", "bf": "2", "b_strategy": "0"}
NONSENSE = b"\0\0\0\1\x41" + b"\xff" * 40  # an undecodable slice


def with_nonsense(packets: Iterator[Any], at: int, *, ahead: int = 0) -> Iterator[Any]:
    """Packets with number ``at`` damaged; the timestamps of the first 20 are ``ahead`` of the later ones."""
    for number, packet in enumerate(packets):
        sent = av.Packet(NONSENSE) if number == at else packet
        sent.stream, sent.pts, sent.dts = packet.stream, packet.pts, packet.dts
        if ahead and number < 20:
            sent.pts, sent.dts = packet.pts + ahead, packet.dts + ahead
        yield sent


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4", "a.avi", "a.h264"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_key_frame_decoded_before_the_damage_does_not_end_it(tmp_path: Path, name: str, after: int) -> None:
    """The decoder returns it after the damage, because it delays reference pictures of B-frames."""
    read = reader(clips.video(tmp_path / name, frames=30, options=B_FRAMES))
    read._packets = with_nonsense(read._packets, 10 + after)
    numbers = {clips.number_of(picture.to_ndarray(format="rgb24")) for picture, _ in read}
    assert numbers >= {*range(8), *range(20, 30)}
    assert not numbers & set(range(11, 20))
    assert read.drops["undecodable packet"] == 1


def test_damage_ends_with_a_key_frame_whose_timestamps_restart(tmp_path: Path) -> None:
    read = reader(clips.video(tmp_path / "a.ts", frames=40, options=B_FRAMES))
    read._packets = with_nonsense(read._packets, 15, ahead=10**6)
    numbers = {clips.number_of(picture.to_ndarray(format="rgb24")) for picture, _ in read}
    assert numbers >= {*range(12), *range(20, 40)}
    assert not numbers & set(range(15, 20))


@pytest.mark.parametrize("codec", ["libx265", "mpeg2video"])
def test_a_change_of_coding_ends_a_live_stream_but_not_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    monkeypatch.setattr(reader_module, "_DAMAGE_TIMEOUTS", math.inf)
    path, other = clips.video(tmp_path / "a.ts", frames=30), clips.video(tmp_path / "b.ts", codec=codec, frames=30)

    def changing(read: Reader) -> Iterator[Any]:
        yield from islice(read._container.demux(read._stream), 20)
        for payload in payloads(other):
            packet = av.Packet(payload)
            packet.stream = read._stream
            yield packet

    live, whole = reader(path, read_timeout=1e-6, live=True), reader(path)
    live._packets, whole._packets = changing(live), changing(whole)
    with pytest.raises(SourceUnavailableError, match="did the stream change its coding"):
        list(live)
    assert len(list(whole)) <= 20
    assert sum(whole.drops.values()) > 10


def test_a_live_stream_that_is_damaged_for_too_long_is_lost(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.ts", frames=40, options={"g": "100"})
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content[places[10] + 100 : places[11]] = bytes(places[11] - places[10] - 100)
    path.write_bytes(content)
    seen = list(reader(path))
    live = reader(path, read_timeout=1e-6, live=True)
    pictures = iter(live)
    with pytest.raises(SourceUnavailableError, match="none of its pictures arrives intact"):
        list(pictures)
    assert 5 < len(seen) < 15, "the rest refers to a lost picture"


@pytest.mark.parametrize("away", [0.1, 60.0])
def test_a_pause_of_the_reading_thread_does_not_fail_a_live_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: float
) -> None:
    monkeypatch.setattr(reader_module, "_READER_PAUSE", away)
    read = reader(clips.video(tmp_path / "a.ts", frames=30, options={"g": "10"}), read_timeout=0.04, live=True)
    filler = av.Packet(b"\0\0\0\1\x0c\x80")  # filler data
    filler.stream = read._stream

    def slow(packets: Iterator[Any]) -> Iterator[Any]:
        yield from islice(packets, 10)
        time.sleep(0.3)
        yield filler
        yield from packets

    read._packets = slow(read._packets)
    if away < 1:
        assert len(list(read)) == 30
    else:
        with pytest.raises(SourceUnavailableError, match="arrives intact"):
            list(read)


def test_a_live_stream_may_start_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_DAMAGE_TIMEOUTS", math.inf)
    path = clips.video(tmp_path / "a.ts", codec="mpeg2video", frames=40, options={"g": "20"})
    with av.open(str(path)) as container:
        late = [packet for packet in container.demux(video=0) if packet.size][3].pos
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[: 2 * 188] + path.read_bytes()[late:])
    assert len(list(reader(cut, read_timeout=1e-6, live=True))) >= 20


def test_pictures_with_invented_pixels_are_dropped_and_counted(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.ts", codec="mpeg2video", frames=30, size=(640, 480))
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    read = reader(cut)
    assert not any(picture.is_corrupt for picture, _ in read)
    assert read.drops["corrupt picture"] == 1


def test_an_unreadable_packet_is_skipped_and_counted(tmp_path: Path) -> None:
    broken = av.error.InvalidDataError(1, "")
    read = stumbling(clips.video(tmp_path / "a.mkv", options={"g": "1"}), None, broken, None, broken)
    assert len(list(read)) == 12
    assert read.drops == {"unreadable packet": 2}


def test_pictures_after_an_unreadable_packet_are_dropped_up_to_the_next_key_frame(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", frames=30, options={"g": "10", "sc_threshold": "0"})
    read = stumbling(path, *[None] * 13, av.error.InvalidDataError(1, ""))
    numbers = [clips.number_of(picture.to_ndarray(format="rgb24")) for picture, _ in read]
    assert numbers == [*range(13), *range(20, 30)]
    assert read.drops == {"unreadable packet": 1, "picture after a corrupt one": 7}


def test_a_stream_of_only_errors_fails(tmp_path: Path) -> None:
    read = stumbling(clips.video(tmp_path / "a.mkv"), always=av.error.InvalidDataError(1, ""))
    with pytest.raises(SourceUnreadableError, match="breaks off"):
        list(read)


def test_a_device_without_a_new_frame_is_read_again(tmp_path: Path) -> None:
    busy = av.error.BlockingIOError(11, "")
    assert len(list(stumbling(clips.video(tmp_path / "a.mkv"), busy, busy))) == 12


def test_a_device_that_stays_silent_is_lost(tmp_path: Path) -> None:
    read = stumbling(clips.video(tmp_path / "a.mkv"), always=av.error.BlockingIOError(11, ""))
    with pytest.raises(SourceUnavailableError, match="sends no picture"):
        list(read)


def test_a_failed_read_ends_the_stream_with_its_reason(tmp_path: Path) -> None:
    read = stumbling(clips.video(tmp_path / "a.mkv"), None, None, av.error.OSError(19, ""))
    with pytest.raises(SourceUnavailableError, match="unplugged"):
        list(read)


def test_a_closed_reader_gives_no_pictures_and_close_may_be_called_twice(tmp_path: Path) -> None:
    read = reader(clips.video(tmp_path / "a.mkv"))
    pictures = iter(read)
    next(pictures)
    read.close()
    read.close()
    assert list(pictures) == []


def test_close_from_another_thread_does_not_wait_and_frees_the_container_after_the_read(tmp_path: Path) -> None:
    read = reader(clips.video(tmp_path / "a.mkv"))
    asked, answered = threading.Event(), threading.Event()
    packets = read._packets

    def slow() -> Iterator[Any]:
        asked.set()
        assert answered.wait(10)
        yield from packets

    read._packets = slow()
    came: list[Any] = []
    thread = threading.Thread(target=lambda: came.extend(read))
    thread.start()
    assert asked.wait(10)
    read.close()
    assert len(read._container.streams) == 1
    answered.set()
    thread.join(10)
    assert not thread.is_alive()
    assert came == []
    assert len(read._container.streams) == 0


def test_a_listener_receives_each_packet_before_its_picture(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv")
    read, listening = reader(path), Listening()
    assert read.tap(listening)
    for picture, _ in read:
        read.report(picture, media_time=float(picture.time or 0))
    assert listening.calls[0] == ("begin", "h264")
    assert listening.all("packet") == payloads(path)
    assert [pts for pts, _ in listening.all("picture")] == [number * 40 for number in range(12)]
    assert [name for name, _ in listening.calls[1:3]] == ["packet", "picture"]


def test_a_late_listener_receives_the_first_packets_too(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv")
    read, listening, another = reader(path), Listening(), Listening()
    pictures = iter(read)
    next(pictures)
    next(pictures)
    assert read.tap(listening)
    assert read.tap(another)
    assert listening.all("packet") == payloads(path)[:2]
    list(pictures)
    assert listening.all("packet") == another.all("packet") == payloads(path)


@pytest.mark.parametrize("bound", ["_BUFFER_PACKETS", "_BUFFER_BYTES"])
def test_only_a_few_packets_are_buffered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    path = clips.video(tmp_path / "a.mkv")
    read, listening = reader(path), Listening()
    monkeypatch.setattr(reader_module, bound, 3 if bound == "_BUFFER_PACKETS" else sum(map(len, payloads(path)[:3])))
    pictures = iter(read)
    for _ in range(3):
        next(pictures)
    assert len(read._first_packets or ()) == 3
    next(pictures)
    assert read._first_packets is None
    assert read.tap(listening)
    list(pictures)
    assert listening.all("packet") == payloads(path)[4:]


def test_packets_before_the_first_key_frame_are_not_buffered(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", frames=30, options={"g": "10", "sc_threshold": "0"})
    read, listening = reader(path), Listening()
    for _ in range(4):
        next(read._packets)  # joined amid a group
    next(iter(read))
    read.tap(listening)
    assert listening.all("packet")[0] == payloads(path)[10]


def test_a_listener_that_refuses_the_stream_receives_no_packets(tmp_path: Path) -> None:
    read, listening = reader(clips.video(tmp_path / "a.mkv")), Listening(wants=False)
    assert not read.tap(listening)
    for picture, _ in read:
        read.report(picture, media_time=0.0)
    assert listening.calls == [("begin", "h264")]


def test_a_closed_reader_refuses_listeners(tmp_path: Path) -> None:
    read, listening = reader(clips.video(tmp_path / "a.mkv")), Listening()
    next(iter(read))
    read.close()
    assert not read.tap(listening)
    assert listening.calls == []
