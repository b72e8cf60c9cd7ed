import pytest

from monitor.errors import UsageError
from monitor.settings import Settings, load_settings


def load(**overrides: object) -> Settings:
    return load_settings(environment={}, overrides={k.replace("__", "."): v for k, v in overrides.items()})


def test_people_and_names_can_be_written_as_text() -> None:
    access = load(access__admins="ada@example.org\n bob@example.org \n", access__hosts="cams.example").access
    assert access.admins == ("ada@example.org", "bob@example.org")
    assert access.hosts == ("cams.example",)
    assert access.mode == "open"
    assert "access" not in load().record(), "no verdict depends on it"


@pytest.mark.parametrize(("name", "value"), [("mode", "none"), ("default_role", "admin"), ("idle_minutes", 0)])
def test_what_nobody_may_set(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"access.{name}"):
        load(**{f"access__{name}": value})


def test_networks_can_be_written_as_text() -> None:
    found = load(dashboard__metrics_from="10.0.0.0/8\nfd00::/8").dashboard.metrics_from
    assert [str(network) for network in found] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(UsageError, match="metrics_from"):
        load(dashboard__metrics_from="everybody")
