"""Good faces pass; small, blurred, dark, turned and cut-off ones are rejected with a reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from support.footage import FACE, decoded, mtcnn, portrait, posed

from monitor.analysis.quality import measure, measure_roll, weak_points
from monitor.faces.mtcnn.cascade import MtcnnDetector
from monitor.settings import QualitySettings, Settings
from monitor.types import Faces, Floats, Pixels, Qualities, Reason

LIMITS = QualitySettings()
HEAD = np.array(  # left eye, right eye, nose, mouth corners; x right, y down, z towards the camera
    [(-0.5, 0, 0), (0.5, 0, 0), (0, 0.53, 0.42), (-0.4, 1, 0), (0.4, 1, 0)]
)


def looking(yaw: float = 0, pitch: float = 0, roll: float = 0, *, scale: float = 50) -> Floats:
    """The five points (5, 2) of a head rotated by these angles, seen from far away."""
    a, b, c = np.radians((yaw, pitch, roll))
    nod = np.array(((1, 0, 0), (0, np.cos(b), np.sin(b)), (0, -np.sin(b), np.cos(b))))
    turn = np.array(((np.cos(a), 0, np.sin(a)), (0, 1, 0), (-np.sin(a), 0, np.cos(a))))
    tilt = np.array(((np.cos(c), -np.sin(c), 0), (np.sin(c), np.cos(c), 0), (0, 0, 1)))
    return np.asarray((HEAD @ (tilt @ turn @ nod).T)[:, :2] * scale + 200, np.float32)


def one(box: tuple[float, float, float, float], *, points: Floats | None = None, probability: float = 1.0) -> Faces:
    return Faces(
        boxes=np.array([box], np.float32),
        probabilities=np.array([probability], np.float32),
        landmarks=(looking() if points is None else points)[None],
    )


def of_portrait(pixels: Pixels, scale: float = 1.0) -> Qualities:
    x1, y1, x2, y2 = (side * scale for side in FACE)
    return measure(pixels, one((x1, y1, x2, y2)), LIMITS)


def resized(scale: float) -> Pixels:
    return np.asarray(cv2.resize(portrait(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def blurred(share_of_height: float, scale: float = 1.0) -> Pixels:
    sigma = share_of_height * (FACE[3] - FACE[1]) * scale
    return np.asarray(cv2.GaussianBlur(resized(scale), (0, 0), sigma), np.uint8)


def test_a_good_face_has_full_weight() -> None:
    quality = of_portrait(portrait())
    assert quality.reasons == ((),)
    assert quality.weights[0] == pytest.approx(1.0)
    assert quality.size.tolist() == [111.0]


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0, 4.0])
def test_a_blurred_face_is_rejected_at_any_size(scale: float) -> None:
    assert of_portrait(resized(scale), scale).sharpness[0] > 55
    quality = of_portrait(blurred(0.03, scale), scale)
    assert quality.reasons == ((Reason.TOO_BLURRED,),)
    assert quality.weights.tolist() == [0.0]


def test_more_blur_never_increases_the_weight() -> None:
    qualities = [of_portrait(blurred(share)) for share in (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05)]
    assert (np.diff([quality.sharpness[0] for quality in qualities]) < 0).all()
    weights = [quality.weights[0] for quality in qualities]
    assert (np.diff(weights) <= 0).all()
    assert any(0 < weight < 1 for weight in weights)


def test_sharpness_does_not_depend_on_light() -> None:
    dim = (portrait() * 0.45).astype(np.uint8)
    pale = (portrait() * 0.5 + 110).astype(np.uint8)
    whole, *others = (of_portrait(pixels).sharpness[0] for pixels in (portrait(), dim, pale))
    np.testing.assert_allclose(others, whole, rtol=0.08)


def test_a_dark_face_is_rejected() -> None:
    quality = of_portrait((portrait() * 0.2).astype(np.uint8))
    assert quality.reasons == ((Reason.TOO_DARK,),)
    assert 20 < quality.brightness[0] < 40


def test_a_small_face_is_rejected() -> None:
    quality = of_portrait(resized(0.4), 0.4)
    assert Reason.TOO_SMALL in quality.reasons[0]
    assert quality.size[0] == pytest.approx(44.4)


def test_size_and_visibility_are_limited_by_the_frame() -> None:
    x1, y1, x2, y2 = FACE
    half = portrait()[(y1 + y2) // 2 :]
    quality = measure(half, one((x1, y1 - (y1 + y2) // 2, x2, y2 - (y1 + y2) // 2)), LIMITS)
    assert quality.size[0] == pytest.approx((y2 - y1) / 2, abs=1)
    assert Reason.OUT_OF_FRAME in quality.reasons[0]


@pytest.mark.parametrize("box", [(-90, -90, -10, -10), (600, 10, 700, 110), (10, 600, 110, 700), (5, 5, 5, 5)])
def test_a_box_outside_the_frame_is_rejected(box: tuple[float, float, float, float]) -> None:
    quality = measure(portrait(), one(box), LIMITS)
    assert quality.weights[0] == 0
    assert Reason.OUT_OF_FRAME in quality.reasons[0]
    assert quality.sharpness[0] == quality.brightness[0] == quality.size[0] == 0


def test_an_uncertain_face_is_rejected() -> None:
    quality = measure(portrait(), one(FACE, probability=0.75), LIMITS)
    assert quality.reasons == ((Reason.UNCERTAIN_FACE,),)


def test_a_profile_is_rejected() -> None:
    quality = measure(portrait(), one(FACE, points=looking(yaw=-60)), LIMITS)
    assert quality.reasons == ((Reason.PROFILE_POSE,),)
    assert measure(portrait(), one(FACE, points=looking(yaw=45)), LIMITS).reasons == ((),)


@pytest.mark.parametrize("roll", [-180, -90, -45, 45, 90, 135])
def test_a_tilted_face_is_rejected(roll: float) -> None:
    quality = measure(portrait(), one(FACE, points=looking(roll=roll)), LIMITS)
    assert quality.reasons == ((Reason.TILTED_POSE,),)
    assert quality.weights.tolist() == [0.0]


def test_a_moderately_tilted_face_weighs_less() -> None:
    rolls = (0, 20, -20, 30, -30)
    weights = [measure(portrait(), one(FACE, points=looking(roll=roll)), LIMITS).weights[0] for roll in rolls]
    assert weights[:3] == pytest.approx([1, 1, 1])
    assert weights[3] == pytest.approx(weights[4], abs=1e-5)
    assert 0 < weights[3] < 1


@pytest.mark.parametrize("roll", [-170, -135, -90, -30, 0, 60, 90, 120, 179])
def test_roll_covers_the_full_circle_also_for_mirrored_landmarks(roll: float) -> None:
    points = looking(10, 5, roll)
    mirrored = points[[1, 0, 2, 4, 3]]
    rolls = measure_roll(np.stack((points, mirrored)))
    assert rolls == pytest.approx([roll, roll], abs=6)


@pytest.mark.parametrize("angle", [-70, -40, -15, 0, 15, 40, 70])
def test_each_angle_alone_is_exact(angle: float) -> None:
    yaw = measure(portrait(), one(FACE, points=looking(yaw=angle)), LIMITS)
    pitch = measure(portrait(), one(FACE, points=looking(pitch=angle / 2)), LIMITS)
    roll = measure(portrait(), one(FACE, points=looking(roll=angle)), LIMITS)
    assert (yaw.yaw[0], pitch.pitch[0], roll.roll[0]) == pytest.approx((angle, angle / 2, angle), abs=0.1)


@given(st.floats(-50, 50), st.floats(-20, 20), st.floats(-30, 30))
@effort(deadline=None, max_examples=60)
def test_combined_angles_are_approximate(yaw: float, pitch: float, roll: float) -> None:
    found = measure(portrait(), one(FACE, points=looking(yaw, pitch, roll)), LIMITS)
    assert found.yaw[0] == pytest.approx(yaw, abs=15)
    assert found.pitch[0] == pytest.approx(pitch, abs=15)


def test_signs_refer_to_the_picture() -> None:
    right, down = looking(yaw=30), looking(pitch=20)
    assert right[2, 0] > right[:2, 0].mean()  # the nose to the right
    assert down[2, 1] > looking()[2, 1]


def test_degenerate_points_count_as_a_profile() -> None:
    quality = measure(portrait(), one(FACE, points=np.full((5, 2), 200, np.float32)), LIMITS)
    assert np.isfinite([quality.yaw, quality.pitch, quality.roll]).all()


@given(
    st.floats(-300, 900),
    st.floats(-300, 900),
    st.floats(0, 400),
    st.floats(0, 1),
    st.floats(-80, 80),
)
@effort(deadline=None, max_examples=80)
def test_a_weight_is_zero_exactly_if_there_is_a_reason(
    x: float, y: float, size: float, probability: float, yaw: float
) -> None:
    face = one((x, y, x + size, y + size), points=looking(yaw), probability=probability)
    quality = measure(portrait(), face, LIMITS)
    assert 0 <= quality.weights[0] <= 1
    assert (quality.weights[0] == 0) == bool(quality.reasons[0])


def test_limits_are_settings() -> None:
    anything = QualitySettings(
        min_size=1, min_sharpness=0, min_brightness=0, max_yaw=90, max_roll=180, min_visible=0, min_probability=0
    )
    face = one((-40, 0, 40, 40), points=looking(80, roll=120), probability=0.1)
    assert measure(portrait() // 20, face, anything).reasons == ((),)
    assert len(measure(portrait() // 20, face, LIMITS).reasons[0]) >= 4


def test_rows_align_and_no_faces_give_no_rows() -> None:
    pixels = posed((150, 240, 50), (420, 240, 200))
    boxes = np.array([(128, 213, 172, 263), (341, 140, 499, 340)], np.float32)
    faces = Faces(boxes=boxes, probabilities=np.ones(2, np.float32), landmarks=np.stack((looking(), looking(70))))
    quality = measure(pixels, faces, LIMITS)
    assert quality.size.tolist() == [50, 200]
    assert Reason.PROFILE_POSE not in quality.reasons[0]
    assert Reason.PROFILE_POSE in quality.reasons[1]
    assert len(measure(pixels, Faces.none(), LIMITS)) == 0


@pytest.mark.parametrize(
    ("clip", "usable"),
    [("real/talking_1008_frames.mp4", 1.0), ("real/webcam_ewon.mp4", 1.0), ("fake/ffpp_deepfakes_519_515.mp4", 0.9)],
)
def test_faces_of_ordinary_clips_are_usable(media: Path, settings: Settings, clip: str, usable: float) -> None:
    shares = []
    for quality in along(media / clip, settings):
        shares += [weight > 0 for weight in quality.weights]
    assert len(shares) >= 6
    assert np.mean(shares) >= usable


def test_an_unlit_audience_in_profile_is_rejected(media: Path, settings: Settings) -> None:
    *_, last = along(media / "real" / "scene_cuts.mp4", settings)
    assert len(last) >= 2
    assert (last.weights > 0).mean() <= 0.34
    assert {Reason.PROFILE_POSE, Reason.TOO_DARK} & {reason for why in last.reasons for reason in why}


def along(path: Path, settings: Settings) -> list[Qualities]:
    """The qualities of the faces detected in every 30th frame."""
    assert settings.cache_dir is not None
    detector = MtcnnDetector(mtcnn(settings.cache_dir), settings.detector)
    frames = decoded(path, every=30, stop=275)
    return [measure(pixels, detector.detect(pixels), settings.quality) for _, pixels in frames]


def test_a_weak_point_halves_the_weight_of_a_score() -> None:
    good = {"size": 200.0, "sharpness": 80.0, "brightness": 120.0}
    assert weak_points(**good, settings=LIMITS) == ()
    for name, limit, reason in (
        ("size", LIMITS.min_size, Reason.TOO_SMALL),
        ("sharpness", LIMITS.min_sharpness, Reason.TOO_BLURRED),
        ("brightness", LIMITS.min_brightness, Reason.TOO_DARK),
    ):
        assert weak_points(**good | {name: 1.1 * limit}, settings=LIMITS) == (reason,)
        assert weak_points(**good | {name: 1.3 * limit}, settings=LIMITS) == ()
