"""Small sets of face crops in the layout that ``lab prepare`` writes, made of the public-domain portrait."""

import csv
import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np

from monitor.lab.datasets.faceset import COLUMNS, FACTS, INDEX
from monitor.media.sources import demo_portrait
from monitor.types import Pixels

LANDMARKS = np.array([[62, 95], [148, 95], [105, 140], [75, 175], [140, 175]], np.float32)  # about, in a 224 px crop


def face(number: int, *, fake: bool = False, size: int = 224) -> Pixels:
    """A crop of the portrait, genuine or blended, that differs with ``number`` in place and light: (S, S, 3) RGB."""
    picture = demo_portrait.blended() if fake else demo_portrait.genuine()
    rng = np.random.default_rng(number)
    x, y = 177 + rng.integers(-3, 4), 70 + rng.integers(-3, 4)
    crop = picture[y : y + 94, x : x + 94].astype(np.float32) * rng.uniform(0.75, 1.1) + rng.normal(0, 2, (94, 94, 3))
    return np.asarray(cv2.resize(np.clip(crop, 0, 255).astype(np.uint8), (size, size)), np.uint8)


def jpeg(pixels: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def pair_rows(pairs: int, *, split: str, start: int = 0) -> list[dict[str, str]]:
    """Index rows of so many real crops, each with a fake of it."""
    rows = []
    for number in range(start, start + pairs):
        real, fake = f"{split}{number}r", f"{split}{number}f"
        common = {"group": real, "split": split, "shard": f"{split}-00.tar"}
        rows.append({"name": real, "label": "0", "original": "", **common})
        rows.append({"name": fake, "label": "1", "original": real, **common})
    return rows


def write_faces(
    folder: Path, rows: list[dict[str, str]], *, landmarks: bool = False, side: float | None = None, size: int = 224
) -> Path:
    """Write index, shards and, with ``side``, ``faces.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = COLUMNS if landmarks else COLUMNS[:8]
    points = {name: str(value) for name, value in zip(COLUMNS[-10:], LANDMARKS.ravel(), strict=True)}
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(row | (points if landmarks else {}) for row in rows)
    for shard in {row["shard"] for row in rows}:
        with tarfile.open(folder / shard, "w") as archive:
            for number, row in enumerate(rows):
                if row["shard"] == shard:
                    content = jpeg(face(number // 2, fake=row["label"] == "1", size=size))
                    member = tarfile.TarInfo(f"{row['name']}.jpg")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    if side is not None:
        facts = {"side_over_box_height": side, "centre_below_box_centre_over_box_height": 0.06}
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return folder
