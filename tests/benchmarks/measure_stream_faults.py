"""What lines that lose packets and streams that change cost: a line of figures for each.

    PYTHONPATH=tests python tests/benchmarks/measure_stream_faults.py [--seconds 20] [--times 5]

Needs GStreamer's RTSP server. Takes ten minutes.
"""

import argparse
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import av
import numpy as np
from benchmarks.measure_faults import told
from support import broadcast, faults
from support.rtp_proxy import RtpProxy

from monitor.errors import SourceError
from monitor.media.sources import open_source
from monitor.settings import SourceSettings
from monitor.types import Floats, Pixels

GOOD = 30.0  # dB against what was sent: under it, damage shows
LOSSES = (0.0, 0.01, 0.05, 0.2)
SAMPLED = 8  # pixels that one stands for, in both directions


def sampled(pixels: Pixels) -> Floats:
    return pixels[::SAMPLED, ::SAMPLED].astype(np.float32)


def likeness(pixels: Pixels, sent: Floats) -> float:
    """PSNR against the likest of ``sent``, dB."""
    error = np.square(sent - sampled(pixels)).mean(axis=(1, 2, 3)).min()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def lossy(camera: faults.Camera, sent: Floats, *, transport: str, loss: float, seconds: float) -> None:
    """Watch through a line that loses packets, and compare each picture with what was sent."""
    settings = SourceSettings(rtsp_transport=transport, read_timeout=2.0)
    likenesses: list[float] = []
    lost: Counter[str] = Counter()
    openings, longest = 0, 0.0
    with closing(RtpProxy(camera.port, seed=round(100 * loss))) as line:
        url = camera.url.replace(str(camera.port), str(line.port))
        line.loss, end, seen_at = loss, time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < end:
            openings += 1
            try:
                with open_source(url, settings) as source:
                    for frame in source:
                        likenesses.append(likeness(frame.pixels, sent))
                        longest, seen_at = max(longest, time.monotonic() - seen_at), time.monotonic()
                        if seen_at > end:
                            break
                    lost.update(source.drops)
            except SourceError:
                continue
        share = line.dropped / max(1, line.dropped + line.passed)
    bad = sum(value < GOOD for value in likenesses)
    print(
        f"{transport}, {100 * share:.1f} % of {line.dropped + line.passed} packets lost: {len(likenesses)} pictures in "
        f"{seconds:.0f} s, {bad} of them damaged (< {GOOD:.0f} dB), longest gap {longest:.1f} s, {openings} openings; "
        f"{dict(lost)}",
        flush=True,
    )


def changes(folder: Path, *, times: int) -> None:
    """From the change of what is sent to the first picture of the next connection."""
    seconds = 30.0
    before = broadcast.film(folder / "before.ts", seconds=seconds)
    for name, changed in (
        ("size", {"size": (320, 180)}),
        ("H.264 to HEVC", {"codec": "libx265"}),
        ("H.264 to MPEG-2", {"codec": "mpeg2video"}),
    ):
        after = broadcast.film(folder / f"{name}.ts", seconds=seconds, **changed)
        taken = []
        for _ in range(times):
            with broadcast.broadcast(before, seconds=seconds) as (url, programme), faults.watched(url) as (_, witness):
                programme.show(after.read_bytes(), seconds)
                taken.append(faults.recovered(witness, after=1, since=time.monotonic()))
        told(f"change of {name}", taken, times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = broadcast.film(folder / "cam.mp4", seconds=3)
        with av.open(str(film)) as container:
            sent = np.stack([sampled(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)])
        camera = faults.Camera(film)
        camera.start()
        for transport in ("udp", "tcp"):
            for loss in LOSSES:
                lossy(camera, sent, transport=transport, loss=loss, seconds=given.seconds)
        camera.kill()
        changes(folder, times=given.times)


if __name__ == "__main__":
    main()
