import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.face_shards import face, pair_rows, write_faces

from monitor.classifiers import load_classifier


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two faces, one of them in a tar, a picture without a face, and one whose name says nothing."""
    folder = tmp_path / "people"
    (folder / "more").mkdir(parents=True)
    canvas = np.full((400, 400, 3), 120, np.uint8)
    canvas[88:312, 88:312] = face(0)
    for name, picture in (("25_1_0_a", canvas), ("70_0_1_b", canvas), ("30_0_1_c", canvas * 0), ("other", canvas)):
        cv2.imwrite(str(folder / f"{name}.png"), picture[..., ::-1])
    (folder / "25_1_0_a.png").rename(folder / "more" / "25_1_0_a.png")
    with tarfile.open(folder / "part.tar", "w") as archive:
        archive.add(folder / "70_0_1_b.png", "70_0_1_b.png")
    (folder / "70_0_1_b.png").unlink()
    return folder


def test_pictures_are_judged_as_stills_by_group(cli: Callable, pictures: Path, tmp_path: Path) -> None:
    said = cli("lab", "fairness", pictures, "--out", "fair.json", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record == json.loads((tmp_path / "fair.json").read_text(encoding="utf-8"))
    assert (record["split"], record["pad"], record["limit"]) == ("", 0.0, None)
    assert record["model"] == load_classifier().card.id
    assert record["weights_sha256"] == load_classifier().card.weights_sha256
    assert record["settings"]["verdict"]["suspicious_at"] == 0.8
    assert "cache_dir" not in record["settings"]
    groups = {(group["by"], group["name"]): group for group in record["groups"]}
    assert groups["everyone", "everyone"]["faces"] == 3
    assert groups["everyone", "everyone"]["not_judged"]["count"] == 1
    assert groups["race", "Black"]["faces"] == 2
    assert groups["age", "20-39"]["not_judged"]["count"] == 1
    assert groups["sex", "female"]["accused"]["of"] == 1


def test_tight_crops_can_be_widened(cli: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "tight"
    folder.mkdir()
    cv2.imwrite(str(folder / "25_1_0_a.png"), face(0)[..., ::-1])
    (folder / "26_1_0_b.png").write_bytes(b"no picture")
    judged = {}
    for pad in ("0", "0.4"):
        said = cli("lab", "fairness", folder, "--pad", pad, "--json")
        assert said.code == 0, said.err
        judged[pad] = json.loads(said.out)["groups"][0]["accused"]["of"]
    assert judged == {"0": 0, "0.4": 1}


def test_the_default_output_is_a_table(cli: Callable, pictures: Path) -> None:
    said = cli("lab", "fairness", pictures, "--limit", "2")
    assert said.code == 0, said.err
    assert "Black, male" in said.out
    assert "no two groups have enough judged faces" in said.out


def test_shards_are_scored_without_their_fakes(cli: Callable, tmp_path: Path) -> None:
    rows = pair_rows(3, split="test")
    for number, row in enumerate(rows):
        row["name"] = f"{20 + number}_{number % 2}_3_{row['name']}"
    said = cli("lab", "fairness", write_faces(tmp_path / "faces", rows), "--json")
    assert said.code == 0, said.err
    groups = json.loads(said.out)["groups"]
    assert [group["faces"] for group in groups if group["name"] == "Indian"] == [3]


def test_faces_that_weights_were_trained_on_are_left_out(cli: Callable, tmp_path: Path) -> None:
    rows = [*pair_rows(3, split="train"), *pair_rows(2, split="test")]
    for number, row in enumerate(rows):
        row["name"] = f"part0__{20 + number}_{number % 2}_3_{row['name']}"
    shards = write_faces(tmp_path / "faces", rows)
    for flags, split, faces in (
        ((), "test", 2),
        (("--split", "train"), "train", 3),
        (("--split", "all"), "test+train", 5),
    ):
        said = cli("lab", "fairness", shards, *flags, "--json")
        assert said.code == 0, said.err
        record = json.loads(said.out)
        assert (record["split"], record["pad"], record["groups"][0]["faces"]) == (split, None, faces)
    trained = [row for row in rows if row["split"] == "train"]
    said = cli("lab", "fairness", write_faces(tmp_path / "trained", trained))
    assert said.code == 2
    assert "--split" in said.err


def test_pictures_have_no_split(cli: Callable, pictures: Path) -> None:
    said = cli("lab", "fairness", pictures, "--split", "test")
    assert said.code == 2
    assert "leave --split out" in said.err.replace("\n", " ")


def test_weights_are_those_that_were_named(cli: Callable, pictures: Path) -> None:
    said = cli("lab", "fairness", pictures, "--weights", "absent.safetensors")
    assert said.code == 1
    assert "absent.safetensors are missing" in said.err.replace("\n", " ")


def test_a_folder_without_such_names_is_one_sentence(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = cli("lab", "fairness", "empty")
    assert said.code == 3
    assert "age_sex_race_*" in said.err
    assert cli("lab", "fairness", "absent").code == 3


@pytest.mark.parametrize("content", [b"no tar", None], ids=["broken", "leaves its folder"])
def test_an_archive_that_cannot_be_unpacked_is_one_sentence(
    cli: Callable, pictures: Path, content: bytes | None
) -> None:
    if content is None:
        with tarfile.open(pictures / "part.tar", "w") as archive:
            archive.add(pictures / "other.png", "../../30_1_0_d.png")
    else:
        (pictures / "part.tar").write_bytes(content)
    said = cli("lab", "fairness", pictures)
    assert said.code == 3
    assert "fetch it again" in said.err.replace("\n", " ")
    assert "internal error" not in said.err
