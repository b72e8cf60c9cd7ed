import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces

from monitor.classifiers import engines_dir, load_classifier


@pytest.mark.timeout(400)
def test_a_table_is_measured_at_every_size_and_lies_beside_the_weights(cli: Callable, tmp_path: Path) -> None:
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"meso4{suffix}", tmp_path / f"own{suffix}")
    weights = tmp_path / "own.safetensors"
    faces = write_faces(tmp_path / "faces", pair_rows(3, split="train"))
    said = cli("lab", "ranges", faces, "--model", "meso4", "--weights", weights, "--limit", "2")
    assert said.code == 0, said.err
    assert "own.ranges.json" in said.out
    classifier = load_classifier("meso4", weights=weights)
    table = json.loads((tmp_path / "own.ranges.json").read_text())
    assert table["measured_on"] == "2 crops of faces, train, each as it is and once perturbed"
    assert set(table["sizes"]) == {str(size) for size in classifier.card.sizes}
    assert classifier.network.ranges is not None
    assert all(low <= high for low, high in classifier.network.ranges().values())


def test_videos_are_no_crops(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label,split\nvideo.mp4,real,train\n")
    said = cli("lab", "ranges", tmp_path)
    assert said.code != 0
    assert "error:" in said.err
