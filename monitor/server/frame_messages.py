"""One live frame as one binary message: the header with the verdicts, and the picture.

``u32 big-endian length of the header | header, JSON in UTF-8 | picture, JPEG``

A viewer acknowledges each message with the text ``{"ack": frame, "connection": connection, "shown": true}`` after
drawing the frame, with ``"shown": false`` after skipping it. The server limits the number of unacknowledged frames, and
adapts the size of the next pictures to the time until the acknowledgement. To refuse or end a stream, the server
accepts the WebSocket and closes it with one of the codes below, because the browser hides the reason of a failed
handshake from its page.
"""

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np

from monitor.classifiers.crops import cut_squares
from monitor.overlay.heat import EvidenceMemory
from monitor.system import jpeg
from monitor.types import Floats, Frame, Observation, Pixels, Verdict

ENDED: Final = 4000  # close code: end of the stream; its close reason has at most 123 bytes
NOT_ALLOWED: Final = 4401  # close code: wrong or expired token; the viewer does not reconnect
SCALE: Final = 4.0  # logits at full colour, see OverlaySettings.scale
_FULL: Final = 127  # the int8 that stands for SCALE
_PORTRAIT_SIDE: Final = 96  # pixels
_PORTRAIT_MARGIN: Final = 0.25  # fraction of the box, on each side
_PORTRAIT_QUALITY: Final = 75  # JPEG
_LENGTH: Final = struct.Struct(">I")


def header(frame: Frame, observation: Observation, *, connection: int, maps: EvidenceMemory) -> dict[str, Any]:
    """The header of one frame, as JSON values.

    Args:
        frame: the frame that defines the pixels of the boxes; the JPEG of the message may be smaller.
        connection: number of the connection; frame indices restart with each connection.
        maps: updated with this observation and with all previous observations.

    Returns:
        ``frame`` (index), ``connection``, ``time`` (media seconds), ``captured`` (Unix milliseconds), ``width`` and
        ``height`` (pixels of the frame), ``engine``, ``scale`` (logits at full colour), ``hints`` on the stream itself
        that are active now (``kind``, ``detail``, ``since``, media seconds) and ``faces``: a list of
        ``id``, ``box`` [x1, y1, x2, y2], ``label``, ``words``, ``probability`` and ``confidence`` (or None),
        ``samples``, ``effective``, ``reasons`` (in words), ``classifiers`` (of a committee: ``classifier`` and
        ``probability`` of each) and ``map`` (or None): ``rows``, ``columns``, ``square``
        [x1, y1, x2, y2] and ``values``, base64 of int8 row by row, 127 means ``scale`` towards fake.
    """
    boxes = observation.tracked.faces.boxes
    return {
        "frame": frame.index,
        "connection": connection,
        "time": round(frame.media_time, 4),
        "captured": round(frame.captured_at.timestamp() * 1000),
        "width": frame.width,
        "height": frame.height,
        "engine": observation.engine,
        "scale": SCALE,
        "hints": [
            {"kind": hint.kind.value, "detail": hint.detail, "since": round(hint.start, 4)}
            for hint in observation.hints
        ],
        "faces": [_face(verdict, box, maps) for verdict, box in zip(observation.verdicts, boxes, strict=True)],
    }


def _face(verdict: Verdict, box: Floats, maps: EvidenceMemory) -> dict[str, Any]:
    evidence = maps.of(verdict.track_id, box)
    return {
        "id": verdict.track_id,
        "box": _corners(box),
        "label": verdict.label.value,
        "words": verdict.label.in_words,
        "probability": _rounded(verdict.probability),
        "confidence": _rounded(verdict.confidence),
        "samples": verdict.samples,
        "effective": round(verdict.effective_samples, 2),
        "reasons": [reason.in_words for reason in verdict.reasons],
        "classifiers": [
            {"classifier": one.classifier, "probability": _rounded(one.probability)} for one in verdict.classifiers
        ],
        "map": None if evidence is None else _map(*evidence),
    }


def _map(evidence: Floats, square: Floats) -> dict[str, Any]:
    values = (np.clip(evidence / SCALE, -1.0, 1.0) * _FULL).round().astype(np.int8)
    rows, columns = values.shape
    return {
        "rows": rows,
        "columns": columns,
        "square": _corners(square),
        "values": base64.b64encode(values.tobytes()).decode("ascii"),
    }


def _corners(box: Floats) -> list[float]:
    return [round(edge, 1) for edge in box.tolist()]


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def picture(frame: Frame, *, longest: int, quality: int) -> bytes:
    """The frame as JPEG.

    Args:
        longest: limit of the longer side, pixels; a smaller frame keeps its size.
        quality: of the JPEG, 1..100.

    Raises:
        ValueError: the picture cannot be encoded.
    """
    pixels, scale = frame.pixels, longest / max(frame.width, frame.height)
    if scale < 1.0:
        size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg.encode(pixels, quality=quality)


def portrait(pixels: Pixels, box: Sequence[float]) -> bytes | None:
    """A face with a margin as a square JPEG, 96 pixels wide; pixels beyond the picture repeat its edge.

    Args:
        pixels: (H, W, 3) RGB.
        box: x1, y1, x2, y2 of the face, pixels.

    Returns:
        The JPEG; None if the box is outside the picture.
    """
    x1, y1, x2, y2 = box
    height, width = pixels.shape[:2]
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return None
    x, y, half = (x1 + x2) / 2, (y1 + y2) / 2, (1 + 2 * _PORTRAIT_MARGIN) * max(x2 - x1, y2 - y1) / 2
    square = np.array([[x - half, y - half, x + half, y + half]], np.float32)
    return jpeg.encode(cut_squares(pixels, square, size=_PORTRAIT_SIDE)[0], quality=_PORTRAIT_QUALITY)


def pack(header: Mapping[str, Any], picture: bytes) -> bytes:
    """Join header and picture to a message.

    Raises:
        ValueError: the header contains NaN or infinity, which JSON does not support.
    """
    head = json.dumps(header, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    return _LENGTH.pack(len(head)) + head + picture
