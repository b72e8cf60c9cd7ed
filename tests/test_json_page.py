"""The page of the JSON formats is true: its tables are those of the schemas and of the files, its examples fit.

``python tests/test_json_page.py`` writes the tables of the schemas.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support.events import analyse_frame, open_stream
from support.flag_writer import SUSPECT, provenance
from support.json_schema import events_schema, report_schema
from support.observations import observation
from support.schema_tables import SchemaTables
from support.written_tables import within, write

from monitor.flags.archive import FlagArchive
from monitor.flags.clips import PictureRing
from monitor.flags.files import FACES
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.results.report_content import SCHEMA_VERSION
from monitor.results.timeline import COLUMNS
from monitor.settings import Settings
from monitor.types import Frame

PAGE = Path(__file__).parent.parent / "docs" / "json.md"
BY = "tests/test_json_page.py"
MADE = SchemaTables(report_schema(), events_schema())
TABLES = {"report": MADE.report, "events": MADE.events, "values": MADE.values, "names": MADE.names}


def section(title: str) -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def listed(title: str) -> list[str]:
    """The names in the first column of a section's table."""
    cells = (line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `"))
    return [name for cell in cells for name in re.findall(r"`(.+?)`", cell)]


def example(title: str) -> Any:
    return json.loads(section(title).partition("```json\n")[2].partition("```")[0])


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_those_of_the_schemas(table: str) -> None:
    assert within(PAGE, table, by=BY) == TABLES[table](), f"run: python {BY}"


def test_every_key_of_the_report_is_on_the_page() -> None:
    assert {"verdict.in_words", "source.sha256", "tracks", "model.calibration"} <= set(listed("report.json"))
    assert {"TrackSummary.label_seconds", "Verdict.since", "Calibration.scale"} <= set(listed("Values"))


def test_the_page_names_the_version_of_the_format() -> None:
    assert f"`schema_version` is {SCHEMA_VERSION}." in section("report.json")


def test_the_example_of_an_event_fits() -> None:
    Draft202012Validator(events_schema()).validate(example("Events"))


def test_the_example_of_a_report_has_its_keys() -> None:
    schema = report_schema()
    shown = {name: value for name, value in example("report.json").items() if name != "..."}
    assert shown["schema_version"] == SCHEMA_VERSION
    assert set(shown) <= set(schema["properties"])
    for name in ("frames", "verdict"):
        whole = {"$defs": schema["$defs"], "$ref": schema["properties"][name]["$ref"]}
        Draft202012Validator(whole).validate(shown[name])


def test_the_columns_of_the_timeline_are_on_the_page() -> None:
    assert listed("timeline.csv") == list(COLUMNS)
    header, row = section("timeline.csv").partition("```csv\n")[2].splitlines()[:2]
    assert header == ",".join(COLUMNS)
    assert row.count(",") == header.count(",")


def keys(record: Any, path: str = "") -> Iterator[str]:
    for name, value in record.items():
        yield f"{path}{name}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from keys(value[0], f"{path}{name}[].")


def test_the_keys_of_faces_json_are_on_the_page(tmp_path: Path) -> None:
    with FlagArchive(tmp_path / "kept") as archive:
        recorder = FlagRecorder(archive, submit=lambda job: job())
        recorder.prepare(provenance(Settings()), clips=PictureRing(seconds=1, max_bytes=1 << 20))
        open_stream(recorder)
        picture = Frame(np.zeros((240, 320, 3), np.uint8), 10, 2.0, datetime(2026, 1, 1, tzinfo=UTC), "cam")
        analyse_frame(recorder, picture, observation([SUSPECT], index=10, media_time=2.0))
        flag = recorder.flag(FlagRequest(connection=1, media_time=2.0, frame_index=10, reporter="ada"))
        found = json.loads((archive.files.folder(flag.id) / FACES).read_bytes())
    assert listed("faces.json") == list(keys(found)) == list(keys(example("faces.json")))


if __name__ == "__main__":
    write(PAGE, TABLES, by=BY)
