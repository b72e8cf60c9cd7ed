"""Blurs all faces of a clip whose flag stores no positions: the faces are detected again.

The whole work runs in the decoding process. A face that the detector misses in some pictures is blurred where it was in
the neighbouring pictures; a clip in which no face is found is not copied at all.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.errors import SourceError
from monitor.faces import FaceDetector, load_face_detector
from monitor.flags.redaction import Box, blur_boxes
from monitor.inference.backends import choose
from monitor.inference.cache import default_cache_dir
from monitor.inference.onnx_graph import export_in_child
from monitor.media import progress
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter
from monitor.media.worker.task import run_isolated
from monitor.settings import FaceDetectorSettings, SourceSettings

_REACH: Final = 0.5  # seconds for which a face is blurred before and after each picture in which it was found
_CAUTIOUS: Final = FaceDetectorSettings(min_face_size=24, thresholds=(0.5, 0.6, 0.6))  # misses fewer faces, finds more

Sighting = tuple[float, list[Box]]  # media time, seconds; the boxes of its faces, pixels


def blur_all_faces(clip: Path) -> bytes:
    """A copy of a clip in which all detected faces are unrecognisable, without sound.

    Raises:
        SourceError: the clip cannot be read, or no face is found in it.
        EngineError: the face detector cannot be built.
        OutputError: there is no space for the copy.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "clip.mp4"
        run_isolated(blur_file, clip, copy, settings=SourceSettings())
        return copy.read_bytes()


def blur_file(clip: Path, copy: Path) -> int:
    """As :func:`blur_all_faces`, in this process; returns the number of pictures."""
    sightings = _find_faces(clip, _load_detector())
    if not any(boxes for _, boxes in sightings):
        raise SourceError("no face was found in it")
    count = 0
    with open_source(clip) as source, VideoWriter(copy, fps=source.info.fps) as written:
        for frame in source:
            progress.report()
            written.write(blur_boxes(frame.pixels, boxes_near(sightings, frame.media_time)), frame.media_time)
            count += 1
    return count


def _load_detector() -> FaceDetector:
    backend, cache_dir = choose("onnxruntime").backend.exact(), default_cache_dir()
    with export_in_child():
        return load_face_detector(
            _CAUTIOUS, compile_network=lambda network: backend.compile(network, threads=1, cache_dir=cache_dir)
        )


def _find_faces(clip: Path, detector: FaceDetector) -> list[Sighting]:
    sightings: list[Sighting] = []
    with open_source(clip) as source:
        for frame in source:
            progress.report()
            boxes = [(x1, y1, x2, y2) for x1, y1, x2, y2 in detector.detect(frame.pixels).boxes.tolist()]
            sightings.append((frame.media_time, boxes))
    return sightings


def boxes_near(sightings: Sequence[Sighting], media_time: float) -> list[Box]:
    """The boxes of all faces that are found shortly before or after a media time."""
    return [box for at, boxes in sightings if abs(at - media_time) <= _REACH for box in boxes]
