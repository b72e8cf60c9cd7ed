from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.face_shards import pair_rows, write_faces

from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.training.experiment import Data
from monitor.lab.training.pairs import STORED_SIZE, PairLoader, forbid_leaks, open_streams, stored_crop

DATA = (Data("pairs", share=3, pseudo_fakes=0.5), Data("reals", share=1, pseudo_fakes=1.0))


def rows_of(roots: list[Path], plan: list[tuple[int, int]]) -> Counter[tuple[int, int, int]]:
    """How often each (stream, real row, fake row) comes."""
    streams = open_streams(DATA, roots=roots, seed=3)
    seen: Counter[tuple[int, int, int]] = Counter()
    loader = PairLoader(streams, workers=1)
    for first, count in plan:
        for number, stream in enumerate(streams):
            for pair in stream.rows(*loader.span(number, first, count)):
                seen[(number, *pair)] += 1
    loader.close()
    return seen


def test_a_fake_goes_with_the_crop_it_was_made_from(roots: list[Path]) -> None:
    labelled, pseudo, reals = open_streams(DATA, roots=roots, seed=3)
    assert [stream.share for stream in (labelled, pseudo, reals)] == [0.375, 0.375, 0.25]
    for real, fake in labelled.pairs.tolist():
        assert labelled.faces.rows[fake].original == labelled.faces.rows[real].name
    assert set(pseudo.pairs[:, 1].tolist()) == {-1}
    assert all(pseudo.faces.rows[row].label == 0 for row in pseudo.pairs[:, 0])


def test_shares_hold_exactly_and_every_pair_comes_as_often(roots: list[Path]) -> None:
    seen = rows_of(roots, [(first, 4) for first in range(0, 320, 4)])
    by_stream = Counter(number for number, *_ in seen.elements())
    assert by_stream == {0: 120, 1: 120, 2: 80}
    assert {number: {c for (n, *_), c in seen.items() if n == number} for number in range(3)} == {
        0: {24},
        1: {24},
        2: {20},
    }


def test_the_size_of_batches_changes_nothing(roots: list[Path]) -> None:
    assert rows_of(roots, [(0, 30)]) == rows_of(roots, [(0, 4), (4, 8), (12, 18)])


def test_a_batch_holds_what_was_asked_for_whatever_is_loaded_ahead(roots: list[Path]) -> None:
    streams = open_streams(DATA, roots=roots, seed=3)
    plan = [(first, 8) for first in range(0, 48, 8)]
    several, one = PairLoader(streams, workers=4), PairLoader(streams, workers=1)
    together = list(several.batches(iter(plan)))
    alone = [next(one.batches(iter([place]))) for place in plan]
    several.close()
    one.close()
    assert len(together) == len(plan)
    for ours, theirs in zip(together, alone, strict=True):
        for part in ours.__slots__:
            np.testing.assert_array_equal(getattr(ours, part), getattr(theirs, part))
        assert ours.real.shape == ours.fake.shape == (8, 3, STORED_SIZE, STORED_SIZE)
        pseudo = ours.pseudo.numpy()
        same = (ours.real == ours.fake).flatten(1).all(1).numpy()
        np.testing.assert_array_equal(same, pseudo)
        assert set(ours.side[pseudo].tolist()) <= {np.float32(0.85), np.float32(1.0)}


def test_crops_of_other_sizes_are_brought_to_one_and_their_landmarks_follow(tmp_path: Path) -> None:
    rows = pair_rows(1, split="train")
    same = FaceSet.open(write_faces(tmp_path / "same", rows, landmarks=True, size=STORED_SIZE))
    pixels, kept = stored_crop(same, 0)
    np.testing.assert_array_equal(pixels, same.pixels(0))
    np.testing.assert_allclose(kept, same.landmarks(0, side=STORED_SIZE), rtol=1e-5)
    small = FaceSet.open(write_faces(tmp_path / "small", rows, landmarks=True, size=STORED_SIZE // 2))
    pixels, enlarged = stored_crop(small, 0)
    assert pixels.shape == (STORED_SIZE, STORED_SIZE, 3)
    np.testing.assert_allclose(enlarged, small.landmarks(0, side=STORED_SIZE // 2) * 2)


@pytest.mark.parametrize(
    ("rows", "data", "sentence"),
    [
        (pair_rows(2, split="train"), Data("gone"), "no set of face crops 'gone' in"),
        (
            [r for r in pair_rows(2, split="train") if r["label"] == "0"],
            Data("set"),
            "no fake face .* pseudo_fakes = 1",
        ),
        ([r for r in pair_rows(2, split="train") if r["label"] == "1"], Data("set"), "no real face"),
        (
            [r for r in pair_rows(2, split="train") if r["label"] == "1"],
            Data("set", pseudo_fakes=1.0),
            "no real face in split train",
        ),
        (pair_rows(2, split="val"), Data("set"), "holds no crop of split train"),
    ],
)
def test_a_set_that_lacks_a_class_is_one_sentence(
    tmp_path: Path, rows: list[dict[str, str]], data: Data, sentence: str
) -> None:
    write_faces(tmp_path / "set", rows)
    with pytest.raises(DatasetError, match=sentence):
        open_streams([data], roots=[tmp_path], seed=1)


def leaking(folder: Path, **changes: str) -> Path:
    """A set whose last row, a fake of split test, is changed."""
    rows = pair_rows(2, split="train") + pair_rows(2, split="test", start=2)
    return write_faces(folder, [*rows[:-1], rows[-1] | changes])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"group": "train0r"}, "group 'train0r' of set lies in more than one split"),
        ({"original": "train1r", "group": ""}, "crop 'train1r' of set lies in more than one split"),
    ],
)
def test_what_is_learned_from_is_never_measured_on(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    forbid_leaks([leaking(tmp_path / "sound")])
    with pytest.raises(DatasetError, match=sentence):
        forbid_leaks([leaking(tmp_path / "set", **changes)])


def test_a_person_in_two_splits_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = pair_rows(1, split="train") + pair_rows(1, split="val", start=1)
    forbid_leaks([write_faces(tmp_path / "set", [row | {"identity": "Ada"} for row in rows], landmarks=True)])
    assert "1 people are in several splits, such as 'Ada'" in caplog.text


def test_a_group_in_the_train_of_one_set_and_the_val_of_another_is_refused(tmp_path: Path) -> None:
    one = write_faces(tmp_path / "one", [r | {"dataset": "x"} for r in pair_rows(1, split="train")], landmarks=True)
    rows = [r | {"dataset": "x", "split": "val"} for r in pair_rows(1, split="train")]
    other = write_faces(tmp_path / "other", rows, landmarks=True)
    forbid_leaks([one])
    with pytest.raises(DatasetError, match="group 'train0r' of x"):
        forbid_leaks([one, other])


def test_a_fake_of_a_fake_is_refused(tmp_path: Path) -> None:
    rows = pair_rows(2, split="train")
    rows[1]["original"] = "train1f"
    write_faces(tmp_path / "set", rows)
    with pytest.raises(DatasetError, match="names 'train1f' as its original, which is a fake itself"):
        open_streams([Data("set")], roots=[tmp_path], seed=1)


@pytest.mark.parametrize(
    ("size", "points", "sentence"), [(16, False, "a square of 32 or more"), (50, True, "landmarks far outside")]
)
def test_crops_that_make_no_sense_are_named(tmp_path: Path, size: int, points: bool, sentence: str) -> None:
    write_faces(tmp_path / "set", pair_rows(1, split="train"), landmarks=points, size=size)
    with pytest.raises(DatasetError, match=f"crop train0r of .*{sentence}"):
        stored_crop(FaceSet.open(tmp_path / "set"), 0)


def test_a_fake_without_its_original_goes_with_another_real_crop(tmp_path: Path) -> None:
    rows = pair_rows(3, split="train")
    rows = [row for row in rows if row["name"] != "train1r"]
    (stream,) = open_streams([Data(write_faces(tmp_path / "set", rows).name)], roots=[tmp_path], seed=1)
    partners = {stream.faces.rows[fake].name: stream.faces.rows[real].name for real, fake in stream.pairs.tolist()}
    assert partners["train0f"] == "train0r"
    assert partners["train1f"] in ("train0r", "train2r")
    assert stream.mated == 1


def test_reals_that_are_nobodys_original_go_first_with_fakes_that_lack_theirs(tmp_path: Path) -> None:
    rows = [row for row in pair_rows(4, split="train") if row["name"] not in ("train1r", "train2f", "train3r")]
    (stream,) = open_streams([Data(write_faces(tmp_path / "set", rows).name)], roots=[tmp_path], seed=1)
    partners = {stream.faces.rows[fake].name: stream.faces.rows[real].name for real, fake in stream.pairs.tolist()}
    assert partners == {"train0f": "train0r", "train1f": "train2r", "train3f": "train2r"}
