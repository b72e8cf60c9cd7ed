"""Cuts the face crops of a record, with the monitor's own face detector and crop code."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from monitor.analysis.quality import measure
from monitor.classifiers.crops import crop_faces
from monitor.classifiers.model_card import CropPolicy
from monitor.errors import DatasetError, SourceError
from monitor.faces import load_face_detector
from monitor.inference.cache import default_cache_dir
from monitor.inference.onnx_graph import export_in_child
from monitor.inference.onnx_runtime import OnnxRuntimeBackend
from monitor.lab.datasets.archive import inside_archive, open_archive
from monitor.lab.datasets.frames import SampledFrame, decode, frames_of
from monitor.lab.datasets.main_face import flagged_face, protagonist
from monitor.lab.datasets.record import Record
from monitor.settings import Settings
from monitor.system.jpeg import encode
from monitor.types import Faces, Floats, Pixels, Reason

_DOUBTS = frozenset([Reason.UNCERTAIN_FACE, Reason.OUT_OF_FRAME])
_SURE = 0.9  # smallest O-Net probability to accept landmarks in an existing crop
_TIGHT = 0.7  # of a picture's height; a larger face fills the picture
_PADDING = 0.5  # margin, share of a picture's side, as a face box may extend beyond the picture


@dataclass(frozen=True, slots=True)
class CropRecipe:
    """Settings of the crops; every field affects the stored bytes."""

    frames: int = 8  # per video
    size: int = 224  # pixels, side of a stored crop
    side: float = 1.0  # of the square, in heights of the detector's box
    centre: float = 0.06  # of the square below the box's centre, in the same unit
    quality: int = 95  # of the JPEGs, with OpenCV's 4:2:0 chroma
    existing: bool = False  # the records are crops: keep their bytes, and only find landmarks

    @property
    def policy(self) -> CropPolicy:
        """The crop policy, as on a model card."""
        return CropPolicy(side_over_box_height=self.side, centre_below_box_centre_over_box_height=self.centre)


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One stored crop and its origin."""

    jpeg: bytes
    frame: int | None  # 0-based index in its video; None for a picture
    media_time: float  # seconds
    square: tuple[float, float, float, float]  # x1 y1 x2 y2, pixels of the frame
    frame_size: tuple[int, int]  # width, height
    landmarks: Floats | None  # (5, 2) pixels of the crop


@dataclass(frozen=True, slots=True, eq=False)
class CropResult:
    """Result of a record: crops, or the reason for none."""

    crops: tuple[Crop, ...] = ()
    reason: str = ""
    frames: int = 0  # examined
    faceless: int = 0  # of these, without the selected face


class FaceCropper:
    """Cuts crops with a face detector and a recipe; deterministic.

    Args:
        recipe: settings of the crops.
        settings: of ``detector``, ``source`` and ``quality``. Faces below ``quality.min_probability`` or
            ``quality.min_visible`` are dropped, as the monitor does not judge them. (MTCNN's largest "face" may
            be a false one at the edge that covers a quarter of the picture.)

    Raises:
        EngineError: the detector cannot be built.
    """

    def __init__(self, recipe: CropRecipe, settings: Settings) -> None:
        cv2.setNumThreads(1)
        cache_dir, backend = default_cache_dir(settings.cache_dir), OnnxRuntimeBackend()
        with export_in_child():
            self._detector = load_face_detector(
                settings.detector,
                compile_network=lambda network: backend.compile(network, threads=1, cache_dir=cache_dir),
            )
        self._recipe = recipe
        self._settings = settings

    def cut(self, record: Record) -> CropResult:
        """The crops of a record, or the reason why its file gives none.

        Raises:
            EngineError: the detector failed.
        """
        try:
            return self._kept(record) if self._recipe.existing else self._found(record)
        except (SourceError, DatasetError) as error:
            return CropResult(reason=str(error))
        except cv2.error as error:  # an error of this record, not of the run
            return CropResult(reason=f"{record.path} is more than OpenCV can handle ({error.err or error})")

    def _found(self, record: Record) -> CropResult:
        seen, found, pictures = [], [], []
        for sighting in frames_of(record, self._settings.source, count=self._recipe.frames):
            faces = self._detected(sighting)
            crops, squares = crop_faces(
                sighting.pixels, faces.boxes, policy=self._recipe.policy, size=self._recipe.size
            )
            height, width = sighting.pixels.shape[:2]
            seen.append((sighting.index, sighting.media_time, sighting.still, (width, height)))
            found.append(faces)
            pictures.append((crops, squares))
        kept = []
        for frame, row in enumerate(_chosen(record, found, seen)):
            if row is None:
                continue
            index, media_time, still, frame_size = seen[frame]
            crops, squares = pictures[frame]
            x1, y1, x2, y2 = squares[row].tolist()
            kept.append(
                Crop(
                    jpeg=encode(crops[row], quality=self._recipe.quality),
                    frame=None if still else index,
                    media_time=media_time,
                    square=(x1, y1, x2, y2),
                    frame_size=frame_size,
                    landmarks=(found[frame].landmarks[row] - (x1, y1)) * (self._recipe.size / (x2 - x1)),
                )
            )
        what = "no face lies where one was flagged" if any(map(len, found)) else "no face was found"
        reason = "" if kept else f"{what} in the {len(seen)} frames that were looked at"
        return CropResult(tuple(kept), reason, frames=len(seen), faceless=len(seen) - len(kept))

    def _detected(self, sighting: SampledFrame) -> Faces:
        """The faces of a frame, the largest first.

        MTCNN distorts faces that touch an edge. If a face fills the picture, it finds no face, or boxes that are a
        tenth too high. Such pictures are examined again with a black margin.
        """
        pixels = sighting.pixels
        faces = self._believed(pixels, self._detector.detect(pixels))
        fills = len(faces) == 0 or faces.boxes[0, 3] - faces.boxes[0, 1] > _TIGHT * pixels.shape[0]
        if not (sighting.picture and fills):
            return faces
        margin = round(_PADDING * max(pixels.shape[:2]))
        padded = cv2.copyMakeBorder(pixels, *(margin,) * 4, cv2.BORDER_CONSTANT)
        found = self._believed(pixels, _moved(self._detector.detect(np.asarray(padded, np.uint8)), by=-margin))
        return found if len(found) else faces

    def _believed(self, pixels: Pixels, faces: Faces) -> Faces:
        """The faces that the monitor would judge, the largest first."""
        reasons = measure(pixels, faces, self._settings.quality).reasons
        faces = faces[[row for row, given in enumerate(reasons) if not _DOUBTS.intersection(given)]]
        return faces[np.argsort(faces.boxes[:, 1] - faces.boxes[:, 3], kind="stable")]

    def _kept(self, record: Record) -> CropResult:
        """An existing crop, byte for byte, with O-Net's landmarks at the policy's face position."""
        place = inside_archive(record.path)
        if place is None:
            raise DatasetError(f"{record.path} lies in no shard")
        jpeg = open_archive(place[0]).read(place[1])
        pixels = decode(jpeg, name=str(record.path))
        height, width = pixels.shape[:2]
        if (height, width) != (self._recipe.size, self._recipe.size):
            raise DatasetError(
                f"{record.path} has {width} x {height} pixels, not {self._recipe.size} x {self._recipe.size}"
            )
        face = self._landmarked(pixels)
        landmarks = face.landmarks[0] if face.probabilities[0] >= _SURE else None
        square = (0.0, 0.0, float(width), float(height))
        return CropResult((Crop(jpeg, None, 0.0, square, (width, height), landmarks),), frames=1)

    def _landmarked(self, pixels: Pixels) -> Faces:
        """The face of a crop: one row, pixels of the crop."""
        padding = round(_PADDING * self._recipe.size)
        padded = cv2.copyMakeBorder(pixels, *(padding,) * 4, cv2.BORDER_REFLECT_101)
        box = box_of_crop(self._recipe) + np.float32(padding)
        face = self._detector.refine(np.asarray(padded, np.uint8), box)
        again = self._detector.refine(np.asarray(padded, np.uint8), face.boxes)
        better = again if again.probabilities[0] >= face.probabilities[0] else face
        return _moved(better, by=-padding)


def _chosen(
    record: Record, found: Sequence[Faces], seen: Sequence[tuple[int, float, bool, object]]
) -> list[int | None]:
    """Per frame, the row of the selected face: the flagged face, or else the main face."""
    if not any(one.box for one in record.flagged):
        return protagonist(found)
    times = [None if still else media_time for _, media_time, still, _ in seen]
    return [flagged_face(faces, record.flagged, at=at) for faces, at in zip(found, times, strict=True)]


def box_of_crop(recipe: CropRecipe) -> Floats:
    """(1, 4) the face box whose square is a whole crop; square, since its width is unknown."""
    height = recipe.size / recipe.side
    middle, below = recipe.size / 2, recipe.centre * height
    edges = (middle - height / 2, middle - height / 2 - below, middle + height / 2, middle + height / 2 - below)
    return np.array([edges], np.float32)


def _moved(faces: Faces, *, by: int) -> Faces:
    step = np.float32(by)
    return Faces(boxes=faces.boxes + step, probabilities=faces.probabilities, landmarks=faces.landmarks + step)
