import csv
import io
import math
from pathlib import Path

import pytest
from support.observations import ENGINE, Face, observation

from monitor.errors import OutputError
from monitor.results.result_folder import OutputFolder
from monitor.results.timeline import COLUMNS, Timeline, TimelineSample
from monitor.types import Calibration, Label, Observation, Reason

CALIBRATION = Calibration(scale=2.0, shift=-1.0)
SCORED = Face(
    (10, 20, 110, 140.26), track=3, log_odds=1.25, crop=(8, 40, 112, 144), label=Label.SUSPICIOUS, probability=0.81
)
REJECTED = Face(
    (300, 20, 320, 45),
    track=4,
    label=Label.NOT_ENOUGH_EVIDENCE,
    probability=None,
    reasons=(Reason.TOO_SMALL,),
    rejected=(Reason.TOO_SMALL, Reason.TOO_DARK),
)


def rows(folder: Path, *observations: Observation) -> list[dict[str, str]]:
    timeline = Timeline(folder)
    for each in observations:
        timeline.add(each)
    timeline.close()
    return list(csv.DictReader(io.StringIO((folder / "timeline.csv").read_text(encoding="utf-8"))))


def test_a_scored_sample_is_one_row_with_all_that_led_to_it(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, observation([SCORED], media_time=0.48, index=12))
    assert row == {
        "frame_index": "12",
        "media_time": "0.480",
        "track_id": "3",
        "log_odds": "1.2500",
        "sample_probability": f"{1 / (1 + math.exp(-1.25)):.4f}",
        "weight": "0.7500",
        "box_x1": "10.0",
        "box_y1": "20.0",
        "box_x2": "110.0",
        "box_y2": "140.3",
        "crop_x1": "8.0",
        "crop_y1": "40.0",
        "crop_x2": "112.0",
        "crop_y2": "144.0",
        "rejected": "",
        "label": "SUSPICIOUS",
        "probability": "0.8100",
        "effective_samples": "2.400",
        "engine": ENGINE,
    }


def test_a_rejected_sample_says_why_and_invents_no_number(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, observation([REJECTED]))
    assert row["rejected"] == "TOO_SMALL TOO_DARK"
    assert (row["log_odds"], row["sample_probability"], row["weight"], row["crop_x1"], row["probability"]) == ("",) * 5
    assert (row["box_x1"], row["label"], row["track_id"]) == ("300.0", "NOT_ENOUGH_EVIDENCE", "4")


def test_a_frame_without_samples_writes_nothing_but_the_header_is_there(tmp_path: Path) -> None:
    assert rows(tmp_path, observation([Face((0, 0, 9, 9))]), observation()) == []
    assert (tmp_path / "timeline.csv").read_text().strip().split(",") == list(COLUMNS)


def test_rows_go_to_the_disk_as_they_come(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path)
    for index in range(2000):
        timeline.add(observation([SCORED], index=index))
    assert (tmp_path / "timeline.csv").stat().st_size > 100_000
    timeline.close()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"timeline\.csv cannot be written"):
        Timeline(tmp_path / "absent")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, full_disk: None) -> None:
    def fill() -> None:
        with OutputFolder(tmp_path, "talk") as folder, Timeline(folder.working) as timeline:
            for index in range(100_000):
                timeline.add(observation([SCORED], index=index))

    with pytest.raises(OutputError, match="cannot be written"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    rows(tmp_path, observation([SCORED, REJECTED], media_time=0.48, index=12))
    scored, rejected = TimelineSample.read(tmp_path / "timeline.csv")
    assert scored == TimelineSample(
        frame_index=12,
        media_time=0.48,
        track_id=3,
        log_odds=1.25,
        weight=0.75,
        box=(10.0, 20.0, 110.0, 140.3),
        label=Label.SUSPICIOUS,
        probability=0.81,
        effective_samples=2.4,
        engine=ENGINE,
    )
    assert (rejected.log_odds, rejected.weight, rejected.probability) == (None, 0.0, None)
    assert rejected.label is Label.NOT_ENOUGH_EVIDENCE


def test_a_file_that_is_no_timeline_is_told(tmp_path: Path) -> None:
    path = tmp_path / "timeline.csv"
    with pytest.raises(OutputError, match="cannot be read"):
        list(TimelineSample.read(path))
    path.write_text("frame_index,media_time\n1,0.2\n")
    with pytest.raises(OutputError, match="analyse the file again"):
        list(TimelineSample.read(path))
