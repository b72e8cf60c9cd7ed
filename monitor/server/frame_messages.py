"""One live frame as one binary message: the picture and what is said of it travel together.

``u32 big-endian length of the header | header, JSON in UTF-8 | picture, JPEG``

A viewer answers each message with the text ``{"ack": frame, "connection": connection, "shown": true}`` when it has
drawn the frame, with ``"shown": false`` when it has skipped it. Only a few frames are under way without an answer, the
time until the answer decides the size of the next pictures, and the page counts the frames that were shown. A server
that refuses or ends a stream accepts the WebSocket first and then closes it with one of the codes
below: a browser does not tell its page why a handshake failed.
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

ENDED: Final = 4000  # close code: nothing more will come; the close reason says why (123 bytes at most)
NOT_ALLOWED: Final = 4401  # close code: wrong or expired token; a viewer does not try again
SCALE: Final = 4.0  # logits at full colour, as OverlaySettings.scale
_FULL: Final = 127  # the int8 that stands for SCALE
_PORTRAIT, _AROUND, _PLAIN = 96, 0.25, 75  # pixels; margin on each side, of the box; JPEG
_LENGTH: Final = struct.Struct(">I")


def header(frame: Frame, observation: Observation, *, connection: int, maps: EvidenceMemory) -> dict[str, Any]:
    """What is said in one frame, as JSON values.

    Args:
        frame: the picture that boxes are measured in; the JPEG beside the header may be smaller.
        observation: of this frame.
        connection: counts the openings of the source; frame indices begin anew with each.
        maps: already updated with this observation, as with every one before it, shown or not.

    Returns:
        ``frame`` (index), ``connection``, ``time`` (media seconds), ``captured`` (Unix milliseconds), ``width`` and
        ``height`` (pixels of the frame), ``engine``, ``scale`` (logits at full colour), ``hints`` on the stream itself
        that hold now (``kind``, ``detail``, ``since``, media seconds) and ``faces``: a list of
        ``id``, ``box`` [x1, y1, x2, y2], ``label``, ``words``, ``probability`` and ``confidence`` (or None),
        ``samples``, ``effective``, ``reasons`` (in words) and ``map`` (or None): ``rows``, ``columns``, ``square``
        [x1, y1, x2, y2] and ``values``, base64 of int8 row by row, 127 standing for ``scale`` towards fake.
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
    found = maps.of(verdict.track_id, box)
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
        "map": None if found is None else _map(*found),
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
        frame: what to encode.
        longest: pixels of its longer side at most; larger pictures are made smaller, never larger.
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
    """A face with some of what is around it as a square JPEG, 96 pixels wide; the picture's edge is repeated.

    Args:
        pixels: (H, W, 3) RGB.
        box: x1, y1, x2, y2 of the face in them.

    Returns:
        None if nothing of it is in the picture.
    """
    x1, y1, x2, y2 = box
    height, width = pixels.shape[:2]
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return None
    x, y, half = (x1 + x2) / 2, (y1 + y2) / 2, (1 + 2 * _AROUND) * max(x2 - x1, y2 - y1) / 2
    square = np.array([[x - half, y - half, x + half, y + half]], np.float32)
    return jpeg.encode(cut_squares(pixels, square, size=_PORTRAIT)[0], quality=_PLAIN)


def pack(header: Mapping[str, Any], picture: bytes) -> bytes:
    """The message.

    Raises:
        ValueError: the header holds a number that JSON has not (NaN, infinity).
    """
    head = json.dumps(header, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    return _LENGTH.pack(len(head)) + head + picture


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and JPEG of a message.

    Raises:
        ValueError: it is cut off, or no such message.
    """
    if len(message) < _LENGTH.size:
        raise ValueError(f"a message of {len(message)} bytes has no header")
    (length,) = _LENGTH.unpack_from(message)
    end = _LENGTH.size + length
    if len(message) < end:
        raise ValueError(f"the header has {length} bytes, the message only {len(message) - _LENGTH.size}")
    return json.loads(message[_LENGTH.size : end]), message[end:]
