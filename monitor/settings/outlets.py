"""Settings of the outlets, which send events to other programs: MQTT, notifications."""

import re
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator

from monitor.settings.values import ExpandedPath, StageSettings, lines

NotifiedEvent = Literal["suspicious", "likely_fake", "flag", "stream_lost", "stream_back"]

_TOPIC: Final = re.compile(r"[^+#\0\s/]+(/[^+#\0\s/]+)*")
_TIME: Final = r"([01]\d|2[0-3]):[0-5]\d"
_QUIET_HOURS: Final = re.compile(rf"{_TIME}-{_TIME}")


class MqttSettings(StageSettings):
    """The connection to an MQTT broker, and the topics."""

    host: str = Field("", description="Host name or IP address of the MQTT broker. Default: MQTT is off.")
    port: int | None = Field(
        None, ge=1, le=65_535, description="TCP port of the broker. Default: 1883, or 8883 with mqtt.tls."
    )
    username: str = Field("", description="User name at the broker. Default: none.")
    password: SecretStr = Field(SecretStr(""), description="Password at the broker. Default: none.")
    tls: bool = Field(
        default=False, description="Encrypt the connection, and check the broker's certificate and host name."
    )
    ca_file: ExpandedPath | None = Field(
        None,
        description="File (PEM) with the broker's certificate or its issuer's. Default: the system's certificates.",
    )
    topic_prefix: str = Field(
        "deepfake-monitor",
        description="First part of all topics. Each server at one broker needs its own. Allowed: levels separated by "
        "/, without spaces, + and #.",
    )
    discovery_prefix: str = Field(
        "homeassistant", description="Home Assistant's discovery prefix. Empty: no discovery messages."
    )
    snapshots: bool = Field(default=True, description="Publish pictures of each stream (JPEG), with boxes and labels.")

    @field_validator("host", "username", mode="after")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.strip()

    @field_validator("topic_prefix", "discovery_prefix", mode="after")
    @classmethod
    def _check_topic(cls, value: str) -> str:
        if value and not _TOPIC.fullmatch(value):
            raise ValueError("must be levels separated by /, without spaces, + and #, such as cameras/monitor")
        return value

    @field_validator("topic_prefix", mode="after")
    @classmethod
    def _require(cls, value: str) -> str:
        if not value:
            raise ValueError("must not be empty")
        return value


class NotificationSettings(StageSettings):
    """Messages to people, through Apprise."""

    targets: tuple[SecretStr, ...] = Field(
        (),
        description="Apprise addresses that receive messages, such as ntfy://ntfy.sh/my-topic. As text: one per line. "
        "Default: notifications are off.",
    )
    events: tuple[NotifiedEvent, ...] = Field(
        get_args(NotifiedEvent),
        description="Events that lead to a message: suspicious, likely_fake (the new label of a face), flag, "
        "stream_lost, stream_back. As text: one per line.",
    )
    cooldown: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="Time after a message about a source in which its further events are held for the digest, seconds "
        "(wall clock). A worse label and the return of a lost stream are sent at once.",
    )
    lost_after: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="Time for which a source must be lost before people are told, seconds (wall clock).",
    )
    quiet_hours: str = Field(
        "",
        description="Hours in which all events are held for the digest, such as 22:00-07:00. Default: none.",
    )
    time_zone: str = Field(
        "", description="Time zone of the quiet hours and of times in messages, such as Europe/Berlin. Default: UTC."
    )
    digest_minutes: float = Field(
        15.0,
        gt=0,
        le=1_440,
        description="Time over which held events are collected into one message (the digest), minutes (wall clock).",
    )
    pictures: bool = Field(default=True, description="Attach a picture with boxes and labels.")

    @field_validator("targets", "events", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line have only text."""
        return lines(value)

    @field_validator("quiet_hours", mode="after")
    @classmethod
    def _check_hours(cls, value: str) -> str:
        value = value.replace(" ", "")
        if value and not _QUIET_HOURS.fullmatch(value):
            raise ValueError("must be two times of a day, such as 22:00-07:00")
        if value and value[:5] == value[6:]:
            raise ValueError("must be two different times, such as 22:00-07:00")
        return value

    @field_validator("time_zone", mode="after")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value or "UTC")
        except (OSError, ValueError, KeyError):
            raise ValueError("must be a name of the time zone database, such as Europe/Berlin") from None
        return value
