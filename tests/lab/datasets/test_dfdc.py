import json
from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.dfdc import read_dfdc, read_dfdc_preview

TRAIN = {
    "a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
    "b.mp4": {"label": "REAL", "split": "train"},
}


def part(root: Path, folder: str, listed: dict[str, dict[str, object]]) -> Path:
    tree(root, *(f"{folder}/{name}" for name in listed))
    text(root / folder / "metadata.json", json.dumps(listed))
    return root


class TestFull:
    def test_parts_and_the_sample_are_read_and_a_fake_knows_its_original(self, tmp_path: Path) -> None:
        part(tmp_path, "dfdc_train_part_10", {"c.mp4": {"label": "REAL", "split": "train"}})
        part(tmp_path, "dfdc_train_part_2", TRAIN)
        part(tmp_path, "train_sample_videos", TRAIN)
        records = by_id(read_dfdc(tmp_path))
        assert list(records) == [
            "train_sample_videos/a",
            "train_sample_videos/b",
            "dfdc_train_part_2/a",
            "dfdc_train_part_2/b",
            "dfdc_train_part_10/c",
        ]
        fake = records["dfdc_train_part_2/a"]
        assert (fake.label, fake.split, fake.original) == (1, "train", "dfdc_train_part_2/b")
        assert fake.group == records["dfdc_train_part_2/b"].group == "b"
        assert records["train_sample_videos/a"].group == "b", "the sample repeats videos of the parts"

    def test_the_root_may_be_a_part(self, tmp_path: Path) -> None:
        part(tmp_path, ".", TRAIN)
        assert by_id(read_dfdc(tmp_path))["a"].original == "b"

    def test_test_labels_are_a_table_with_a_header(self, tmp_path: Path) -> None:
        tree(tmp_path, "test/x.mp4", "test/y.mp4")
        text(tmp_path / "test" / "labels.csv", "filename,label", "x.mp4,1", "y.mp4,0")
        records = by_id(read_dfdc(tmp_path))
        assert {video_id: (record.label, record.split) for video_id, record in records.items()} == {
            "test/x": (1, "test"),
            "test/y": (0, "test"),
        }

    def test_a_header_that_is_missing_does_not_eat_a_video(self, tmp_path: Path) -> None:
        tree(tmp_path, "test/x.mp4", "test/y.mp4")
        text(tmp_path / "test" / "labels.csv", "x.mp4,1", "y.mp4,0")
        with pytest.raises(DatasetError, match="first line must name filename, label"):
            read_dfdc(tmp_path)

    def test_test_labels_may_be_described(self, tmp_path: Path) -> None:
        part(tmp_path, "test", {"x.mp4": {"is_fake": 0, "augmentations": {}}, "y.mp4": {"is_fake": 1}})
        assert [(record.label, record.split) for record in read_dfdc(tmp_path)] == [(0, "test"), (1, "test")]

    def test_missing_videos_are_named(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        part(tmp_path, "dfdc_train_part_0", TRAIN)
        (tmp_path / "dfdc_train_part_0" / "a.mp4").unlink()
        assert len(read_dfdc(tmp_path)) == 1
        assert "1 of 2 listed files are missing, the first is dfdc_train_part_0/a.mp4" in caplog.text

    @pytest.mark.parametrize(
        ("listed", "says"),
        [
            ({"a.mp4": {"label": "MAYBE"}}, "label is 'MAYBE'"),
            ({"a.mp4": {}}, "label is ''"),
            ({"../a.mp4": {"label": "REAL"}}, "leads out"),
            ({"a.mp4": "FAKE"}, "must map file names"),
        ],
    )
    def test_a_wrong_list_is_refused(self, tmp_path: Path, listed: dict, says: str) -> None:
        text(tmp_path / "dfdc_train_part_0" / "metadata.json", json.dumps(listed))
        with pytest.raises(DatasetError, match=says):
            read_dfdc(tmp_path)

    @pytest.mark.parametrize("name", ["/x/r.mp4", "../../r.mp4"])
    def test_labels_lead_nowhere_else(self, tmp_path: Path, name: str) -> None:
        tree(tmp_path, "r.mp4")
        text(tmp_path / "set" / "test" / "labels.csv", "filename,label", f"{name},0")
        with pytest.raises(DatasetError, match=r"labels\.csv, line 2: the path .* leads out"):
            read_dfdc(tmp_path / "set")

    def test_an_original_leads_nowhere_else(self, tmp_path: Path) -> None:
        part(tmp_path, "dfdc_train_part_0", {"a.mp4": {"label": "FAKE", "original": "/x/b.mp4"}})
        with pytest.raises(DatasetError, match="leads out"):
            read_dfdc(tmp_path)

    def test_no_list_is_no_data_set(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="expected dfdc_train_part"):
            read_dfdc(tree(tmp_path, "dfdc_train_part_0/a.mp4"))


PREVIEW = {
    "method_A/7/7_9/7_9_C_001.mp4": {"label": "fake", "set": "test", "target_id": "7", "swapped_id": "9"},
    "method_B/7/7_9/7_9_C_001.mp4": {"label": "fake", "set": "train", "target_id": "7", "swapped_id": "9"},
    "original_videos/7/7_C_001.mp4": {"label": "real", "set": "train", "target_id": "7", "swapped_id": None},
}


class TestPreview:
    def test_methods_sets_and_people(self, tmp_path: Path) -> None:
        tree(tmp_path, *PREVIEW)
        text(tmp_path / "dataset.json", json.dumps(PREVIEW))
        records = by_id(read_dfdc_preview(tmp_path))
        fake = records["method_A/7/7_9/7_9_C_001"]
        assert (fake.label, fake.split, fake.method) == (1, "test", "method_A")
        assert fake.identities == ("dfdc-preview:7", "dfdc-preview:9")
        real = records["original_videos/7/7_C_001"]
        assert (real.label, real.method, real.identities) == (0, "", ("dfdc-preview:7",))

    def test_an_unknown_set_is_refused(self, tmp_path: Path) -> None:
        text(tmp_path / "dataset.json", json.dumps({"a.mp4": {"label": "fake", "set": "dev"}}))
        with pytest.raises(DatasetError, match="set is 'dev'"):
            read_dfdc_preview(tmp_path)
