from pathlib import Path

import cv2
import numpy as np
import pytest
from support.dataset_trees import archive, bomb, encoded, face, faceless, film, picture
from support.footage import FACE, portrait, posed

from monitor.classifiers.crops import crop_faces
from monitor.lab.datasets.face_cropper import CropRecipe, FaceCropper, box_of_crop
from monitor.lab.datasets.frames import decode
from monitor.lab.datasets.record import FlaggedFace, Record
from monitor.settings import Settings

RECIPE = CropRecipe(frames=3, size=96)


@pytest.fixture(scope="module")
def cutter(settings: Settings) -> FaceCropper:
    return FaceCropper(RECIPE, settings)


def record(path: Path) -> Record:
    return Record("d", "v", path, 0)


def test_the_square_is_the_products_own_and_landmarks_lie_in_the_crop(cutter: FaceCropper, tmp_path: Path) -> None:
    picture(tmp_path / "p.png", portrait())
    (crop,) = cutter.cut(record(tmp_path / "p.png")).crops
    pixels = decode(crop.jpeg, name="crop")
    assert pixels.shape == (96, 96, 3)
    x1, y1, x2, y2 = crop.square
    height = (x2 - x1) / RECIPE.side
    assert height == pytest.approx(FACE[3] - FACE[1], rel=0.15)
    box = np.array([[(x1 + x2 - height) / 2, 0, (x1 + x2 + height) / 2, 0]], np.float32)
    box[0, 1::2] = (y1 + y2) / 2 - RECIPE.centre * height + np.array((-height / 2, height / 2))
    (expected,), _ = crop_faces(portrait(), box, policy=RECIPE.policy, size=96)
    assert np.abs(pixels.astype(int) - expected).mean() < 3, "JPEG is all that lies between"
    assert crop.landmarks is not None
    in_frame = crop.landmarks / 96 * (x2 - x1) + (x1, y1)
    eyes = in_frame[:2]
    assert eyes[0, 0] < eyes[1, 0]
    assert FACE[0] < eyes[0, 0] < eyes[1, 0] < FACE[2]
    assert (in_frame[3:, 1] > in_frame[2, 1]).all(), "the mouth is below the nose"
    assert crop.frame is None
    assert crop.frame_size == (512, 512)


def test_a_video_gives_its_chosen_frames(cutter: FaceCropper, tmp_path: Path) -> None:
    path = film(tmp_path / "v.mp4", [face(shift=number) for number in range(12)])
    cut = cutter.cut(record(path))
    assert [crop.frame for crop in cut.crops] == [2, 6, 10]
    assert (cut.frames, cut.faceless, cut.reason) == (3, 0, "")
    lefts = [crop.square[0] for crop in cut.crops]
    assert lefts == sorted(lefts)
    assert lefts[-1] - lefts[0] == pytest.approx(8, abs=4)


def test_the_person_who_persists_is_kept(cutter: FaceCropper, tmp_path: Path) -> None:
    one, both = (
        posed((120, 120, 80), width=480, height=240),
        posed((120, 120, 80), (360, 120, 110), width=480, height=240),
    )
    path = film(tmp_path / "v.mp4", [one] * 4 + [both] * 4 + [one] * 4)
    crops = cutter.cut(record(path)).crops
    assert len(crops) == 3
    assert all(crop.square[2] < 240 for crop in crops)


class TestFlaggedFaces:
    BOTH = posed((120, 120, 110), (360, 120, 80), width=480, height=240)
    LEFT, RIGHT = (78.0, 65.0, 162.0, 175.0), (330.0, 80.0, 390.0, 160.0)

    def flagged(self, path: Path, *faces: FlaggedFace) -> Record:
        return Record("d", "v", path, 1, flagged=faces)

    def test_the_flagged_face_of_a_picture_is_kept_and_not_the_largest(
        self, cutter: FaceCropper, tmp_path: Path
    ) -> None:
        path = picture(tmp_path / "p.png", self.BOTH)
        (large,) = cutter.cut(self.flagged(path, FlaggedFace(self.LEFT))).crops
        (small,) = cutter.cut(self.flagged(path, FlaggedFace(self.RIGHT))).crops
        assert large.square[2] < 240 < small.square[0]

    def test_in_a_video_a_box_holds_for_its_span(self, cutter: FaceCropper, tmp_path: Path) -> None:
        path = film(tmp_path / "v.mp4", [self.BOTH] * 12)
        faces = FlaggedFace(self.RIGHT, 0.0, 0.2), FlaggedFace(self.LEFT, 0.2, 9.0)
        crops = cutter.cut(self.flagged(path, *faces)).crops
        assert [(crop.frame, crop.square[0] > 240) for crop in crops] == [(2, True), (6, False), (10, False)]

    def test_a_box_without_a_face_is_a_reason(self, cutter: FaceCropper, tmp_path: Path) -> None:
        cut = cutter.cut(self.flagged(picture(tmp_path / "p.png", self.BOTH), FlaggedFace((200, 0, 280, 60))))
        assert (cut.crops, cut.reason) == ((), "no face lies where one was flagged in the 1 frames that were looked at")


def test_what_opencv_refuses_costs_the_record_and_not_the_run(
    cutter: FaceCropper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "1.tar", {"1/s/0.png": bomb()})
    assert "no picture that can be decoded" in cutter.cut(record(path / "1" / "s")).reason

    def refuse(*_: object, **__: object) -> None:
        raise cv2.error

    monkeypatch.setattr("monitor.lab.datasets.face_cropper.crop_faces", refuse)
    cut = cutter.cut(record(picture(tmp_path / "p.png")))
    assert "more than OpenCV can handle" in cut.reason


def test_a_picture_cut_tightly_around_a_face_still_shows_one(cutter: FaceCropper, tmp_path: Path) -> None:
    x1, y1, x2, y2 = FACE
    tight = portrait()[y1 + 3 : y2 - 3, x1 - 10 : x2 + 10]
    tight = np.asarray(cv2.resize(tight, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    (crop,) = cutter.cut(record(picture(tmp_path / "t.png", tight))).crops
    left, top, right, bottom = crop.square
    assert (bottom - top) == pytest.approx(2 * (y2 - y1), rel=0.15)
    assert (left + right) / 2 == pytest.approx(tight.shape[1] / 2, abs=20)


def test_a_face_that_the_monitor_would_not_believe_is_not_kept(
    cutter: FaceCropper, settings: Settings, tmp_path: Path
) -> None:
    whole, cut_off = record(picture(tmp_path / "w.png")), posed((20, 80, 80), width=160, height=160)
    edge = record(picture(tmp_path / "e.png", cut_off))
    strict = settings.model_copy(update={"quality": settings.quality.model_copy(update={"min_visible": 1.0})})
    assert len(cutter.cut(whole).crops) == len(cutter.cut(edge).crops) == 1
    assert len(FaceCropper(RECIPE, strict).cut(whole).crops) == 1
    assert FaceCropper(RECIPE, strict).cut(edge).crops == ()


def test_frames_without_a_face_are_counted(cutter: FaceCropper, tmp_path: Path) -> None:
    empty = posed(width=160, height=160)
    path = film(tmp_path / "v.mp4", [face()] * 8 + [empty] * 4)
    cut = cutter.cut(record(path))
    assert (len(cut.crops), cut.frames, cut.faceless) == (2, 3, 1)


def test_what_gives_no_face_says_why(cutter: FaceCropper, tmp_path: Path) -> None:
    assert (
        cutter.cut(record(faceless(tmp_path / "v.mp4"))).reason
        == "no face was found in the 3 frames that were looked at"
    )
    (tmp_path / "b.mp4").write_bytes(b"nonsense")
    assert "b.mp4" in cutter.cut(record(tmp_path / "b.mp4")).reason
    assert "does not exist" in cutter.cut(record(tmp_path / "absent.mp4")).reason


def test_the_same_record_gives_the_same_bytes(cutter: FaceCropper, tmp_path: Path) -> None:
    path = film(tmp_path / "v.mp4", [face(shift=number) for number in range(6)])
    one, other = cutter.cut(record(path)), cutter.cut(record(path))
    assert [crop.jpeg for crop in one.crops] == [crop.jpeg for crop in other.crops]
    assert [crop.square for crop in one.crops] == [crop.square for crop in other.crops]


class TestExistingCrops:
    RECIPE = CropRecipe(size=224, side=0.85, existing=True)

    def crop(self) -> bytes:
        box = np.array([FACE], np.float32)
        (pixels,), _ = crop_faces(portrait(), box, policy=self.RECIPE.policy, size=224)
        return encoded(pixels, ".jpg")

    def test_the_box_is_known_from_the_policy(self) -> None:
        ((x1, y1, x2, y2),) = box_of_crop(self.RECIPE).tolist()
        assert (x1 + x2) / 2 == pytest.approx(112)
        assert y2 - y1 == pytest.approx(224 / 0.85)
        assert (y1 + y2) / 2 == pytest.approx(112 - 0.06 * 224 / 0.85)

    def test_bytes_are_kept_and_landmarks_found(self, settings: Settings, tmp_path: Path) -> None:
        stored = self.crop()
        path = archive(tmp_path / "train-00.tar", {"a.jpg": stored})
        (crop,) = FaceCropper(self.RECIPE, settings).cut(record(path / "a.jpg")).crops
        assert crop.jpeg == stored
        assert crop.landmarks is not None
        height = FACE[3] - FACE[1]
        scale = 224 / (0.85 * height)
        in_portrait = crop.landmarks / scale
        in_portrait[:, 0] += (FACE[0] + FACE[2]) / 2 - 0.85 * height / 2
        in_portrait[:, 1] += (FACE[1] + FACE[3]) / 2 + 0.06 * height - 0.85 * height / 2
        direct = FaceCropper(RECIPE, settings).cut(record(picture(tmp_path / "p.png", portrait()))).crops[0]
        assert direct.landmarks is not None
        expected = direct.landmarks / 96 * (direct.square[2] - direct.square[0]) + direct.square[:2]
        assert np.abs(in_portrait - expected).max() < 0.06 * height

    def test_a_crop_of_no_face_keeps_its_bytes_and_gets_no_landmarks(self, settings: Settings, tmp_path: Path) -> None:
        grey = np.full((224, 224, 3), 90, np.uint8)
        path = archive(tmp_path / "train-00.tar", {"a.jpg": encoded(grey, ".jpg"), "b.jpg": encoded(grey[:99], ".jpg")})
        cutter = FaceCropper(self.RECIPE, settings)
        (crop,) = cutter.cut(record(path / "a.jpg")).crops
        assert crop.landmarks is None
        assert "224 x 99 pixels" in cutter.cut(record(path / "b.jpg")).reason
        assert "lies in no shard" in cutter.cut(record(tmp_path / "c.jpg")).reason
