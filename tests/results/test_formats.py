"""A format of the report is one function and one registration: the results' folder and the dashboard follow."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.observations import segment, source_info
from support.reports import written_report

from monitor.results import formats
from monitor.results.formats import REPORT_FILE, register, report_formats
from monitor.results.report import Provenance
from monitor.results.report_content import ReportContent
from monitor.results.result_folder import OutputFolder, result_files
from monitor.types import Label, SourceVerdict

VERDICT = SourceVerdict(Label.SUSPICIOUS, 0.8, 1, ())
FILE = "segments.csv"


def segments_csv(content: ReportContent) -> str:
    return "".join(f"{one.track_id},{one.start},{one.end}\n" for one in content.segments)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_FORMATS", report_formats())
    register(FILE, segments_csv)


def write(parent: Path, provenance: Provenance) -> Path:
    with OutputFolder(parent, "demo") as folder:
        written_report(folder.working, provenance, VERDICT, segments=[segment(1, 1.0, 2.0)])
    assert folder.target is not None
    return folder.target


@pytest.mark.usefixtures("registered")
def test_a_registered_format_is_written_beside_the_report(tmp_path: Path, provenance: Provenance) -> None:
    folder = write(tmp_path, provenance)
    assert (folder / FILE).read_text(encoding="utf-8") == "1,1.0,2.0\n"
    assert json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))["segments"][0]["start"] == 1.0


@pytest.mark.usefixtures("registered")
def test_a_registered_format_is_among_the_results_that_the_dashboard_offers() -> None:
    assert set(result_files()) == {FILE, REPORT_FILE, "timeline.csv", "annotated.mp4"}


@pytest.mark.usefixtures("registered")
def test_a_new_result_replaces_the_older_file_of_a_format(tmp_path: Path, provenance: Provenance) -> None:
    synthetic = replace(provenance, source=source_info(synthetic=True))
    folder = write(tmp_path, synthetic)
    (folder / FILE).write_text("old", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert write(tmp_path, synthetic) == folder
    assert (folder / FILE).read_text(encoding="utf-8") == "1,1.0,2.0\n"
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.usefixtures("registered")
def test_a_format_that_fails_leaves_nothing(tmp_path: Path, provenance: Provenance) -> None:
    def fail(content: ReportContent) -> str:
        raise ZeroDivisionError

    register(FILE, fail)
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, provenance)
    assert list(tmp_path.iterdir()) == []
