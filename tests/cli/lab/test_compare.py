import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces
from support.outcomes import damage
from support.random_weights import written

from monitor.classifiers import engines_dir


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(4, split="test"))


SHIPPED = engines_dir() / "inception_resnet_v1.safetensors"


def test_one_is_measured_and_another_runs_file_is_joined(cli: Callable, shards: Path, tmp_path: Path) -> None:
    first = cli("lab", "compare", shards, "--weights", SHIPPED, "--out", "first")
    assert first.code == 0, first.err
    second = cli(
        "lab", "compare", shards, "first/comparison.json", "--weights", written("meso4", tmp_path), "--out", "both"
    )
    assert second.code == 0, second.err
    record = json.loads((tmp_path / "both" / "comparison.json").read_text(encoding="utf-8"))
    assert [entry["model"] for entry in record["entries"]] == ["meso4", "inception_resnet_v1"]
    assert len({entry["run"] for entry in record["entries"]}) == 2
    assert "in separate runs" in record["caption"]
    assert record["unlike"] == []  # the random weights borrowed the shipped card: same data, same budget
    table = (tmp_path / "both" / "comparison.md").read_text(encoding="utf-8")
    assert "| meso4 (meso4-random) |" in table
    assert "not the figures of any paper" in table
    assert (tmp_path / "both" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "both" / "comparison.svg").read_text(encoding="utf-8")


def test_what_was_trained_longer_is_refused_unless_asked_for(cli: Callable, shards: Path, tmp_path: Path) -> None:
    assert cli("lab", "compare", shards, "--weights", SHIPPED, "--out", "one").code == 0
    record = json.loads((tmp_path / "one" / "comparison.json").read_text(encoding="utf-8"))
    record["entries"].append(record["entries"][0] | {"id": "longer", "images_trained": 10**6})
    (tmp_path / "two.json").write_text(json.dumps(record), encoding="utf-8")
    refused = cli("lab", "compare", "two.json", "--out", "two")
    assert refused.code == 2
    assert "longer on 1,000,000" in refused.err.replace("\n", " ")
    assert not (tmp_path / "two").exists()
    said = cli("lab", "compare", "two.json", "--out", "two", "--anyway")
    assert said.code == 0, said.err
    assert "NOT LIKE FOR LIKE" in said.out


def test_a_bad_file_or_place_is_told_before_anything_is_measured(
    cli: Callable, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> None:
        pytest.fail("it was measured first")

    monkeypatch.setattr("monitor.lab.evaluation.comparison.measure", measured)
    (tmp_path / "bad.json").write_text('{"version": 2, "kind": "comparison", "entries": 3}', encoding="utf-8")
    said = cli("lab", "compare", shards, "bad.json", "--weights", SHIPPED, "--out", "x")
    assert said.code == 3
    assert "bad.json is no comparison.json" in said.err.replace("\n", " ")
    (tmp_path / "file").write_text("in the way")
    said = cli("lab", "compare", shards, "--weights", SHIPPED, "--out", "file/x")
    assert said.code != 0
    assert "in the way" in said.err.replace("\n", " ")


def test_a_damaged_crop_is_in_caption_and_record(cli: Callable, shards: Path, tmp_path: Path) -> None:
    damage(shards / "test-00.tar")
    said = cli("lab", "compare", shards, "--weights", SHIPPED, "--out", "one")
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "one" / "comparison.json").read_text(encoding="utf-8"))
    material = record["entries"][0]["material"]
    assert (material["fakes"], material["reals"], material["failures"]) == (4, 3, ["test0r"])
    assert "4 fake and 3 real crops" in record["caption"]
    assert "test0r" in record["caption"]


def test_weights_need_one_folder_of_shards(cli: Callable, tmp_path: Path) -> None:
    said = cli("lab", "compare", "absent.json", "--weights", SHIPPED, "--out", "x")
    assert said.code == 2
    assert "one folder of shards, 0 were named" in said.err.replace("\n", " ")
