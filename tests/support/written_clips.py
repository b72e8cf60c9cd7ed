"""What is in a clip that was written: decoded again, as a player would."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from support import clips

from monitor.flags.clips import Clip, PacketRing, PictureRing
from monitor.media.sources import open_source
from monitor.types import Frame

B_FRAMES = {"bf": "3", "b_strategy": "0", "sc_threshold": "0"}  # three between two others, always


def save(ring: PacketRing | PictureRing, path: Path, start: float, end: float) -> Clip:
    """Saves a span of what the ring holds now."""
    with ring.reserve(start=start, moment=start, end=end) as clip:
        return clip.save(path)


def check(path: Path, clip: Clip, originals: Sequence[Frame], *, tolerance: float = 12.0) -> list[float]:
    """Every picture of an mp4 is that of the source at the same media time, and none between them is missing.

    Returns:
        Media times of the pictures, seconds.
    """
    assert_plays(path)
    with open_source(path) as source:
        shown = list(source)
        assert source.drops == {}
    times = [frame.media_time + clip.start for frame in shown]
    wanted = [frame for frame in originals if clip.start - 1e-3 < frame.media_time < clip.end + 1e-3]
    assert [round(time, 3) for time in times] == [round(frame.media_time, 3) for frame in wanted]
    assert abs(times[-1] - clip.end) < 1e-3
    for frame, original in zip(shown, wanted, strict=True):
        assert frame.pixels.shape == original.pixels.shape
        assert np.abs(frame.pixels.astype(int) - original.pixels).mean() < tolerance
    return times


def assert_plays(path: Path) -> None:
    """An mp4 with its index at the front that begins with a key frame at time 0."""
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    with av.open(path, format="mp4") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert packets[0].is_keyframe
    assert min(packet.pts for packet in packets) == packets[0].pts == 0
    assert all(packet.dts <= packet.pts for packet in packets)


def payloads(path: Path) -> list[bytes]:
    """The compressed pictures of an mp4 or mkv, in order of decoding."""
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [clips.number_of(frame.pixels) for frame in frames]
