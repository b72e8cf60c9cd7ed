from pathlib import Path

import pytest

from monitor.cli.options import settings_from
from monitor.errors import UsageError


def test_an_assignment_wins_over_the_flag_for_the_same_setting() -> None:
    settings = settings_from(None, ["tracker.max_age=2.5", "detector.min_face_size=30"], min_face=80)
    assert settings.tracker.max_age == 2.5
    assert settings.detector.min_face_size == 30, "whoever writes out the whole name means it"


def test_every_option_chooses_its_setting() -> None:
    settings = settings_from(None, None, backend="torch", model="meso4", weights=Path("a.safetensors"), min_face=55)
    assert (settings.classifier.backend, settings.classifier.model) == ("torch", "meso4")
    assert (settings.classifier.weights, settings.detector.min_face_size) == (Path("a.safetensors"), 55)


def test_an_assignment_needs_a_value() -> None:
    with pytest.raises(UsageError, match=r"STAGE\.NAME=VALUE"):
        settings_from(None, ["tracker.max_age"])
