import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from monitor.flags.redaction import Redaction

NOISE = np.random.default_rng(7).integers(0, 255, (200, 400, 3), np.uint8)
PNG = cv2.imencode(".png", NOISE)[1].tobytes()


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def two_faces(**others: object) -> Redaction:
    facts = {"boxes": ((250.0, 50.0, 330.0, 150.0),), "own": (50.0, 50.0, 130.0, 150.0), "width": 400, "height": 200}
    return Redaction(**facts | others)


def test_faces_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    faces = [{"track_id": number, "box": [number, 0, 50, 60], "label": "x"} for number in (1, 2, 3)]
    path.write_text(json.dumps({"faces": faces, "width": 400, "height": 200, "media_time": 1}))
    found = Redaction.read(path, own=2)
    assert found == Redaction(((1, 0, 50, 60), (3, 0, 50, 60)), (2, 0, 50, 60), 400, 200)
    assert found.in_words == "2 faces blurred"
    everybody = Redaction.read(path, own=None)
    assert everybody is not None
    assert (len(everybody.boxes), everybody.own) == (3, None), "a flag of the whole picture is about nobody"


@pytest.mark.parametrize(
    "said",
    [
        "", "no json", "[]", "{}", '{"faces": [], "width": 0, "height": 9}',
        '{"faces": [{"track_id": 1}], "width": 9, "height": 9}',
        '{"faces": [{"track_id": 1, "box": [1, 2, 3]}], "width": 9, "height": 9}',
        '{"faces": [{"track_id": 1, "box": [1, 2, 3, NaN]}], "width": 9, "height": 9}',
        '{"faces": null, "width": 9, "height": 9}',
    ],
)  # fmt: skip
def test_an_invalid_faces_json_gives_no_redaction(tmp_path: Path, said: str) -> None:
    (tmp_path / "faces.json").write_text(said)
    assert Redaction.read(tmp_path / "faces.json", own=1) is None
    assert Redaction.read(tmp_path / "nowhere.json", own=1) is None


def test_other_faces_are_blurred_and_the_rest_is_unchanged() -> None:
    content = two_faces().blur(PNG, suffix=".png")
    assert content is not None
    seen = decoded(content)
    face = seen[50:150, 250:330].astype(float)
    assert face.std() < 0.15 * NOISE.std(), "nothing is left of the noise but its means"
    assert np.array_equal(seen[:, :220], NOISE[:, :220]), "the flagged face and all around it"
    assert not np.array_equal(seen[30:40, 260:320], NOISE[30:40, 260:320]), "hair and chin belong to a face"


def test_only_a_few_colours_of_a_face_survive() -> None:
    """Two faces with the same means give the same picture: the difference cannot be restored."""
    mirrored = NOISE.copy()
    boxes = ((0.0, 0.0, 96.0, 96.0),)
    for row in range(0, 120, 20):  # the box and its margin, in six cells each way
        for column in range(0, 120, 20):
            mirrored[row : row + 20, column : column + 20] = NOISE[row : row + 20, column : column + 20][::-1, ::-1]
    blurrer = Redaction(boxes, None, 400, 200)
    pictures = (cv2.imencode(".png", each)[1].tobytes() for each in (NOISE, mirrored))
    one, other = (decoded(blurrer.blur(picture, suffix=".png") or b"") for picture in pictures)
    assert not np.array_equal(NOISE, mirrored)
    assert np.array_equal(one, other)


def test_a_margin_does_not_cover_the_flagged_face_but_a_face_may() -> None:
    near = two_faces(boxes=((120.0, 50.0, 200.0, 150.0),))
    seen = decoded(near.blur(PNG, suffix=".png") or b"")
    assert np.array_equal(seen[50:150, 50:120], NOISE[50:150, 50:120])
    assert not np.array_equal(seen[50:150, 120:130], NOISE[50:150, 120:130])


def test_a_smaller_picture_of_the_same_frame_is_scaled() -> None:
    small = cv2.resize(NOISE, (200, 100), interpolation=cv2.INTER_NEAREST)
    seen = decoded(two_faces().blur(cv2.imencode(".png", small)[1].tobytes(), suffix=".png") or b"")
    assert seen[25:75, 125:165].astype(float).std() < 0.3 * small.std()
    assert np.array_equal(seen[:, :100], small[:, :100])


@pytest.mark.parametrize(
    "box",
    [
        (-50.0, -50.0, 20.0, 20.0),
        (390.0, 190.0, 900.0, 900.0),
        (5.0, 5.0, 5.0, 5.0),
        (500.0, 500.0, 600.0, 600.0),
        (9.0, 9.0, 2.0, 2.0),
        (0.0, 0.0, 400.0, 2.0),
    ],
)
def test_any_box_can_be_blurred(box: tuple[float, float, float, float]) -> None:
    assert two_faces(boxes=(box,)).blur(PNG, suffix=".jpg")


def test_without_other_faces_a_picture_is_unchanged() -> None:
    assert two_faces(boxes=()).blur(b"anything", suffix=".jpg") is None


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "cannot be decoded"), (b"no picture", "cannot be decoded"),
     (cv2.imencode(".png", NOISE[:, :150])[1].tobytes(), "aspect ratio differs")],
)  # fmt: skip
def test_a_picture_of_another_shape_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        two_faces().blur(content, suffix=".jpg")
