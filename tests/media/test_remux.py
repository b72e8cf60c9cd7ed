from dataclasses import replace
from pathlib import Path

import av
import pytest
from support import clips

from monitor.errors import SourceError, SourceUnreadableError
from monitor.media.packets import PacketStream
from monitor.media.remux import TimedPacket, _retime, is_playable, select_packets, write


def packets(*kinds: tuple[bool, float]) -> list[TimedPacket]:
    return [TimedPacket(b"%d" % number, is_key, time) for number, (is_key, time) in enumerate(kinds)]


def times(chosen_packets: list[TimedPacket]) -> list[float]:
    return [packet.media_time for packet in chosen_packets]


KEY, OTHER = True, False
GROUPS = packets((KEY, 0), (OTHER, 3), (OTHER, 1), (OTHER, 2), (KEY, 6), (OTHER, 4), (OTHER, 5), (OTHER, 7))


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (0, 0, [0]),
        (0, 1, [0, 3, 1, 2]),  # 1 refers to 3, so 2 is shown too
        (2, 3, [0, 3, 1, 2]),
        (5, 6, [0, 3, 1, 2, 6, 4, 5]),
        (6, 7, [6, 7]),  # 4 and 5 refer to pictures before 6
        (-4, 0.5, [0]),
    ],
)
def test_a_span_gets_the_packets_that_it_needs(start: float, end: float, wanted: list[float]) -> None:
    assert times(select_packets(GROUPS, start, end)) == wanted


@pytest.mark.parametrize(("start", "end"), [(-3, -1), (8, 9)])
def test_a_span_outside_the_packets_is_an_error(start: float, end: float) -> None:
    with pytest.raises(SourceError, match="no picture between"):
        select_packets(GROUPS, start, end)
    with pytest.raises(SourceError, match="none at all"):
        select_packets([], start, end)


def test_no_picture_is_decoded_after_it_is_shown_nor_two_at_once() -> None:
    retimed = _retime(packets((KEY, 10.0), (OTHER, 13.0), (OTHER, 11.0), (OTHER, 11.0), (OTHER, 12.5)))
    assert [packet.pts for packet in retimed] == [0, 270_000, 90_000, 90_001, 225_000]
    assert [packet.dts for packet in retimed] == sorted({packet.dts for packet in retimed})
    assert all(packet.dts <= packet.pts for packet in retimed)
    assert [packet.duration for packet in retimed] == [90_000, 45_000, 1, 134_999, 45_000]
    assert [packet.is_keyframe for packet in retimed] == [True, False, False, False, False]


def test_a_stream_without_a_description_is_not_playable(tmp_path: Path) -> None:
    with av.open(str(clips.video(tmp_path / "a.mp4"))) as container:
        stream = PacketStream.of(container.streams.video[0])
    assert is_playable(stream)
    assert not is_playable(replace(stream, described=False))
    assert not is_playable(replace(stream, header=b""))


def test_packets_that_do_not_fit_into_an_mp4_are_an_error_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(str(clips.video(tmp_path / "a.mp4"))) as container:
        stream = PacketStream.of(container.streams.video[0])

    def refused(*_: object) -> None:
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr("monitor.media.remux._retime", refused)
    with pytest.raises(SourceUnreadableError, match="do not fit into an mp4"):
        write(tmp_path / "clip.mp4", stream, packets((KEY, 0.0)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
