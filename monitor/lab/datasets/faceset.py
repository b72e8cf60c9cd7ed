"""Prepared face crops: ``index.csv``, tar shards of JPEG and ``faces.json``, read at random and from any thread.

``index.csv`` has a row per crop (columns: :data:`COLUMNS`; those from ``dataset`` on may be missing), the shards a
member ``<name>.jpg`` per crop. ``faces.json`` holds the geometry of the squares; without it, their side is
:data:`DEFAULT_SIDE` box heights. Shards are memory-mapped, nothing is unpacked.
"""

import csv
import hashlib
import json
import mmap
import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np

from monitor.errors import DatasetError
from monitor.types import Floats, Pixels

INDEX, FACTS = "index.csv", "faces.json"
LANDMARK_COLUMNS: Final = tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy")
COLUMNS: Final = (
    *("name", "label", "original", "group", "split", "shard", "source_width", "source_height"),
    *("dataset", "method", "identity"),
    *LANDMARK_COLUMNS,
)
REQUIRED: Final = ("name", "label", "split", "shard")
SPLITS: Final = ("train", "val", "test")
DEFAULT_SIDE, DEFAULT_CENTRE = 0.85, 0.06  # box heights: measured on four DFDC videos and the crops made from them
# Median of MTCNN's five points on real DFDC crops of that geometry, made symmetric; fractions of the side.
USUAL_LANDMARKS: Final = ((0.291, 0.280), (0.709, 0.280), (0.500, 0.494), (0.333, 0.741), (0.667, 0.741))


_LEAST_SIDE, _MOST_SIDE = 0.2, 8.0  # box heights, range of valid squares


@dataclass(frozen=True, slots=True, eq=False)
class FaceRow:
    """One crop."""

    name: str  # unique in its set
    label: int  # 1 = fake, 0 = real
    original: str  # name of a fake's original crop, or ""
    group: str  # a real video and its fakes; always in one split
    split: str  # one of SPLITS, or "" if unassigned
    shard: str
    dataset: str
    method: str
    identity: str
    landmarks: Floats | None  # (5, 2) pixels of the stored crop; None if unknown


class FaceSet:
    """Crops of one folder or a selection of them. Reading is thread-safe.

    Args:
        folder: of the shards.
        rows: the crops, in the order of the index.
        side_over_box_height: side of the stored squares, in heights of the detector's box.
        centre_below_box_centre_over_box_height: their centre, in the same unit.
    """

    def __init__(
        self,
        folder: Path,
        rows: Iterable[FaceRow],
        *,
        side_over_box_height: float = DEFAULT_SIDE,
        centre_below_box_centre_over_box_height: float = DEFAULT_CENTRE,
    ) -> None:
        self.folder = folder
        self.rows = list(rows)
        self.side_over_box_height = side_over_box_height
        self.centre_below_box_centre_over_box_height = centre_below_box_centre_over_box_height
        self._shards = {shard: _Shard(folder / shard) for shard in sorted({row.shard for row in self.rows})}
        for row in self.rows:
            self._shards[row.shard].require(row.name)

    @classmethod
    def open(cls, folder: Path, *, splits: Collection[str] | None = None) -> Self:
        """Open the crops of the given splits (default: all) in ``folder``.

        Raises:
            DatasetError: the index or a shard is missing or malformed, a name is duplicated, or no crop is left.
        """
        rows = read_index(folder)
        doubled = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
        if doubled:
            raise DatasetError(f"{folder / INDEX} names {doubled[0]!r} twice: names must be unique")
        chosen = [row for row in rows if splits is None or row.split in splits]
        if not chosen:
            known = ", ".join(sorted({row.split or "none" for row in rows})) or "no rows at all"
            wanted = ", ".join(splits or ())
            raise DatasetError(f"{folder} holds no crop of split {wanted or 'any'}: its index has {known}")
        side, centre = _geometry(folder / FACTS)
        return cls(folder, chosen, side_over_box_height=side, centre_below_box_centre_over_box_height=centre)

    def __len__(self) -> int:
        return len(self.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the shards, so that they can be replaced on every system; crops cannot be read afterwards."""
        for shard in self._shards.values():
            shard.close()

    @property
    def digest(self) -> str:
        """SHA-256 of the rows and the geometry, without the pictures."""
        digest = hashlib.sha256(f"{self.side_over_box_height} {self.centre_below_box_centre_over_box_height}".encode())
        for row in self.rows:
            points = b"" if row.landmarks is None else row.landmarks.tobytes()
            digest.update(f"{row.name}\n{row.label}\n{row.original}\n{row.group}\n{row.shard}\n".encode() + points)
        return digest.hexdigest()

    def select(self, keep: Callable[[FaceRow], bool]) -> "FaceSet":
        """The crops for which ``keep`` is true."""
        return FaceSet(
            self.folder,
            filter(keep, self.rows),
            side_over_box_height=self.side_over_box_height,
            centre_below_box_centre_over_box_height=self.centre_below_box_centre_over_box_height,
        )

    def square(self, stored: int, *, side: float, centre: float) -> Floats:
        """The square of another crop policy inside a stored crop.

        Args:
            stored: side of the stored crop, pixels.
            side: of the square, box heights.
            centre: of the square below the box's centre, box heights.

        Returns:
            (1, 4) x1 y1 x2 y2, pixels of the stored crop; may extend beyond it.
        """
        unit = stored / self.side_over_box_height  # pixels in a box height
        middle, half = stored / 2, side * unit / 2
        down = (centre - self.centre_below_box_centre_over_box_height) * unit
        corners = (middle - half, middle + down - half, middle + half, middle + down + half)
        return np.array([corners], np.float32)

    def landmarks(self, row: int, *, side: int) -> Floats:
        """Landmarks (5, 2) of crop number ``row``, stored at ``side`` pixels; average landmarks if unknown."""
        known = self.rows[row].landmarks
        if known is not None:
            return known
        points = (np.array(USUAL_LANDMARKS) - 0.5) * DEFAULT_SIDE  # box heights from the default square's centre
        points[:, 1] += DEFAULT_CENTRE - self.centre_below_box_centre_over_box_height
        return np.asarray((points / self.side_over_box_height + 0.5) * side, np.float32)

    def jpeg(self, row: int) -> bytes:
        """The stored file of crop number ``row``."""
        face = self.rows[row]
        return self._shards[face.shard].read(face.name)

    def pixels(self, row: int) -> Pixels:
        """Crop number ``row``, decoded: (H, W, 3) RGB.

        Raises:
            DatasetError: it is not a picture.
        """
        stored = np.frombuffer(self.jpeg(row), np.uint8)
        try:
            picture = cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB) if stored.size else None
        except cv2.error:  # a header with more pixels than OpenCV accepts
            picture = None
        if picture is None:
            face = self.rows[row]
            raise DatasetError(
                f"crop {face.name} in {self.folder / face.shard} is damaged: it cannot be decoded; prepare it again"
            )
        return np.asarray(picture, np.uint8)


class _Shard:
    """One memory-mapped tar file, with members by name without suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                with tarfile.open(fileobj=file) as archive:
                    self._places = {
                        member.name.removeprefix("./").rpartition(".")[0]: (member.offset_data, member.size)
                        for member in archive
                        if member.isfile()
                    }
        except FileNotFoundError:
            raise DatasetError(
                f"shard {path} is missing, though {path.parent / INDEX} names it: fetch or prepare it again"
            ) from None
        except (OSError, ValueError, tarfile.TarError) as error:
            raise DatasetError(f"shard {path} cannot be read ({error}): fetch or prepare it again") from None

    def require(self, name: str) -> None:
        start, size = self._places.get(name, (0, -1))
        if size < 0 or start + size > len(self._bytes):
            raise DatasetError(f"shard {self._path} lacks {name}.jpg, or is cut short: fetch or prepare it again")

    def close(self) -> None:
        self._bytes.close()

    def read(self, name: str) -> bytes:
        start, size = self._places[name]
        return self._bytes[start : start + size]


def read_index(folder: Path) -> list[FaceRow]:
    """Every crop in the index of ``folder``, also without its shard.

    Raises:
        DatasetError: the index is missing or malformed.
    """
    path = folder / INDEX
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(
                    f"{path} has no column {missing[0]!r}: it is no index of face crops (made by lab prepare)"
                )
            return [_row(line, where=f"{path}, line {number}") for number, line in enumerate(reader, 2)]
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist: name a folder of face crops that lab prepare made") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None


def _row(line: Mapping[str, str | None], *, where: str) -> FaceRow:
    label, split = line["label"], line["split"] or ""
    if label not in ("0", "1"):
        raise DatasetError(f"{where}: label {label!r} is unknown, it must be 0 (real) or 1 (fake)")
    if split and split not in SPLITS:
        raise DatasetError(f"{where}: split {split!r} is unknown, it must be one of {', '.join(SPLITS)}")
    if not line["name"] or not line["shard"]:
        raise DatasetError(f"{where}: name and shard must not be empty")
    return FaceRow(
        name=line["name"],
        label=int(label),
        original=line.get("original") or "",
        group=line.get("group") or line["name"],
        split=split,
        shard=line["shard"],
        dataset=line.get("dataset") or "",
        method=line.get("method") or "",
        identity=line.get("identity") or "",
        landmarks=_landmarks(line, where=where),
    )


def _landmarks(line: Mapping[str, str | None], *, where: str) -> Floats | None:
    stored = [line.get(name) or "" for name in LANDMARK_COLUMNS]
    if not any(stored):
        return None
    try:
        points = np.array([float(number) for number in stored], np.float32).reshape(5, 2)
    except ValueError:
        points = np.full((5, 2), np.nan, np.float32)
    if not np.isfinite(points).all():
        raise DatasetError(f"{where}: landmarks must be ten numbers (x1 to y5), or all empty")
    return points


def _geometry(path: Path) -> tuple[float, float]:
    """Side and centre of the stored squares, in box heights."""
    if not path.is_file():
        return DEFAULT_SIDE, DEFAULT_CENTRE
    try:
        facts = json.loads(path.read_bytes())
        side = float(facts["side_over_box_height"])
        centre = float(facts["centre_below_box_centre_over_box_height"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{path} cannot be understood ({error!r}): it must say which square was cut; prepare the crops again"
        ) from None
    if not (_LEAST_SIDE <= side <= _MOST_SIDE and abs(centre) <= 1):
        raise DatasetError(f"{path}: side_over_box_height {side} and centre {centre} make no square")
    return side, centre
