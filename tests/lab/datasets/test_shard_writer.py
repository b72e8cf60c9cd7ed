import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dataset_trees import encoded, face

from monitor.lab.datasets.face_cropper import Crop
from monitor.lab.datasets.faceset import COLUMNS, FaceSet
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.shard_writer import CropNames, IndexEntry, ShardWriter

POINTS = np.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.125]], np.float32)


def entry(name: str, label: int = 0, split: str = "train", original: str = "") -> IndexEntry:
    record = Record("set", name, Path(name), label, split, "m" * label, identities=("ann", "bob"), group="g")
    return IndexEntry(name, record, original, source_size=(80, 81))


def crop(jpeg: bytes, landmarks: np.ndarray | None = None) -> Crop:
    return Crop(jpeg, None, 0.0, (0.0, 0.0, 1.0, 1.0), (1, 1), landmarks)


def test_a_face_set_reads_what_was_written(tmp_path: Path) -> None:
    jpegs = {name: encoded(face(shift=shift), ".jpg") for shift, name in enumerate(("r", "f", "v"))}
    with ShardWriter(tmp_path) as writer:
        writer.add(entry("r"), crop(jpegs["r"], POINTS))
        writer.add(entry("f", 1, original="r"), crop(jpegs["f"]))
        writer.add(entry("v", split="val"), crop(jpegs["v"]))
    assert writer.files == ["train-00.tar", "val-00.tar", "index.csv"]
    faces = FaceSet.open(tmp_path)
    assert [row.name for row in faces.rows] == ["r", "f", "v"]
    assert [faces.jpeg(row) for row in range(3)] == list(jpegs.values())
    real, fake, _ = faces.rows
    assert real.landmarks is not None
    np.testing.assert_allclose(real.landmarks, POINTS, atol=0.006)
    assert fake.landmarks is None
    assert (fake.label, fake.original, fake.method, fake.identity, fake.group) == (1, "r", "m", "ann;bob", "g")
    with (tmp_path / "index.csv").open(newline="", encoding="utf-8") as file:
        header, first, *_ = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert first[6:9] == ["80", "81", "set"]


def test_a_shard_never_exceeds_its_limit_and_wastes_little(tmp_path: Path) -> None:
    limit = 10_240 * 4
    sizes = [1, 511, 512, 513, 5000, 9000, 20_000, 3, 700, 30_000, 512 * 77 - 1024, 10]
    with ShardWriter(tmp_path, limit=limit) as writer:
        for number, size in enumerate(sizes):
            writer.add(entry(f"n{number}"), crop(bytes([number]) * size))
    shards = sorted(tmp_path.glob("*.tar"))
    assert len(shards) == 4
    assert max(path.stat().st_size for path in shards) <= limit
    found = []
    for path in shards:
        with tarfile.open(path) as archive:
            found += [(member.name, member.size, member.mtime, member.uid) for member in archive]
    assert found == [(f"n{number}.jpg", size, 0, 0) for number, size in enumerate(sizes)]


def test_names_of_existing_crops_may_be_longer_than_a_plain_header_takes(tmp_path: Path) -> None:
    names = ["n" * 140, "é" * 70, "short"]
    with ShardWriter(tmp_path, limit=10_240) as writer:
        for number, name in enumerate(names * 2):
            writer.add(entry(f"{name}{number}"), crop(bytes([number]) * 700))
    assert all(path.stat().st_size <= 10_240 for path in tmp_path.glob("*.tar"))
    with FaceSet.open(tmp_path) as faces:
        assert [faces.jpeg(row) for row in range(6)] == [bytes([number]) * 700 for number in range(6)]


def test_after_a_failure_there_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(AttributeError), ShardWriter(tmp_path) as writer:
        writer.add(entry("a"), None)
    assert not (tmp_path / "index.csv").exists()


class TestNames:
    def test_plain_ids_stay_themselves(self) -> None:
        assert CropNames().of("manipulated/Deepfakes/071_054") == "manipulated__Deepfakes__071_054"

    @given(st.lists(st.text(max_size=120), unique=True, max_size=20))
    def test_names_are_plain_short_and_unique(self, ids: list[str]) -> None:
        names = CropNames()
        given_names = [names.of(one) for one in ids]
        assert len(set(given_names)) == len(ids)
        assert all(len(name) <= 80 and set(name) <= set(_PLAIN) for name in given_names)

    def test_ids_that_look_alike_get_different_names(self) -> None:
        names = CropNames()
        assert len({names.of(one) for one in ("a/b", "a__b", "a b", "a-b", "é", "è", "x" * 99, "x" * 98)}) == 8


_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
