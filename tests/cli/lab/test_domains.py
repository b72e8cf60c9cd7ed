import shutil
from collections.abc import Callable
from pathlib import Path

from support.face_shards import pair_rows, write_faces

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import read_card


def test_the_table_is_printed_and_written_into_the_card_only_when_asked(cli: Callable, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"meso4{suffix}", weights.with_suffix(suffix))
    faces = write_faces(tmp_path / "faces", pair_rows(8, split="val"))
    said = cli("lab", "domains", faces, "--weights", weights, "--model", "meso4")
    assert said.code == 0, said.err
    assert "faces, split val" in said.out
    assert read_card(weights.with_suffix(".json"), weights=weights).domains == ()
    assert cli("lab", "domains", faces, "--weights", weights, "--model", "meso4", "--in-place").code == 0
    domains = read_card(weights.with_suffix(".json"), weights=weights).domains
    assert {domain.kind for domain in domains} == {"all", "generator", "footage"}


def test_material_that_is_not_prepared_is_refused(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,real\n")
    (tmp_path / "a.mp4").touch()
    said = cli(
        "lab",
        "domains",
        tmp_path / "manifest.csv",
        "--weights",
        engines_dir() / "meso4.safetensors",
        "--model",
        "meso4",
        "--split",
        "all",
    )
    assert said.code == 2
    assert "lab prepare" in said.err
