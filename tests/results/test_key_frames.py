"""The strongest moments of each face."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.observations import Face, frame, observation

from monitor.results.key_frames import LIST_FILE, KeyFrameRecorder, key_frames, strongest

WEIGHT = 0.75  # of every sample in tests/support/observations.py
BOX = (40.0, 30.0, 140.0, 130.0)


def seen(sink: KeyFrameRecorder, media_time: float, *faces: Face) -> None:
    index = round(25 * media_time)
    pixels = np.full((200, 320, 3), 120, np.uint8)
    sink(frame(pixels, media_time, index), observation(faces, media_time=media_time, index=index))


def said(sink: KeyFrameRecorder) -> list[tuple[int, float]]:
    return [(moment.track_id, round(moment.media_time, 3)) for moment in sink.found]


def test_the_strongest_moments_are_kept_a_second_apart_in_order_of_time() -> None:
    sink = KeyFrameRecorder()
    for number, logit in enumerate([1, 3, 2, 0.5, 0.5, 0.5, 0.5, 2.5, 1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1.5]):
        seen(sink, number * 0.4, Face(BOX, log_odds=logit))
    assert said(sink) == [(1, 0.4), (1, 2.8), (1, 4.4), (1, 7.6)]
    assert [moment.strength for moment in sink.found] == pytest.approx([logit * WEIGHT for logit in (3, 2.5, 4, 1.5)])


def test_the_strongest_face_comes_first_and_one_that_never_leant_has_one_picture() -> None:
    sink = KeyFrameRecorder()
    for second in range(6):
        seen(sink, float(second), Face(BOX, 1, log_odds=-3.0 + 0.1 * second), Face(BOX, 2, log_odds=2.0), Face(BOX, 3))
    assert said(sink) == [(2, 0.0), (2, 1.0), (2, 2.0), (2, 3.0), (1, 5.0)]


def test_of_many_faces_those_stay_that_leant_furthest() -> None:
    sink = KeyFrameRecorder()
    for track in range(40):
        seen(sink, track / 10, Face(BOX, track, log_odds=(track * 7) % 40 / 10))
    assert len(sink.found) == 12
    assert min(moment.strength for moment in sink.found) == pytest.approx(2.8 * WEIGHT)


def test_pictures_show_the_face_under_its_evidence_and_are_found_again(tmp_path: Path) -> None:
    sink = KeyFrameRecorder()
    evidence = np.array([[4.0, -4.0]] * 2, np.float32)
    seen(sink, 2.0, Face(BOX, 1, log_odds=2.0, evidence=evidence))
    seen(sink, 4.0, Face((-50.0, -50.0, 40.0, 40.0), 2, log_odds=1.0))  # half of it is out of the picture
    assert key_frames(tmp_path) == []
    sink.write(tmp_path)
    one, other = key_frames(tmp_path)
    assert (one.track_id, one.frame_index, one.media_time, one.strength) == (1, 50, 2.0, 1.5)
    picture = cv2.imread(str(tmp_path / one.file))[..., ::-1].astype(int)
    assert picture.shape == (240, 240, 3)
    left, right, outside = picture[120, 60], picture[120, 180], picture[10, 120]
    assert left[0] > left[2] + 60, "red speaks for fake"
    assert right[2] > right[0] + 60, "blue for real"
    assert np.ptp(outside) < 10
    plain = cv2.imread(str(tmp_path / one.plain_file)).astype(int)
    assert np.ptp(plain) < 10, "without its heat map"
    assert one.clear_file == one.plain_file
    assert (tmp_path / other.file).is_file()


def test_nothing_is_written_of_a_file_without_faces(tmp_path: Path) -> None:
    sink = KeyFrameRecorder()
    seen(sink, 0.0)
    sink.write(tmp_path)
    assert key_frames(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [LIST_FILE]


def test_a_damaged_list_is_none(tmp_path: Path) -> None:
    for content in ("{", '[{"other": 1}]', "[7]"):
        (tmp_path / LIST_FILE).write_text(content)
        assert key_frames(tmp_path) == []


def test_a_key_frame_has_the_measures_of_its_face_and_the_strongest_one_is_found(tmp_path: Path) -> None:
    sink = KeyFrameRecorder()
    for second, size in ((0.0, 60.0), (2.0, 90.0)):
        one = observation([Face(BOX, 1, log_odds=1 + second)], media_time=second, index=round(25 * second))
        measured = replace(one.qualities, size=np.array([size], np.float32), brightness=np.array([41.26], np.float32))
        sink(frame(np.full((200, 320, 3), 120, np.uint8), second), replace(one, qualities=measured))
    sink.write(tmp_path)
    moment = strongest(key_frames(tmp_path), 1)
    assert moment is not None
    assert (moment.media_time, moment.size, moment.sharpness, moment.brightness) == (2.0, 90.0, 0.0, 41.3)
    assert strongest(key_frames(tmp_path), 2) is None
