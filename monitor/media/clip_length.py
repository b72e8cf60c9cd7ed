"""Measures the lengths of clips from the timestamps of their pictures, without decoding them."""

from pathlib import Path

import av

from monitor.media import progress


def measure_lengths(path: Path, *more: Path) -> list[float | None]:
    """The seconds from the first to the last picture of each file; None for a file that is not a video."""
    return [_measure(each) for each in (path, *more)]


def _measure(path: Path) -> float | None:
    times = []
    try:
        with av.open(path) as container:
            for packet in container.demux(container.streams.video[0]):
                progress.report()
                if packet.size and packet.pts is not None:
                    times.append(float(packet.pts * packet.time_base))
    except (av.FFmpegError, OSError, IndexError):
        return None
    return max(times) - min(times) if times else None
