import base64

import cv2
import numpy as np
from support.footage import portrait
from support.observations import Face, frame, observation

from monitor.lab.evaluation.thumbnails import SIDE, HighestFace, data_uri, face_jpeg
from monitor.types import Label


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_a_thumbnail_is_the_centred_square_in_its_own_colours() -> None:
    wide = np.zeros((60, 200, 3), np.uint8)
    wide[:, 70:130] = (200, 40, 20)
    small = decoded(face_jpeg(wide))
    assert small.shape == (SIDE, SIDE, 3)
    assert np.abs(small.reshape(-1, 3).mean(0) - (200, 40, 20)).max() < 4
    assert len(face_jpeg(portrait(), side=64)) < 4000


def test_a_data_uri_holds_the_very_bytes() -> None:
    head, _, body = data_uri(b"\xff\xd8 jpeg").partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == b"\xff\xd8 jpeg"


def test_the_face_that_was_scored_highest_is_kept() -> None:
    pixels = np.zeros((120, 240, 3), np.uint8)
    pixels[:, :120], pixels[:, 120:] = (250, 0, 0), (0, 0, 250)
    left, right = (20, 20, 100, 100), (140, 20, 220, 100)
    kept = HighestFace()
    kept(frame(pixels), observation([]))
    assert kept.jpeg is None
    kept(frame(pixels), observation([Face(left, log_odds=-1.0), Face(right, track=2, log_odds=0.5)]))
    assert decoded(kept.jpeg)[..., 2].mean() > 200
    kept(frame(pixels), observation([Face(left, log_odds=0.4, label=Label.SUSPICIOUS)]))
    assert decoded(kept.jpeg)[..., 2].mean() > 200, "0.4 is less"
    kept(frame(pixels), observation([Face(left, log_odds=0.6)]))
    assert decoded(kept.jpeg)[..., 0].mean() > 200
