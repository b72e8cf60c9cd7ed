"""The actor of ``fleet analyze``, called without Ray: what it checks, and how a file fails."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.clips import video

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.errors import ModelError
from monitor.fleet import archive_worker
from monitor.fleet.archive_sources import ArchiveSource, list_archive
from monitor.fleet.archive_worker import PLACE_FILE, ArchiveWorker, BatchPlan
from monitor.fleet.results_store import open_results_store
from monitor.settings import Settings


@pytest.fixture
def plan(tmp_path: Path, settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> BatchPlan:
    monkeypatch.setattr(archive_worker, "_node_id", lambda: "node")
    monkeypatch.setattr(api, "load_engines", lambda _: engines)
    out = tmp_path / "out"
    open_results_store(str(out)).write_text(PLACE_FILE, "number")
    return BatchPlan(settings, out=str(out), video=False, place="number")


def source_of(path: Path) -> ArchiveSource:
    return list_archive([str(path)])[0][0]


def ready(plan: BatchPlan) -> ArchiveWorker:
    worker = ArchiveWorker(plan)
    report = worker.check()
    assert report.refusal is None
    assert report.recipe is not None
    return worker


def test_a_file_is_analysed_once(plan: BatchPlan, tmp_path: Path) -> None:
    source, worker = source_of(video(tmp_path / "bars.mp4", frames=5)), ready(plan)
    first, again = worker.analyse(source), worker.analyse(source)
    assert (first.label, first.frames, first.error, first.earlier) == ("NOT_ENOUGH_EVIDENCE", 5, None, False)
    assert first.folder == source.key
    assert again == replace(first, earlier=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"program": "0.1"}, "the command 0.1: install one version"),
        ({"place": "other"}, "does not see the folder of the results"),
        ({"sample": ArchiveSource("/absent/a.mp4", size=1)}, "cannot read /absent/a.mp4 as it is on the machine"),
    ],
)
def test_a_node_that_cannot_work_says_why(plan: BatchPlan, change: dict[str, object], words: str) -> None:
    report = ArchiveWorker(replace(plan, **change)).check()  # type: ignore[arg-type]
    assert report.recipe is None
    assert words in str(report.refusal)


def test_a_node_with_another_file_of_that_name_says_so(plan: BatchPlan, tmp_path: Path) -> None:
    sample = source_of(video(tmp_path / "bars.mp4", frames=5))
    ready(replace(plan, sample=sample))
    assert "cannot read" in str(ArchiveWorker(replace(plan, sample=replace(sample, size=1))).check().refusal)


def test_missing_weights_are_the_reason(plan: BatchPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Settings) -> Engines:
        raise ModelError("no weights here")

    monkeypatch.setattr(api, "load_engines", fail)
    assert ArchiveWorker(plan).check().refusal == "no weights here"


def test_each_failure_is_an_outcome(plan: BatchPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    worker = ready(plan)
    broken = worker.analyse(source_of(tmp_path / "broken.mp4"))
    assert broken.exit_code == 3
    assert "broken.mp4" in str(broken.error)
    absent = worker.analyse(ArchiveSource("memory://nowhere/a.mp4"))
    assert (absent.error, absent.exit_code) == ("memory://nowhere/a.mp4 does not exist; check the address", 3)
    clip = video(tmp_path / "bars.mp4", frames=5)
    source = source_of(clip)

    def touch(*arguments: object, **options: object) -> object:
        clip.touch()
        return analyze(*arguments, **options)  # type: ignore[arg-type]

    analyze = api.analyze
    monkeypatch.setattr(api, "analyze", touch)
    assert "changed while it was read" in str(worker.analyse(source).error)

    def crash(*_: object, **__: object) -> object:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(api, "analyze", crash)
    assert "internal error: ZeroDivisionError" in str(worker.analyse(source).error)
    assert not [path for path in Path(plan.out).iterdir() if path.name != PLACE_FILE], "no half result"
