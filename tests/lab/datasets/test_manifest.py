from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.manifest import read_manifest
from monitor.lab.datasets.record import FakeSpan

FULL = "path,label,split,method,identity,group,start,end"


def test_labels_are_words_or_digits_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    tree(folder, "a.mp4", "b/a.mp4", "c.jpg", "d.jpg")
    tree(tmp_path, "outside/e.mp4")
    rows = ("a.mp4,real", "b/a.mp4,FAKE", "c.jpg,0", "d.jpg,1", "../outside/e.mp4,real")
    records = by_id(read_manifest(text(folder / "manifest.csv", "path,label", *rows)))
    assert {video_id: record.label for video_id, record in records.items()} == {
        "a": 0,
        "b/a": 1,
        "c": 0,
        "d": 1,
        "../outside/e": 0,
    }
    assert {record.dataset for record in records.values()} == {"set"}
    assert read_manifest(folder) == list(records.values()), "its folder does as well"


def test_all_columns(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    rows = ("a.mp4,fake,val,FaceSwap,ann; bob,g1,,", "b.mp4,real,train,stock,,,,")
    fake, real = read_manifest(text(tmp_path / "my.csv", FULL, *rows))
    assert (fake.split, fake.method, fake.identities, fake.group) == ("val", "FaceSwap", ("ann", "bob"), "g1")
    assert (real.method, real.group, real.spans) == ("", "b", None), "a real has no method"
    assert fake.dataset == "my"


def test_several_rows_are_several_spans(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    rows = (
        "a.mp4,fake,,,,,5,6.5",
        "a.mp4,fake,,,,,1,2",
        "a.mp4,real,,,,,2,5",
        "b.mp4,real,,,,,,",
    )
    fake, real = read_manifest(text(tmp_path / "manifest.csv", FULL, *rows))
    assert (fake.label, fake.spans) == (1, (FakeSpan(1, 2), FakeSpan(5, 6.5)))
    assert (real.label, real.spans) == (0, None)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("a.mp4,maybe,,,,,,",), "line 2: the label is 'maybe'"),
        ((",fake,,,,,,",), "the path is empty"),
        (("a.mp4,fake,dev,,,,,",), "split is 'dev'"),
        (("a.mp4,fake,,,,,1,",), "must both be seconds"),
        (("a.mp4,fake,,,,,2,1",), "fake span cannot run"),
        (("a.mp4,fake,,,,,,", "a.mp4,fake,,,,,,"), "is it listed twice"),
        (("a.mp4,fake,val,,,,1,2", "a.mp4,fake,train,,,,3,4"), "differ in their split"),
        (("a.mp4,real,,,,,0,10", "a.mp4,fake,,,,,0,10"), "real from 0 to 10 s and fake from 0 to 10 s, which overlap"),
        (("a.mp4,fake,,,,,3,4", "a.mp4,real,,,,,0,3.5"), "which overlap"),
        (("a.mp4,real,,,,,0,5",), "says nothing of the rest"),
        ((f"{'a/' * 3000}x.mp4,real,,,,,,",), "no file can be called so"),
        ((f"{'a' * 200_000},real,,,,,,",), "no table of cells"),
        (("gone.mp4,fake,,,,,,",), "none of the 1 listed files is there"),
    ],
)
def test_wrong_rows_are_refused(tmp_path: Path, rows: tuple[str, ...], says: str) -> None:
    tree(tmp_path, "a.mp4")
    with pytest.raises(DatasetError, match=says):
        read_manifest(text(tmp_path / "manifest.csv", FULL, *rows))


def test_wrong_headers_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4")
    with pytest.raises(DatasetError, match="no column 'path'"):
        read_manifest(text(tmp_path / "manifest.csv", "a.mp4,real"))
    with pytest.raises(DatasetError, match="unknown column 'lable'"):
        read_manifest(text(tmp_path / "manifest.csv", "path,label,lable", "a.mp4,real,x"))
    with pytest.raises(DatasetError, match="is missing"):
        read_manifest(tmp_path / "absent.csv")


def test_the_labelled_clips(media: Path) -> None:
    records = by_id(read_manifest(media / "manifest.csv"))
    assert all(record.path.is_file() for record in records.values())
    assert sum(record.label for record in records.values()) == 4
