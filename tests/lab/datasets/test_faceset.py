from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.dataset_trees import bomb, shards
from support.face_shards import LANDMARKS, face, pair_rows, write_faces

from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FACTS, INDEX, USUAL_LANDMARKS, FaceSet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = pair_rows(3, split="train") + pair_rows(2, split="val")
    return write_faces(tmp_path / "faces", rows, landmarks=True, side=1.0)


def test_the_crops_of_a_split_are_read_as_they_were_stored(folder: Path) -> None:
    faces = FaceSet.open(folder, splits={"train"})
    assert [row.name for row in faces.rows] == ["train0r", "train0f", "train1r", "train1f", "train2r", "train2f"]
    assert [row.label for row in faces.rows] == [0, 1, 0, 1, 0, 1]
    assert faces.rows[1].original == faces.rows[1].group == "train0r"
    np.testing.assert_array_equal(faces.rows[0].landmarks, LANDMARKS)
    assert faces.side_over_box_height == 1.0
    assert np.abs(faces.pixels(2).astype(int) - face(1)).mean() < 3
    assert len(FaceSet.open(folder)) == 10


def test_many_threads_may_read_at_once(folder: Path) -> None:
    faces = FaceSet.open(folder)
    expected = [faces.jpeg(row) for row in range(len(faces))]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(faces.jpeg, list(range(10)) * 20)) == expected * 20


def test_a_plain_index_has_the_usual_square_and_no_landmarks(tmp_path: Path) -> None:
    faces = FaceSet.open(write_faces(tmp_path / "faces", pair_rows(1, split="test")))
    assert (faces.side_over_box_height, faces.centre_below_box_centre_over_box_height) == (0.85, 0.06)
    assert faces.rows[0].landmarks is None


def test_the_square_of_another_policy(folder: Path) -> None:
    faces = FaceSet.open(folder)
    np.testing.assert_allclose(faces.square(200, side=0.85, centre=0.06), [[15, 15, 185, 185]])
    np.testing.assert_allclose(faces.square(200, side=1.0, centre=0.16), [[0, 20, 200, 220]])


def test_a_selection_keeps_what_was_asked_for(folder: Path) -> None:
    faces = FaceSet.open(folder)
    reals = faces.select(lambda row: row.label == 0)
    assert [row.name for row in reals.rows] == ["train0r", "train1r", "train2r", "val0r", "val1r"]
    assert reals.side_over_box_height == 1.0
    np.testing.assert_array_equal(reals.pixels(3), faces.pixels(6))


def cut_short(folder: Path) -> None:
    shard = folder / "val-00.tar"
    shard.write_bytes(shard.read_bytes()[:2000])


def edited(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / INDEX).write_text((folder / INDEX).read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / INDEX).unlink(), r"index\.csv does not exist: name a folder"),
        (lambda folder: (folder / INDEX).write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda folder: (folder / INDEX).write_text("name,label,split,shard\n"), "it must|holds no crop"),
        (edited("name,label", "nom,label"), "has no column 'name'"),
        (edited("train0r,0", "train0r,REAL"), r"line 2: label 'REAL' is unknown, it must be 0 \(real\) or 1 \(fake\)"),
        (edited("val1r,val,", "val1r,vale,"), "split 'vale' is unknown"),
        (edited("train1r,0", ",0"), "name and shard must not be empty"),
        (edited("val0f,1", "val0r,1"), "names 'val0r' twice"),
        (edited("62.0", "left"), "landmarks must be ten numbers"),
        (lambda folder: (folder / "val-00.tar").unlink(), r"val-00\.tar is missing, though .*index\.csv names it"),
        (lambda folder: (folder / "val-00.tar").write_bytes(b""), r"val-00\.tar cannot be read"),
        (cut_short, r"val-00\.tar (lacks|cannot)"),
        (edited("val1f,1", "val9f,1"), r"lacks val9f\.jpg"),
        (lambda folder: (folder / FACTS).write_text("{}"), r"faces\.json cannot be understood"),
        (lambda folder: (folder / FACTS).write_text((folder / FACTS).read_text().replace("1.0", "-1")), "no square"),
    ],
)
def test_what_is_wrong_is_one_sentence(folder: Path, damage: Callable[[Path], object], sentence: str) -> None:
    damage(folder)
    with pytest.raises(DatasetError, match=sentence):
        FaceSet.open(folder)


def test_an_unknown_split_says_which_there_are(folder: Path) -> None:
    with pytest.raises(DatasetError, match="no crop of split test: its index has train, val"):
        FaceSet.open(folder, splits={"test"})


def test_a_damaged_picture_is_named(folder: Path) -> None:
    shard = folder / "train-00.tar"
    content = bytearray(shard.read_bytes())
    content[512 : 512 + 400] = bytes(400)  # the first member's picture, its header and size stay
    shard.write_bytes(content)
    faces = FaceSet.open(folder)
    with pytest.raises(DatasetError, match=r"crop train0r in .*train-00\.tar is damaged"):
        faces.pixels(0)
    faces.pixels(1)


def test_usual_landmarks_stand_in_for_unknown_ones(folder: Path, tmp_path: Path) -> None:
    np.testing.assert_array_equal(FaceSet.open(folder).landmarks(0, side=224), LANDMARKS)
    plain = FaceSet.open(write_faces(tmp_path / "plain", pair_rows(1, split="train")))
    usual = plain.landmarks(0, side=200)
    np.testing.assert_allclose(usual, np.array(USUAL_LANDMARKS) * 200, rtol=1e-5)
    mirrored = usual[[1, 0, 2, 4, 3]] * (-1, 1) + (200, 0)
    np.testing.assert_allclose(usual, mirrored, atol=1e-3)
    wide = FaceSet(plain.folder, plain.rows, side_over_box_height=1.7)
    np.testing.assert_allclose(wide.landmarks(0, side=200), 100 + (usual - 100) / 2, atol=1e-3)
    low = FaceSet(plain.folder, plain.rows, centre_below_box_centre_over_box_height=0.06 + 0.17)
    np.testing.assert_allclose(low.landmarks(0, side=200) - usual, [[0, -40]] * 5, atol=1e-3)


def test_a_header_that_promises_too_many_pixels_is_a_damaged_picture(tmp_path: Path) -> None:
    rows = [{"name": "a", "label": "0", "split": "train", "shard": "train-00.tar"}]
    with FaceSet.open(shards(tmp_path, rows, {"a": bomb()})) as faces, pytest.raises(DatasetError, match="is damaged"):
        faces.pixels(0)


def test_a_closed_set_lets_go_of_its_shards(folder: Path) -> None:
    with FaceSet.open(folder) as faces:
        assert faces.jpeg(0)
    with pytest.raises(ValueError, match="closed"):
        faces.jpeg(0)
