"""The settings of MQTT and notifications."""

from typing import Any

import pytest

from monitor.errors import UsageError
from monitor.settings import Settings, load_settings


def load(**overrides: Any) -> Settings:
    return load_settings(
        environment={}, overrides={name.replace("__", "."): value for name, value in overrides.items()}
    )


def test_both_are_off_and_no_verdict_depends_on_them() -> None:
    settings = load()
    assert (settings.mqtt.host, settings.notifications.targets) == ("", ())
    assert {"mqtt", "notifications"}.isdisjoint(settings.record())


def test_lists_are_lines_of_text() -> None:
    environment = {
        "DEEPFAKE_MONITOR_NOTIFICATIONS__TARGETS": "json://ada:hush@host\n\n ntfy://topic \n",
        "DEEPFAKE_MONITOR_NOTIFICATIONS__EVENTS": "flag\nstream_lost",
        "DEEPFAKE_MONITOR_MQTT__PASSWORD": "hush",
    }
    settings = load_settings(environment=environment)
    assert [one.get_secret_value() for one in settings.notifications.targets] == [
        "json://ada:hush@host",
        "ntfy://topic",
    ]
    assert settings.notifications.events == ("flag", "stream_lost")
    assert "hush" not in repr(settings) + str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mqtt__topic_prefix", "", "must not be empty"),
        ("mqtt__topic_prefix", "/a", "must be levels separated by /"),
        ("mqtt__topic_prefix", "a/+", "must be levels separated by /"),
        ("mqtt__discovery_prefix", "a b", "must be levels separated by /"),
        ("mqtt__port", "0", "must be greater than or equal to 1"),
        ("notifications__quiet_hours", "22-7", "must be two times of a day, such as 22:00-07:00"),
        ("notifications__quiet_hours", "24:00-07:00", "must be two times of a day"),
        ("notifications__quiet_hours", "07:00-07:00", "must be two different times"),
        ("notifications__time_zone", "Mars/Olympus", "must be a name of the time zone database"),
        ("notifications__time_zone", "../etc/passwd", "must be a name of the time zone database"),
        ("notifications__events", "everything", "must be 'suspicious', 'likely_fake', 'flag', 'stream_lost' or"),
        ("notifications__digest_minutes", "0", "must be greater than 0"),
        ("dashboard__public_url", "ftp://x", "must begin with http:// or https://"),
    ],
)
def test_a_wrong_value_is_one_sentence(name: str, value: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(**{name: value})
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"setting {name.replace('__', '.')}")


def test_values_are_cleaned() -> None:
    settings = load(
        mqtt__host=" broker ", mqtt__discovery_prefix="", notifications__quiet_hours="22:00 - 07:00",
        dashboard__public_url="https://example.org/faces/",
    )  # fmt: skip
    assert (settings.mqtt.host, settings.mqtt.discovery_prefix) == ("broker", "")
    assert settings.notifications.quiet_hours == "22:00-07:00"
    assert settings.dashboard.public_url == "https://example.org/faces"
