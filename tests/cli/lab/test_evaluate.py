import json
from pathlib import Path

import pytest
import typer
from support.clips import video
from support.face_shards import pair_rows, write_faces
from typer.testing import CliRunner, Result

from monitor.analysis.pipeline import Engines
from monitor.cli.lab.evaluate import evaluate
from monitor.errors import DatasetError, OutputError, UsageError, WeightsMissingError
from monitor.settings import Settings

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(autouse=True)
def _loaded(engines: Engines, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are compiled once for all tests."""
    load = Engines.load

    def shared(wanted: Settings, *, input_size: int | None) -> Engines:
        assert input_size is None
        return engines if wanted.classifier == settings.classifier else load(wanted)

    monkeypatch.setattr(Engines, "load", shared)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(6, split="test"))


def evaluated(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--resamples", "100"])


def test_crops_become_a_report(shards: Path, tmp_path: Path) -> None:
    done = evaluated(shards, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "12 in 6 groups: 6 fake, 6 real" in done.output
    assert "AUC" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.csv", "metrics.json", "report.html"]
    content = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert content["whole"]["counts"]["total"] == 12
    assert content["data"]["kind"] == "crops"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    mistaken = content["whole"]["forced"]["accuracy"]["value"] < 1
    assert ("data:image/jpeg" in page) == mistaken


def test_no_face_is_shown_where_it_may_not_be(shards: Path, tmp_path: Path) -> None:
    assert evaluated(shards, "--out", tmp_path / "out", "--no-thumbnails").exit_code == 0
    assert "data:image" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_json_is_the_only_output_on_stdout(shards: Path, tmp_path: Path) -> None:
    done = evaluated(shards, "--out", tmp_path / "out", "--limit", "7", "--json")
    record = json.loads(done.stdout)
    assert record["folder"] == str(tmp_path / "out")
    assert record["metrics"]["data"]["selection"] == "7 of 12 crops, drawn at random"


def test_videos_go_through_the_pipeline_and_a_bad_one_is_told(tmp_path: Path) -> None:
    video(tmp_path / "bars.mp4", frames=6)
    (tmp_path / "notes.mp4").write_text("no video at all")
    (tmp_path / "manifest.csv").write_text("path,label\nbars.mp4,real\nnotes.mp4,fake\n")
    done = evaluated(tmp_path / "manifest.csv", "--out", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert "notes.mp4" in done.output
    content = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert content["whole"]["counts"]["failed"] == 1
    assert content["abstentions"] == {"NO_FACE": 1}
    assert content["monitoring"]["videos"] == 1


def test_where_nothing_can_be_read_there_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video at all")
    (tmp_path / "manifest.csv").write_text("path,label\nnotes.mp4,fake\n")
    done = evaluated(tmp_path / "manifest.csv", "--out", tmp_path / "out")
    assert isinstance(done.exception, DatasetError)
    assert "not one of 1 files" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_an_unwritable_place_is_told_before_anything_is_evaluated(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluated_first(*_: object, **__: object) -> None:
        pytest.fail("it was evaluated first")

    monkeypatch.setattr("monitor.lab.evaluation.crops.crop_outcomes", evaluated_first)
    (tmp_path / "file").write_text("in the way")
    done = evaluated(shards, "--out", tmp_path / "file" / "out")
    assert isinstance(done.exception, OutputError)
    assert "in the way" in str(done.exception)


def test_a_wrong_argument_is_one_error(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert isinstance(evaluated(shards, "--out", tmp_path / "file").exception, UsageError)
    assert isinstance(evaluated(tmp_path / "gone", "--out", tmp_path / "out").exception, DatasetError)
    missing = evaluated(shards, "--out", tmp_path / "out", "--weights", tmp_path / "gone.safetensors")
    assert isinstance(missing.exception, WeightsMissingError)
    assert not (tmp_path / "out").exists()
