import pytest

from monitor.cli.terminal import settings_from
from monitor.errors import UsageError


def test_an_assignment_wins_over_the_flag_for_the_same_setting() -> None:
    settings = settings_from(None, ["tracker.max_age=2.5", "detector.min_face_size=30"], min_face=80)
    assert settings.tracker.max_age == 2.5
    assert settings.detector.min_face_size == 30, "whoever writes out the whole name means it"


def test_an_assignment_needs_a_value() -> None:
    with pytest.raises(UsageError, match=r"STAGE\.NAME=VALUE"):
        settings_from(None, ["tracker.max_age"])
