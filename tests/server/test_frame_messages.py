"""One frame as one message."""

import base64
import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.frame_messages import unpack
from support.observations import ENGINE, Face, frame, observation

from monitor.overlay import OverlaySettings
from monitor.overlay.heat import EvidenceMemory
from monitor.server.frame_messages import SCALE, header, pack, picture, portrait
from monitor.system import jpeg
from monitor.types import Hint, HintKind, Label, Reason

BOX = (40.0, 30.0, 80.0, 90.0)


def head(faces: list[Face], *, size: tuple[int, int] = (120, 160), maps: EvidenceMemory | None = None) -> dict:
    seen = observation(faces, media_time=1.25, index=31)
    maps = maps or EvidenceMemory(1.0)
    maps.update(seen)
    return header(frame(np.zeros((*size, 3), np.uint8), 1.25, 31), seen, connection=2, maps=maps)


def test_the_header_says_which_moment_it_is() -> None:
    assert head([]) == {
        "frame": 31,
        "connection": 2,
        "time": 1.25,
        "captured": 1_767_225_600_000,
        "width": 160,
        "height": 120,
        "engine": ENGINE,
        "scale": 4.0,
        "hints": [],
        "faces": [],
    }


def test_hints_on_the_stream_stand_beside_the_faces() -> None:
    hint = Hint(HintKind.VIRTUAL_CAMERA, 0.4, None, "OBS Virtual Camera")
    seen = replace(observation([], media_time=2.5, index=62), hints=(hint,))
    told = header(frame(np.zeros((120, 160, 3), np.uint8), 2.5, 62), seen, connection=1, maps=EvidenceMemory(1.0))
    assert told["hints"] == [{"kind": "VIRTUAL_CAMERA", "detail": "OBS Virtual Camera", "since": 0.4}]


def test_a_face_without_evidence_says_why_and_has_no_numbers() -> None:
    face = Face(BOX, 3, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.TOO_SMALL,))
    assert head([face])["faces"] == [
        {
            "id": 3,
            "box": [40.0, 30.0, 80.0, 90.0],
            "label": "NOT_ENOUGH_EVIDENCE",
            "words": "not enough evidence",
            "probability": None,
            "confidence": None,
            "samples": 8,
            "effective": 2.4,
            "reasons": ["face too small"],
            "classifiers": [],
            "map": None,
        }
    ]


@pytest.mark.parametrize(("label", "confidence"), [(Label.LIKELY_REAL, 0.9), (Label.LIKELY_FAKE, None)])
def test_confidence_is_of_the_label_and_missing_while_the_probability_contradicts_it(
    label: Label, confidence: float | None
) -> None:
    (face,) = head([Face(BOX, label=label, probability=0.1)])["faces"]
    assert (face["probability"], face["confidence"]) == (0.1, confidence)


def test_the_map_is_signed_on_a_fixed_scale_and_row_by_row() -> None:
    evidence = np.array([[0.0, 2.0, 4.0], [-4.0, -99.0, 99.0]], np.float32)
    (face,) = head([Face(BOX, log_odds=1.0, evidence=evidence, crop=(30, 20, 90, 100))])["faces"]
    values = np.frombuffer(base64.b64decode(face["map"].pop("values")), np.int8)
    assert face["map"] == {"rows": 2, "columns": 3, "square": [30.0, 20.0, 90.0, 100.0]}
    assert values.tolist() == [0, 64, 127, -127, -127, 127]


def test_the_map_of_an_earlier_frame_moves_with_its_face() -> None:
    maps = EvidenceMemory(1.0)
    maps.update(observation([Face(BOX, log_odds=2.0, crop=(30, 20, 90, 100))], media_time=1.0))
    (face,) = head([Face((50.0, 30.0, 90.0, 90.0))], maps=maps)["faces"]
    assert face["map"]["square"] == [40.0, 20.0, 100.0, 100.0]


def test_the_scale_is_that_of_the_overlay() -> None:
    assert OverlaySettings().scale == SCALE


def test_what_is_packed_comes_out_again() -> None:
    first = head([Face(BOX, log_odds=1.0)])
    assert unpack(pack(first, b"\xff\xd8picture")) == (first, b"\xff\xd8picture")


def test_the_length_is_big_endian_and_the_header_json() -> None:
    message = pack({"engine": "é"}, b"J")
    assert message[:4] == bytes([0, 0, 0, len(message) - 5])
    assert json.loads(message[4:-1]) == {"engine": "é"}


def test_a_number_that_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack({"time": float("nan")}, b"")


@pytest.mark.parametrize(("longest", "size"), [(80, (60, 80)), (160, (120, 160)), (999, (120, 160))])
def test_a_picture_is_made_smaller_never_larger(longest: int, size: tuple[int, int]) -> None:
    red = frame(np.full((120, 160, 3), (200, 40, 20), np.uint8))
    decoded = cv2.imdecode(np.frombuffer(picture(red, longest=longest, quality=90), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape[:2] == size
    assert decoded.mean(axis=(0, 1)) == pytest.approx((20, 40, 200), abs=6)  # OpenCV reads BGR


def test_a_very_wide_picture_keeps_a_line() -> None:
    wide = picture(frame(np.zeros((1, 400, 3), np.uint8)), longest=100, quality=80)
    assert cv2.imdecode(np.frombuffer(wide, np.uint8), cv2.IMREAD_COLOR).shape == (1, 100, 3)


def test_messages_need_no_network_runtime() -> None:
    heavy = {"torch", "av", "streamlit", "onnxruntime"}
    code = f"import sys, monitor.server.frame_messages; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("box", [(100, 80, 160, 160), (-20, 80, 40, 160), (280, 200, 330, 260), (1, 1, 3, 4)])
def test_a_portrait_is_a_square_wherever_the_face_is(box: tuple[float, ...]) -> None:
    pixels = np.full((240, 320, 3), 90, np.uint8)
    found = portrait(pixels, box)
    assert found is not None
    picture = jpeg.decode(found)
    assert picture.shape[0] == picture.shape[1] == 96
    assert abs(float(picture.mean()) - 90) < 2, "nothing black beyond the edge"


@pytest.mark.parametrize("box", [(-90, 80, -10, 160), (330, 0, 400, 50), (10, 250, 40, 300)])
def test_a_face_outside_the_picture_has_no_portrait(box: tuple[float, ...]) -> None:
    assert portrait(np.zeros((240, 320, 3), np.uint8), box) is None
