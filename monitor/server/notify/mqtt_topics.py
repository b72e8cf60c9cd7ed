"""The MQTT topics of a stream, and its discovery messages for Home Assistant.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor import __version__
from monitor.types import Label

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
_NO_FACE: Final = "no face"
_SUSPECT: Final = [label.value for label in Label if label.suspects]


def topic_id(address: str) -> str:
    """A short name of a source in topics, the same after a restart.

    Args:
        address: masked.
    """
    return hashlib.sha256(address.encode()).hexdigest()[:10]


def server_availability(prefix: str) -> str:
    """The topic of the server's availability; also that of its last will."""
    return f"{prefix}/availability"


@dataclass(frozen=True, slots=True)
class StreamTopics:
    """The topics of one stream."""

    prefix: str  # of all topics of this server
    id: str  # see topic_id

    @property
    def state(self) -> str:
        return f"{self.prefix}/{self.id}/state"

    @property
    def events(self) -> str:
        return f"{self.prefix}/{self.id}/events"

    @property
    def availability(self) -> str:
        return f"{self.prefix}/{self.id}/availability"

    @property
    def snapshot(self) -> str:
        return f"{self.prefix}/{self.id}/snapshot"


def discovery_messages(
    topics: StreamTopics, *, name: str, discovery_prefix: str, snapshots: bool, url: str
) -> Mapping[str, Mapping[str, Any]]:
    """The discovery messages of one stream, by topic: one device with its entities.

    Args:
        topics: of the stream.
        name: of the stream.
        discovery_prefix: of Home Assistant.
        snapshots: whether the stream publishes pictures.
        url: of the dashboard; "" for none.
    """
    node = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{topics.prefix}_{topics.id}")
    device = {"identifiers": [node], "name": name, "manufacturer": "deepfake-monitor", "sw_version": __version__}
    if url:
        device["configuration_url"] = url
    shared = {"device": device, "origin": {"name": "deepfake-monitor", "sw_version": __version__}}
    of_server = {"topic": server_availability(topics.prefix)}
    while_live = {"availability": [of_server, {"topic": topics.availability}], "availability_mode": "all"}
    from_state = {"state_topic": topics.state, "json_attributes_topic": topics.state}
    entities: dict[tuple[str, str], dict[str, Any]] = {
        ("binary_sensor", "manipulated_face"): {
            "name": "Manipulated face",
            "device_class": "problem",
            "value_template": f"{{{{ 'ON' if value_json.label in {_SUSPECT} else 'OFF' }}}}",
            **from_state,
            **while_live,
        },
        ("sensor", "label"): {
            "name": "Label",
            "icon": "mdi:face-recognition",
            "value_template": "{{ value_json.words }}",
            "device_class": "enum",
            "options": [_NO_FACE, *(label.in_words for label in Label)],
            **from_state,
            **while_live,
        },
        ("sensor", "state"): {
            "name": "State",
            "icon": "mdi:cctv",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.state }}",
            "availability": [of_server],
            **from_state,
        },
    }
    if snapshots:
        entities["camera", "snapshot"] = {"name": "Snapshot", "topic": topics.snapshot, **while_live}
    return {
        f"{discovery_prefix}/{component}/{node}_{key}/config": {"unique_id": f"{node}_{key}", **entity, **shared}
        for (component, key), entity in entities.items()
    }


def retained_topics(topics: StreamTopics, *, discovery_prefix: str) -> tuple[str, ...]:
    """All topics of a stream that a broker remembers, by any version of the settings."""
    own = topics.state, topics.availability
    if not discovery_prefix:
        return own
    return *own, *discovery_messages(topics, name="", discovery_prefix=discovery_prefix, snapshots=True, url="")


def label_in_words(label: Label | None) -> str:
    """Text for people: "likely fake", or "no face" for None."""
    return _NO_FACE if label is None else label.in_words


def to_json(value: Mapping[str, Any]) -> bytes:
    """A compact JSON object in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
