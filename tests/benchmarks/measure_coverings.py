"""Labels of clips as they are, in black and white, and with a face mask painted over mouth and nose.

    python tests/benchmarks/measure_coverings.py clips/manifest.csv [--seconds 6] [--weights FILE]

The mask follows the landmarks from the bridge of the nose to the chin. All versions are coded again in the same way.
"""

import argparse
import csv
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

import monitor
from monitor.analysis.pipeline import Engines
from monitor.media.video_writer import VideoWriter
from monitor.settings import Settings
from monitor.types import Floats, Pixels

CLOTH = (150, 190, 205)


def main() -> None:
    """Print one row for each clip."""
    parser = argparse.ArgumentParser(description="Labels of covered and of black-and-white clips.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--weights", type=Path)
    wanted = parser.parse_args()
    settings = Settings.model_validate({"classifier": {"weights": wanted.weights} if wanted.weights else {}})
    engines = monitor.load_engines(settings)
    with wanted.manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    changes: dict[str, Callable[[Engines, Pixels], Pixels]] = {"as it is": plain, "grey": grey, "masked": masked}
    print("| clip | " + " | ".join(changes) + " |\n" + "|---" * (len(changes) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            cells = []
            for change in changes.values():
                path = Path(folder) / "changed.mp4"
                write(
                    path, wanted.manifest.parent / row["path"], seconds=wanted.seconds, engines=engines, change=change
                )
                report = monitor.analyze(path, settings=settings, engines=engines)
                cells.append(", ".join(labels(report)) or "no face")
                path.unlink()
            print(f"| {row['label']}, {row['method']} | " + " | ".join(cells) + " |", flush=True)


def labels(report: monitor.Report) -> Iterator[str]:
    """Yields label and probability of each track."""
    for track in report.tracks:
        chance = track.verdict.probability
        yield track.verdict.label.name.lower() + (f" {chance:.2f}" if chance is not None else "")


def write(
    path: Path, clip: Path, *, seconds: float, engines: Engines, change: Callable[[Engines, Pixels], Pixels]
) -> None:
    """Write the first seconds of a clip, each frame changed."""
    with monitor.open_source(str(clip)) as source, VideoWriter(path, fps=source.info.fps) as video:
        for frame in source:
            if frame.media_time > seconds:
                break
            video.write(change(engines, frame.pixels), frame.media_time)


def plain(_engines: Engines, pixels: Pixels) -> Pixels:
    """The picture as it is."""
    return pixels


def grey(_engines: Engines, pixels: Pixels) -> Pixels:
    """Luma in all channels."""
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def masked(engines: Engines, pixels: Pixels) -> Pixels:
    """A mask in one colour over the lower half of every face."""
    made = pixels.copy()
    for landmarks in engines.faces.detect(pixels).landmarks:
        cv2.fillPoly(made, [outline(landmarks)], CLOTH, lineType=cv2.LINE_AA)
    return made


def outline(landmarks: Floats) -> np.ndarray:
    """(K, 2) pixels from five landmarks: bridge of the nose, cheeks, chin."""
    left, right, nose, left_mouth, right_mouth = landmarks
    eyes, mouth = (left + right) / 2, (left_mouth + right_mouth) / 2
    across, down = (right - left) / 2, mouth - eyes
    top = (eyes + nose) / 2
    chin = mouth + 0.75 * down
    return np.array(
        [
            top - 0.3 * across,
            top + 0.3 * across,
            nose + 1.35 * across,
            mouth + 1.15 * across + 0.2 * down,
            chin + 0.5 * across,
            chin - 0.5 * across,
            mouth - 1.15 * across + 0.2 * down,
            nose - 1.35 * across,
        ]
    ).astype(np.int32)


if __name__ == "__main__":
    main()
