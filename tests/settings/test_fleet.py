"""The settings of a fleet."""

import pytest
from pydantic import ValidationError

from monitor.settings import FleetSettings, Settings


def test_the_capacity_is_the_measured_one() -> None:
    assert FleetSettings().streams_per_core == 3.5
    assert FleetSettings().lease > FleetSettings().node_timeout


def test_a_namespace_is_a_plain_name() -> None:
    assert FleetSettings(namespace="news.room-2").namespace == "news.room-2"
    with pytest.raises(ValidationError):
        FleetSettings(namespace="two words")


def test_the_fleet_has_no_effect_on_a_verdict() -> None:
    assert "fleet" not in Settings().record()
