import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.flagging import flag

from monitor.flags.export_files import copied
from monitor.flags.files import FlagFiles
from monitor.types import Flag

JPEG = cv2.imencode(".jpg", np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8))[1].tobytes()
PNG = cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes()


@pytest.fixture
def exhibits(tmp_path: Path) -> FlagFiles:
    return FlagFiles(tmp_path / "files")


def kept(exhibits: FlagFiles, *tracks: int, **files: bytes) -> Flag:
    """A flag of face 1 in a picture of these faces."""
    one = flag()
    faces = [{"track_id": track, "box": [20 * track, 5, 20 * track + 15, 30]} for track in tracks]
    said = {"faces": faces, "width": 80, "height": 60}
    files = {"frame.jpg": JPEG, "faces.json": json.dumps(said).encode(), "clip.mp4": b"a clip"} | files
    return replace(one, exhibits=exhibits.keep(one.id, files))


def test_a_plain_copy_is_what_is_kept(exhibits: FlagFiles) -> None:
    one = kept(exhibits, 1, 2)
    (exhibits.folder(one.id) / "clip.mp4").unlink()
    found = copied(one, exhibits)
    assert [copy.exhibit.name for copy in found.files] == ["frame.jpg", "faces.json"]
    assert found.missing == ("clip.mp4",)
    assert not found.left_out
    assert found.files[0].read() == JPEG
    assert {copy.altered for copy in found.files} == {""}


def test_what_was_changed_meanwhile_is_copied_as_it_is(exhibits: FlagFiles) -> None:
    one = kept(exhibits, 1)
    (exhibits.folder(one.id) / "clip.mp4").write_bytes(b"another")
    copy = copied(one, exhibits).files[-1]
    assert (copy.sha256, copy.size) == (hashlib.sha256(b"another").hexdigest(), 7)
    assert copy.exhibit == one.exhibits[-1]


def test_a_blurred_copy_has_its_own_hash(exhibits: FlagFiles) -> None:
    one = kept(exhibits, 1, 2, **{"close.png": PNG, "sound.wav": b"a sound"})
    found = copied(one, exhibits, blur=True)
    picture = found.files[0]
    assert picture.altered == "1 face blurred"
    assert picture.sha256 == hashlib.sha256(picture.read()).hexdigest() != picture.exhibit.sha256
    assert [copy.exhibit.name for copy in found.files] == ["frame.jpg", "faces.json"]
    assert found.left_out.keys() == {"clip.mp4", "close.png", "sound.wav"}
    assert "cut differently" in found.left_out["close.png"]


def test_whoever_is_alone_is_not_altered(exhibits: FlagFiles) -> None:
    found = copied(kept(exhibits, 1), exhibits, blur=True)
    assert found.files[0].read() == JPEG
    assert found.files[0].altered == ""
    assert found.left_out.keys() == {"clip.mp4"}


def test_a_picture_whose_faces_are_not_known_is_left_out(exhibits: FlagFiles) -> None:
    found = copied(kept(exhibits, 1, **{"faces.json": b"?"}), exhibits, blur=True)
    assert found.left_out["frame.jpg"] == "faces.json does not say where its faces are"
    assert [copy.exhibit.name for copy in found.files] == ["faces.json"]
