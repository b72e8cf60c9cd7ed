import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.clips import video
from support.face_shards import pair_rows, write_faces
from support.outcomes import damage

from monitor.classifiers import load_classifier
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
    assert (record["split"], record["limit"], record["seconds"]) == ("split val", None, None)
    assert record["weights_sha256"] == load_classifier().card.weights_sha256
    assert record["settings"]["verdict"]["suspicious_at"] == 0.8
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

    from monitor.media.sources import demo_portrait

    for name, picture in (("real", demo_portrait.genuine()), ("fake", demo_portrait.blended())):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture[..., ::-1])
    (tmp_path / "manifest.csv").write_text("path,label\nreal.png,real\nfake.png,fake\n", encoding="utf-8")
    said = cli("lab", "robustness", "manifest.csv", "--out", "rob", "--only", "blur")
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "rob" / "robustness.json").read_text(encoding="utf-8"))
    assert (record["items"], len(record["cells"])) == (2, 6)
    assert record["cells"][0]["auc"]["value"] in (0.0, 0.5, 1.0)
    assert (record["material"], record["seconds"]) == ("manifest.csv, no splits", 8.0)
    assert "no genuine footage was watched" in said.out


def test_videos_have_a_rate_of_false_alarms(cli: Callable, tmp_path: Path) -> None:
    for name in ("real", "fake"):
        video(tmp_path / f"{name}.mp4", frames=25)
    (tmp_path / "manifest.csv").write_text("path,label\nreal.mp4,real\nfake.mp4,fake\n", encoding="utf-8")
    said = cli("lab", "robustness", "manifest.csv", "--out", "rob", "--only", "blur", "--up-to", "2", "--seconds", "1")
    assert said.code == 0, said.err
    assert "0 false alarms in 0.1 minutes of genuine footage" in said.out.replace("\n", " ")
    record = json.loads((tmp_path / "rob" / "robustness.json").read_text(encoding="utf-8"))
    assert [(cell["perturbation"], cell["level"]) for cell in record["cells"]] == [
        ("clean", 0), ("blur", 1), ("blur", 2),
    ]  # fmt: skip
    assert record["false_alarms_per_hour"]["time"] == pytest.approx(3 / 3600, rel=0.1)


def test_a_sorted_manifest_gives_both_classes(cli: Callable, tmp_path: Path) -> None:
    import cv2

    from monitor.media.sources import demo_portrait

    lines = ["path,label"]
    for label, picture in (("real", demo_portrait.genuine()), ("fake", demo_portrait.blended())):
        for number in range(3):
            cv2.imwrite(str(tmp_path / f"{label}{number}.png"), picture[..., ::-1])
            lines.append(f"{label}{number}.png,{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = cli("lab", "robustness", "manifest.csv", "--out", "rob", "--only", "blur", "--limit", "2")
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "rob" / "robustness.json").read_text(encoding="utf-8"))
    assert (record["items"], record["fakes"], record["limit"]) == (2, 1, 2)


def test_a_damaged_crop_ends_nothing(cli: Callable, shards: Path, tmp_path: Path) -> None:
    damage(shards / "val-00.tar")
    said = cli("lab", "robustness", shards, "--out", "rob", "--only", "jpeg")
    assert said.code == 0, said.err
    assert "val0r" in said.err
    record = json.loads((tmp_path / "rob" / "robustness.json").read_text(encoding="utf-8"))
    assert (record["items"], len(record["failures"])) == (7, 1)
    assert "1 more could not be read" in (tmp_path / "rob" / "robustness.html").read_text(encoding="utf-8")


def test_what_must_fail_fails_before_the_engines_are_loaded(
    cli: Callable, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(_: object, **__: object) -> None:
        pytest.fail("engines were loaded first")

    monkeypatch.setattr("monitor.analysis.pipeline.Engines.load", loaded)
    (tmp_path / "file").write_text("in the way")
    said = cli("lab", "robustness", shards, "--out", "file/rob")
    assert "in the way" in said.err.replace("\n", " ")
    reals = [row for row in pair_rows(4, split="val") if row["label"] == "0"]
    said = cli("lab", "robustness", write_faces(tmp_path / "reals", reals), "--out", "rob")
    assert said.code == 3
    assert "4 real and 0 fake" in said.err.replace("\n", " ")


def test_an_unknown_perturbation_is_one_sentence(cli: Callable, shards: Path, tmp_path: Path) -> None:
    said = cli("lab", "robustness", shards, "--out", "rob", "--only", "wind")
    assert said.code == 2
    assert "there is no perturbation 'wind': choose from" in said.err.replace("\n", " ")
    assert not (tmp_path / "rob").exists()


def test_the_heat_map_writes_every_number() -> None:
    def cell(name: str, level: int, auc: float | None, abstain: float) -> Cell:
        area = Estimate(auc, None, None, n=8, groups=8)
        return Cell(name, level, area, auc_judged=area, drop=area, abstain_share=abstain, false_alarms_per_hour=None)

    cells = (cell("clean", 0, 0.9, 0.0), cell("jpeg", 1, 0.75, 0.25), cell("jpeg", 2, None, 1.0))
    nothing = Estimate(None, None, None, n=8, groups=8)
    found = Robustness(8, 4, 8, cells, nothing, nothing, false_alarms_per_hour=None, failures=())
    left, right = heat_map(found, title="a model on some data").axes
    assert [text.get_text() for text in left.texts] == ["0.90", "0.75"]
    assert [text.get_text() for text in right.texts] == ["0.00", "0.25", "1.00"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["jpeg"]
