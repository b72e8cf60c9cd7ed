import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.flag_storage import Storage, on_both
from support.flagging import flag

from monitor.flags.export_files import collect_files
from monitor.flags.files import FlagFiles
from monitor.types import Flag

JPEG = cv2.imencode(".jpg", np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8))[1].tobytes()
PNG = cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes()


@pytest.fixture
def exhibits(storage: Storage) -> FlagFiles:
    return storage.files()


def kept(exhibits: FlagFiles, *tracks: int, **files: bytes) -> Flag:
    """A flag of face 1 in a picture of these faces."""
    one = flag()
    faces = [{"track_id": track, "box": [20 * track, 5, 20 * track + 15, 30]} for track in tracks]
    said = {"faces": faces, "width": 80, "height": 60}
    files = {"frame.jpg": JPEG, "faces.json": json.dumps(said).encode(), "clip.mp4": b"a clip"} | files
    return replace(one, exhibits=exhibits.create(one.id, files))


@on_both
def test_an_unblurred_copy_is_the_stored_file(exhibits: FlagFiles, storage: Storage) -> None:
    one = kept(exhibits, 1, 2)
    storage.delete(one.id, "clip.mp4")
    found = collect_files(one, exhibits)
    assert [copy.exhibit.name for copy in found.files] == ["frame.jpg", "faces.json"]
    assert found.missing == ("clip.mp4",)
    assert not found.skipped
    assert found.files[0].read() == JPEG
    assert {copy.altered for copy in found.files} == {""}


@on_both
def test_a_changed_file_is_copied_with_its_current_hash(exhibits: FlagFiles, storage: Storage) -> None:
    one = kept(exhibits, 1)
    storage.write(one.id, "clip.mp4", b"another")
    copy = collect_files(one, exhibits).files[-1]
    assert (copy.sha256, copy.size) == (hashlib.sha256(b"another").hexdigest(), 7)
    assert copy.exhibit == one.exhibits[-1]


@on_both
def test_a_blurred_copy_has_its_own_hash(exhibits: FlagFiles) -> None:
    one = kept(exhibits, 1, 2, **{"close.png": PNG, "sound.wav": b"a sound"})
    found = collect_files(one, exhibits, blur=True)
    picture = found.files[0]
    assert picture.altered == "1 face blurred"
    assert picture.sha256 == hashlib.sha256(picture.read()).hexdigest() != picture.exhibit.sha256
    assert [copy.exhibit.name for copy in found.files] == ["frame.jpg", "faces.json"]
    assert found.skipped.keys() == {"clip.mp4", "close.png", "sound.wav"}
    assert "aspect ratio differs" in found.skipped["close.png"]


def test_a_picture_of_only_the_flagged_face_is_unchanged(exhibits: FlagFiles) -> None:
    found = collect_files(kept(exhibits, 1), exhibits, blur=True)
    assert found.files[0].read() == JPEG
    assert found.files[0].altered == ""
    assert found.skipped.keys() == {"clip.mp4"}


def test_a_picture_with_unknown_face_positions_is_skipped(exhibits: FlagFiles) -> None:
    found = collect_files(kept(exhibits, 1, **{"faces.json": b"?"}), exhibits, blur=True)
    assert found.skipped["frame.jpg"] == "faces.json does not contain the positions of its faces"
    assert [copy.exhibit.name for copy in found.files] == ["faces.json"]
