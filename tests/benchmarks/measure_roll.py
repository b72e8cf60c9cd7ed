"""How the log-odds of faces change when their pictures are rotated, mirrored, covered, or filmed from a print.

PYTHONPATH=tests python tests/benchmarks/measure_roll.py PICTURES [--count 60] [--model inception_resnet_v1]

PICTURES is a folder or a tar of pictures with one face each in the middle. Each picture is searched upright, changed,
and searched again as it lies. "Judged" are the faces that pass the limits of roll and of the detector's probability.
"""

import argparse
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from monitor.analysis import quality
from monitor.analysis.pipeline import Engines
from monitor.faces.quarter_turns import find_landmarks
from monitor.settings import QualitySettings, Settings
from monitor.types import Floats, Pixels, TrackedFaces
from monitor.types.faces import sigmoid

ANGLES = (0, 10, -10, 20, -20, 30, -30, 40, -40, 50, -50, 60, -60, 75, 90, -90, 120, 150, 180)
MARGIN = 0.25  # mirrored around the picture, so that a rotated face has surroundings
NEAR = 0.2  # of the picture's side, from the middle: the picture's own face
ANY = QualitySettings(
    min_size=1, min_sharpness=0, min_brightness=0, max_yaw=90, max_roll=180, min_visible=0, min_probability=0
)
DEFAULTS = QualitySettings()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--model", default="inception_resnet_v1")
    given = parser.parse_args()
    engines = Engines.load(Settings.model_validate({"classifier": {"model": given.model}}))
    rows: dict[str, list[tuple[float, float, float, bool] | None]] = {}
    for picture in pictures(given.pictures, given.count):
        upright = judged(engines, picture)
        if upright is None:
            continue
        for name, changed in changes(picture, upright[3]):
            found = judged(engines, changed)
            rows.setdefault(name, []).append(found and (upright[0], *found[:3]))
    print(
        "| change | found | judged | measured roll | log-odds, change: median (10 to 90 %) | P(fake) >= 90 % |\n"
        "|---|---|---|---|---|---|"
    )
    for name, results in rows.items():
        kept = np.array([row for row in results if row is not None])
        if not len(kept):
            print(f"| {name} | 0 of {len(results)} | | | | |")
            continue
        before, after, roll, passes = kept.T
        low, middle, high = np.quantile(after - before, (0.1, 0.5, 0.9))
        accused = sum(sigmoid(value) >= 0.9 for value in after)
        found = f"{len(kept)} of {len(results)} | {passes.sum():.0f} | {np.median(roll):.0f}"
        print(f"| {name} | {found} | {middle:+.2f} ({low:+.2f} to {high:+.2f}) | {accused} of {len(kept)} |")


def pictures(path: Path, count: int) -> Iterator[Pixels]:
    if path.is_dir():
        stored = [file.read_bytes() for file in chosen(sorted(path.iterdir()), count)]
    else:
        with tarfile.open(path) as archive:
            files = map(archive.extractfile, chosen(archive.getnames(), count))
            stored = [file.read() for file in files if file is not None]
    for content in stored:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        margin = round(MARGIN * max(pixels.shape))
        padded = cv2.copyMakeBorder(pixels, *(margin,) * 4, cv2.BORDER_REFLECT_101)
        yield np.asarray(cv2.cvtColor(padded, cv2.COLOR_BGR2RGB), np.uint8)


def chosen(items: list[Any], count: int) -> list[Any]:
    return random.Random(0).sample(items, min(count, len(items)))


def judged(engines: Engines, pixels: Pixels) -> tuple[float, float, bool, Floats] | None:
    """Log-odds, measured roll, whether it is judged, and box of the face in the middle."""
    faces = engines.faces.detect(pixels)
    height, width = pixels.shape[:2]
    offsets = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - (width / 2, height / 2)
    near = np.flatnonzero(np.hypot(*offsets.T) < NEAR * width)
    if not len(near):
        return None
    face = find_landmarks(engines.faces, pixels, faces[near[:1]])
    qualities = quality.measure(pixels, face, ANY)
    tracked = TrackedFaces(faces=face, track_ids=np.array([1], np.int64))
    scores = engines.committee.fusion.fuse(
        [scorer.score(pixels, tracked, qualities, rows=[0]) for scorer in engines.scorers]
    )
    roll = float(qualities.roll[0])
    passes = abs(roll) <= DEFAULTS.max_roll and face.probabilities[0] >= DEFAULTS.min_probability
    return float(scores.log_odds[0]), roll, bool(passes), face.boxes[0]


def changes(pixels: Pixels, box: Floats) -> Iterator[tuple[str, Pixels]]:
    height, width = pixels.shape[:2]
    for angle in ANGLES:
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1)
        turned = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        exact = np.ascontiguousarray(np.rot90(pixels, -angle // 90)) if angle % 90 == 0 else turned
        yield f"rotated by {angle}", np.asarray(exact, np.uint8)
    yield "mirrored", np.ascontiguousarray(pixels[:, ::-1])
    for name, (left, top, right, bottom) in {
        "eyes covered": (0.0, 0.25, 1.0, 0.5),
        "mouth and nose covered": (0.0, 0.55, 1.0, 1.0),
        "left half covered": (0.0, 0.0, 0.5, 1.0),
    }.items():
        covered = pixels.copy()
        (x1, y1), (x2, y2) = box[:2], box[2:]
        across, down = x2 - x1, y2 - y1
        rows = slice(max(round(float(y1 + top * down)), 0), round(float(y1 + bottom * down)))
        columns = slice(max(round(float(x1 + left * across)), 0), round(float(x1 + right * across)))
        covered[rows, columns] = (70, 90, 120)
        yield name, covered
    yield "on a poster", poster(pixels)
    yield "on a screen", screen(pixels)


def poster(pixels: Pixels) -> Pixels:
    """A print, seen from the side and a camera away: narrower, paler, less sharp."""
    height, width = pixels.shape[:2]
    seen = np.array([(0.1, 0.05), (0.9, 0.15), (0.9, 0.85), (0.1, 0.95)], np.float32) * (width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    wall = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=(150, 145, 140))
    return recorded(cv2.GaussianBlur(wall, (0, 0), 0.7) * 0.8 + 30.0)


def screen(pixels: Pixels) -> Pixels:
    """A display that a camera films: its pixel rows and stripes of red, green and blue, a black frame, a blue cast."""
    height, width = pixels.shape[:2]
    shown = cv2.resize(pixels, (width * 6, height * 6), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    shown[::6] *= 0.3
    for channel in range(3):
        for column in range(6):
            if column // 2 != channel:
                shown[:, column::6, channel] *= 0.25
    size = (round(width * 0.83), round(height * 0.83))
    small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA) * (1.7, 1.8, 2.0)
    filmed = np.zeros(pixels.shape, np.float32)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    filmed[top : top + size[1], left : left + size[0]] = small
    return recorded(filmed)


def recorded(pixels: Floats) -> Pixels:
    """As a camera stores it."""
    stored = cv2.imencode(".jpg", np.clip(pixels, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)


if __name__ == "__main__":
    main()
