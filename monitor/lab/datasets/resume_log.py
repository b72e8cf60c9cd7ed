"""Log of finished records, from which a killed run resumes: one file per record, written atomically.

Several processes can commit into the same log.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from monitor.errors import DatasetError, OutputError
from monitor.lab.datasets.face_cropper import Crop, CropResult

_PLAN = "plan"
_PER_FOLDER = 1000


class ResumeLog:
    """Finished cuts of one plan, in a folder of its own.

    Args:
        folder: created if missing.
        plan: digest of everything that affects the crops.

    Raises:
        DatasetError: the folder belongs to another plan.
        OutputError: it cannot be created.
    """

    def __init__(self, folder: Path, *, plan: str) -> None:
        self.folder = folder
        begun = folder / _PLAN
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = begun.read_text(encoding="ascii") if begun.is_file() else None
            if found is None:
                _write(begun, plan.encode("ascii"))
        except OSError as error:
            raise write_error(folder, error) from error
        if found not in (None, plan):
            raise DatasetError(
                f"{folder} holds the unfinished crops of other options or data: repeat those to finish them, "
                "remove the folder, or choose another --out"
            )

    def __contains__(self, number: int) -> bool:
        return self._path(number).is_file()

    def commit(self, number: int, cut: CropResult) -> None:
        """Store the result of record ``number``.

        Raises:
            OutputError: it cannot be written.
        """
        crops = [
            {
                "bytes": len(crop.jpeg),
                "frame": crop.frame,
                "media_time": crop.media_time,
                "square": crop.square,
                "frame_size": crop.frame_size,
                "landmarks": None if crop.landmarks is None else crop.landmarks.astype(float).tolist(),
            }
            for crop in cut.crops
        ]
        head = {"reason": cut.reason, "frames": cut.frames, "faceless": cut.faceless, "crops": crops}
        path = self._path(number)
        try:
            path.parent.mkdir(exist_ok=True)
            _write(path, json.dumps(head).encode() + b"\n" + b"".join(crop.jpeg for crop in cut.crops))
        except OSError as error:
            raise write_error(path, error) from error

    def read(self, number: int) -> CropResult:
        """The result of record ``number``.

        Raises:
            DatasetError: it is missing or damaged.
        """
        path = self._path(number)
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            return _cut(json.loads(head), body)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is damaged ({error}): remove it and run again") from None

    def remove(self) -> None:
        """Delete the log, as far as files are not held open by a process that outlived its parent."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number // _PER_FOLDER:04d}" / f"{number:07d}"


def write_error(path: Path, error: OSError) -> OutputError:
    """The error for a file that cannot be written."""
    return OutputError(f"{path} cannot be written: {error.strerror or error}; free some space or choose another --out")


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}-{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _cut(head: dict[str, Any], body: bytes) -> CropResult:
    crops, start = [], 0
    for facts in head["crops"]:
        jpeg = body[start : start + facts["bytes"]]
        start += facts["bytes"]
        points = facts["landmarks"]
        x1, y1, x2, y2 = facts["square"]
        width, height = facts["frame_size"]
        crops.append(
            Crop(
                jpeg=jpeg,
                frame=facts["frame"],
                media_time=facts["media_time"],
                square=(x1, y1, x2, y2),
                frame_size=(width, height),
                landmarks=None if points is None else np.array(points, np.float32),
            )
        )
    if start != len(body):
        raise ValueError(f"{len(body)} bytes of pictures where {start} are announced")
    return CropResult(tuple(crops), head["reason"], frames=head["frames"], faceless=head["faceless"])
