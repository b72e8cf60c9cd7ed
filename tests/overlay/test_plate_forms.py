"""The forms of plates in a crowd: the cases in plate_forms.json also test the dashboard's script."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.overlay.plate_forms import PlateForm, plate_forms
from monitor.types import Label

CASES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("plate_forms.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_forms_equal_the_stored_ones(name: str) -> None:
    case = CASES[name]
    faces = [(track_id, Label(label)) for track_id, label in case["faces"]]
    assert plate_forms(faces, selected=case["selected"]) == case["forms"]


def test_the_cases_cover_every_form() -> None:
    assert {form for case in CASES.values() for form in case["forms"]} == set(PlateForm)


@pytest.mark.parametrize("count", [1, 5, 13, 40])
def test_no_crowd_has_more_than_five_whole_plates_and_no_suspect_is_without_one(count: int) -> None:
    faces = [(track_id, Label.LIKELY_FAKE) for track_id in range(count)]
    faces += [(track_id, Label.LIKELY_REAL) for track_id in range(count, 2 * count)]
    forms = plate_forms(faces, selected=2 * count - 1)
    assert forms.count(PlateForm.WHOLE) <= 5
    assert PlateForm.NONE not in forms[:count]
    assert forms[-1] is PlateForm.WHOLE
