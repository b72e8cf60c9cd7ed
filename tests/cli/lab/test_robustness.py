from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from face_shards import pair_rows, write_faces

from monitor.cli.lab.robustness import heat_map
from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.robustness import Cell, Robustness


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(4, split="val"), landmarks=True)


def test_the_grid_is_written_in_four_forms(cli: Callable, shards: Path, tmp_path: Path) -> None:
    said = cli("lab", "robustness", shards, "--out", "rob", "--only", "low_light", "--only", "jpeg")
    assert said.code == 0, said.err
    assert "untouched" in said.out
    folder = tmp_path / "rob"
    record = json.loads((folder / "robustness.json").read_text(encoding="utf-8"))
    assert (record["items"], record["fakes"], len(record["cells"])) == (8, 4, 11)
    assert record["material"] == "faces, split val"
    with (folder / "robustness.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["perturbation"], row["level"]) for row in rows[:2]] == [("clean", "0"), ("jpeg", "1")]
    assert float(rows[0]["auc"]) == pytest.approx(record["cells"][0]["auc"]["value"])
    assert (folder / "robustness.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "robustness.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + 11
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page


def test_pictures_go_through_the_pipeline(cli: Callable, tmp_path: Path) -> None:
    import cv2

    from monitor.source import portrait

    for name, picture in (("real", portrait.genuine()), ("fake", portrait.blended())):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture[..., ::-1])
    (tmp_path / "manifest.csv").write_text("path,label\nreal.png,real\nfake.png,fake\n", encoding="utf-8")
    said = cli("lab", "robustness", "manifest.csv", "--out", "rob", "--only", "blur")
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "rob" / "robustness.json").read_text(encoding="utf-8"))
    assert (record["items"], len(record["cells"])) == (2, 6)
    assert record["cells"][0]["auc"]["value"] in (0.0, 0.5, 1.0)


def test_an_unknown_perturbation_is_one_sentence(cli: Callable, shards: Path, tmp_path: Path) -> None:
    said = cli("lab", "robustness", shards, "--out", "rob", "--only", "wind")
    assert said.code == 2
    assert "there is no perturbation 'wind': choose from" in said.err.replace("\n", " ")
    assert not (tmp_path / "rob").exists()


def test_the_heat_map_writes_every_number() -> None:
    def cell(name: str, level: int, auc: float | None, abstain: float) -> Cell:
        area = Estimate(auc, None, None, n=8, groups=8)
        return Cell(name, level, auc=area, auc_judged=area, drop=area, abstain_share=abstain)

    cells = (cell("clean", 0, 0.9, 0.0), cell("jpeg", 1, 0.75, 0.25), cell("jpeg", 2, None, 1.0))
    nothing = Estimate(None, None, None, n=8, groups=8)
    found = Robustness(8, 4, 8, cells, mild_drop=nothing, mean_drop=nothing, failures=())
    left, right = heat_map(found, title="a model on some data").axes
    assert [text.get_text() for text in left.texts] == ["0.90", "0.75"]
    assert [text.get_text() for text in right.texts] == ["0.00", "0.25", "1.00"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["jpeg"]
