import pytest

from monitor.errors import UsageError
from monitor.settings import load_settings


def test_private_networks_are_closed_unless_the_settings_open_them() -> None:
    assert not load_settings(environment={}).webhooks.private_networks
    environment = {"DEEPFAKE_MONITOR_WEBHOOKS__PRIVATE_NETWORKS": "true"}
    assert load_settings(environment=environment).webhooks.private_networks
    assert "webhooks" not in load_settings(environment={}).record(), "no verdict depends on it"


@pytest.mark.parametrize(("name", "value"), [("queue_size", 0), ("timeout", 0), ("give_up_hours", -1)])
def test_a_value_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"webhooks.{name}"):
        load_settings(environment={}, overrides={f"webhooks.{name}": value})
