"""Loops the genuine clips of a manifest, for false alarms per hour of untouched footage.

Packets are copied, not encoded again. Each clip is repeated as often as the others, and every joint is a cut.

    PYTHONPATH=tests python tests/benchmarks/loop_clips.py clips/manifest.csv --out looped --seconds 3600
    deepfake-monitor lab evaluate looped/manifest.csv --split all --out report
"""

import argparse
import csv
import math
from fractions import Fraction
from pathlib import Path

import av


def main() -> None:
    """Write the looped clips and their manifest."""
    parser = argparse.ArgumentParser(description="Loop the genuine clips of a manifest.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=3600.0)
    wanted = parser.parse_args()
    with wanted.manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "real"]
    clips = [wanted.manifest.parent / row["path"] for row in rows]
    times = math.ceil(wanted.seconds / sum(seconds(clip) for clip in clips))
    wanted.out.mkdir(parents=True)
    with (wanted.out / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "method"))
        for row, clip in zip(rows, clips, strict=True):
            looped = wanted.out / f"{clip.stem}.mkv"
            loop(clip, looped, times=times)
            writer.writerow((looped.name, "real", row["method"]))
            print(f"{looped}: {times} times, {seconds(looped):.0f} s")


def seconds(path: Path) -> float:
    """Length of a file."""
    with av.open(path) as container:
        return (container.duration or 0) / av.time_base


def loop(source: Path, target: Path, *, times: int) -> None:
    """Copy the video packets of ``source`` into ``target``, ``times`` times."""
    with av.open(target, "w") as out, av.open(source) as first:
        stream = out.add_stream_from_template(first.streams.video[0])
        offset = 0
        for _ in range(times):
            end = 0
            with av.open(source) as again:
                video = again.streams.video[0]
                step = round(Fraction(1) / (video.average_rate or 25) / video.time_base)
                for packet in again.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or step))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
            offset += end


if __name__ == "__main__":
    main()
