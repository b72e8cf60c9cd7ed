import subprocess
import sys
from pathlib import Path

import pytest
from support.dataset_trees import text, tree

from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets import READERS, read


def test_a_data_set_is_read_by_its_name(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    text(tmp_path / "manifest.csv", "path,label", "a.mp4,real", "b.mp4,fake")
    assert [record.label for record in read("manifest", tmp_path)] == [0, 1]
    assert [record.label for record in read("folder", tmp_path, label="fake")] == [1, 1]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_what_an_empty_folder_lacks(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=str(tmp_path)):
        read(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "label", "says"),
    [
        ("imagenet", "", "no reader for 'imagenet'"),
        ("ffpp", "real", "only 'folder'"),
        ("folder", "maybe", "real or fake"),
    ],
)
def test_names_and_labels_are_checked(name: str, label: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        read(name, tmp_path, label=label)


def test_reading_needs_nothing_that_machines_which_only_train_lack() -> None:
    program = (
        "import sys, monitor.lab.datasets, monitor.lab.datasets.splits;"
        "print([name for name in ('pydantic', 'av', 'onnxruntime', 'typer', 'platformdirs', 'torch') "
        "if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
