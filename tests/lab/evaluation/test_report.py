import csv
import json
import math
from pathlib import Path

import pytest
from support.footage import portrait
from support.outcomes import crowd, films
from support.outcomes import subject as made

from monitor.errors import OutputError
from monitor.lab.evaluation.outcomes import Outcome
from monitor.lab.evaluation.page import Subject
from monitor.lab.evaluation.report import COLUMNS, write_report
from monitor.lab.evaluation.report import __doc__ as described
from monitor.lab.evaluation.thumbnails import face_jpeg

FEW = 200


@pytest.fixture(scope="module")
def subject() -> Subject:
    return made()


def finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_three_files_in_a_folder_that_appears_whole(subject: Subject, tmp_path: Path) -> None:
    folder, card = write_report(tmp_path / "found" / "here", crowd(), subject=subject, resamples=FEW)
    assert folder == tmp_path / "found" / "here"
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.csv", "metrics.json", "report.html"]
    assert [path.name for path in folder.parent.iterdir()] == ["here"], "no working folder is left"
    again, _ = write_report(folder, crowd(), subject=subject, resamples=FEW)
    assert again.name == "here-2", "an earlier report stays"
    assert card.whole.counts.total == 121


def test_metrics_json_says_what_was_measured_with_what(subject: Subject, tmp_path: Path) -> None:
    folder, card = write_report(tmp_path / "out", crowd(), subject=subject, resamples=FEW, seed=3)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert finite(content)
    assert content["schema_version"] == "1.0"
    assert content["data"] == {"name": "made", "split": "test", "kind": "crops", "selection": ""}
    assert content["model"]["weights_sha256"] == subject.card.weights_sha256
    assert content["engine"]["name"] == "onnxruntime-fp32"
    assert content["settings"]["verdict"]["suspicious_at"] == 0.8
    assert "cache_dir" not in content["settings"], "it is this machine's"
    assert content["intervals"] == {
        "method": "percentile bootstrap over groups",
        "level": 0.95,
        "resamples": FEW,
        "seed": 3,
    }
    area = content["whole"]["ranking"]["auc"]
    assert area["value"] == pytest.approx(card.whole.ranking["auc"].value, abs=1e-6)
    assert area["low"] < area["value"] < area["high"]
    assert content["failures"] == [
        {"dataset": "made", "id": "broken", "why": "broken.mp4: holds no picture; is it a video?"}
    ]
    assert content["moments"] is content["monitoring"] is None


def test_every_field_is_described(subject: Subject, tmp_path: Path) -> None:
    folder, _ = write_report(tmp_path / "out", films(), subject=subject, resamples=FEW)
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for name in content:
        assert f"``{name}``" in (described or "")
    for name in (*content["monitoring"], *content["whole"], *content["whole"]["counts"], *content["reliability"][0]):
        assert name in (described or ""), name


def test_metrics_csv_has_a_row_for_everything(subject: Subject, tmp_path: Path) -> None:
    some = films()
    folder, _ = write_report(tmp_path / "out", some, subject=subject, resamples=FEW)
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["id"] for row in rows] == [one.id for one in some]
    assert rows[1]["alarms"] == "11.000-17.000"
    assert (rows[1]["label"], rows[1]["decision"], rows[1]["probability"]) == ("1", "LIKELY_FAKE", "0.970000")
    assert rows[1]["flips"] == "2"
    assert (rows[2]["decision"], rows[2]["probability"]) == ("", "")
    assert "no such file" in rows[2]["failure"]


def test_nothing_is_left_of_a_report_that_cannot_be_written(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="in the way"):
        write_report(tmp_path / "file" / "out", crowd(), subject=subject, resamples=FEW)

    def broken(_: Outcome) -> bytes:
        raise OutputError("no picture")

    with pytest.raises(OutputError, match="no picture"):
        write_report(tmp_path / "out", crowd(), subject=subject, pictures=broken, resamples=FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_faces_are_shown_only_where_they_may_be(subject: Subject, tmp_path: Path) -> None:
    face = face_jpeg(portrait())
    shown, _ = write_report(tmp_path / "a", crowd(), subject=subject, pictures=lambda _: face, resamples=FEW)
    hidden, _ = write_report(tmp_path / "b", crowd(), subject=subject, resamples=FEW)
    assert "data:image/jpeg;base64" in (shown / "report.html").read_text(encoding="utf-8")
    assert "data:image" not in (hidden / "report.html").read_text(encoding="utf-8")
