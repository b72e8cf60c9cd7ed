"""The recipes of the documentation, as far as they can be checked without the programs that they are for."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jinja2 import Environment
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from support.observations import EVENTS
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.runtime import StreamState
from monitor.server.health import snapshot
from monitor.server.metrics import PREFIX, render
from monitor.server.notify.mqtt_outbox import MqttOutbox
from monitor.server.notify.mqtt_stream import MqttStream
from monitor.server.notify.mqtt_topics import StreamTopics, discovery_messages
from monitor.server.notify.notification_targets import NotificationTarget
from monitor.server.service import MonitorService
from monitor.settings import (
    DashboardSettings,
    EvidenceSettings,
    MqttSettings,
    NotificationSettings,
    Settings,
    load_settings,
)
from monitor.types import Label

DOCS = Path(__file__).parent.parent / "docs"
GRAFANA = DOCS / "deployment" / "grafana-dashboard.json"
EVENT_TYPES = {event.type: event.to_dict() for event in EVENTS}
TOPICS = StreamTopics(MqttSettings().topic_prefix, "id")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no block of {language}"
    return found


@pytest.mark.parametrize("page", ["mqtt.md", "notifications.md"])
def test_the_settings_of_a_page_load(page: str, tmp_path: Path) -> None:
    for text in blocks(page, "toml"):
        file = tmp_path / "settings.toml"
        file.write_text(text)
        load_settings(file, environment={})


def addresses() -> Iterator[str]:
    text = "\n".join([*blocks("notifications.md", "text"), *blocks("notifications.md", "sh")])
    yield from re.findall(r"(?:^|')((?!https?:)[a-z]+://[^\s']+)", text, re.MULTILINE)
    yield from re.findall(r"`(slack://[^`]+)`", (DOCS / "notifications.md").read_text(encoding="utf-8"))


def test_apprise_understands_every_address_of_the_page() -> None:
    found = list(addresses())
    names = {NotificationTarget(SecretStr(one), number=1).name for one in found}
    assert {"Slack", "ntfy", "E-Mail", "Telegram", "JSON"} <= {name.partition("(")[2][:-1] for name in names}
    assert len(found) >= 8


def test_the_example_of_a_message_is_the_programs() -> None:
    text = blocks("notifications.md", "text")[0]
    assert [line.split(":")[0] for line in text.splitlines()[2:]] == [
        "Face 2 in Door is likely fake, P(fake) 94 %.", "Before", "Time", "An indication, not proof.", "https",
    ]  # fmt: skip


def entities() -> set[str]:
    """The ids that Home Assistant gives to the entities of the device "Door"."""
    messages = discovery_messages(TOPICS, name="Door", discovery_prefix="homeassistant", snapshots=True, url="")
    return {
        f"{topic.split('/')[1]}.{message['device']['name']} {message['name']}".lower().replace(" ", "_")
        for topic, message in messages.items()
    }


@pytest.mark.parametrize("text", blocks("mqtt.md", "yaml"))
def test_an_automation_names_entities_topics_and_events_that_exist(text: str) -> None:
    automation = yaml.safe_load(text)
    assert {"alias", "triggers", "actions"} <= set(automation)
    used = set(re.findall(r"\b(?:binary_sensor|sensor|camera)\.\w+", text))
    assert used - {"camera.lan"} <= entities(), used
    for trigger in automation["triggers"]:
        assert trigger["trigger"] in ("state", "mqtt")
        if trigger["trigger"] == "mqtt":
            assert trigger["topic"] == StreamTopics(TOPICS.prefix, "+").events
            assert trigger["payload"] in EVENT_TYPES
    for template in templates(automation["actions"]):
        Environment(autoescape=True).parse(template)
        for path in re.findall(r"trigger\.payload_json\.([\w.]+)", template):
            value: Any = EVENT_TYPES[automation["triggers"][0]["payload"]]
            for key in path.split("."):
                value = value[key]


def templates(value: object) -> Iterator[str]:
    """All texts within YAML values."""
    match value:
        case dict():
            for one in value.values():
                yield from templates(one)
        case list():
            for one in value:
                yield from templates(one)
        case str():
            yield value


def test_the_page_lists_the_entities_of_home_assistant() -> None:
    text = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+\.\w+)`", text, re.MULTILINE)) == entities()


def test_the_example_of_a_state_has_the_keys_of_a_state() -> None:
    example = json.loads(blocks("mqtt.md", "json")[0])
    outbox = MqttOutbox(lambda: None)
    MqttStream(
        SimpleNamespace(id="1", name="Door", address="rtsp://cam"), topics=TOPICS, outbox=outbox,
        describe=lambda _: {}, snapshots=False, server="s",
    )  # fmt: skip
    real = {message.topic: message.payload for message in iter(outbox.take, None)}
    state = json.loads(real[TOPICS.state])
    assert (list(example), list(example["faces"])) == (list(state), list(state["faces"]))


def test_the_flow_of_node_red_is_whole() -> None:
    nodes = {node["id"]: node for node in json.loads(blocks("mqtt.md", "json")[1])}
    for node in nodes.values():
        targets = [target for wire in node.get("wires", []) for target in wire]
        assert set(targets) <= set(nodes)
        assert node.get("z", "dfm-flow") == "dfm-flow"
        assert node.get("outputs", 1) == len(node.get("wires", [[]])) or node["type"] == "debug"
    assert nodes["dfm-in"]["topic"] == StreamTopics(TOPICS.prefix, "+").events
    assert nodes["dfm-in"]["broker"] == "dfm-broker"
    assert nodes["dfm-type"]["rules"][0]["v"] in EVENT_TYPES
    assert {rule["v"] for rule in nodes["dfm-label"]["rules"]} == {label.value for label in Label if label.suspects}
    event = EVENT_TYPES["label_changed"]
    for path in re.findall(r"payload\.([\w.]+)", nodes["dfm-text"]["template"] + nodes["dfm-label"]["property"]):
        value: Any = event
        for key in path.split("."):
            value = value[key]


@pytest.fixture(scope="module")
def metrics(
    engines: Engines, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """The labels of all samples of a running service, by name."""
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path_factory.mktemp("kept")),
            "dashboard": DashboardSettings(sources=()),
            "notifications": NotificationSettings(targets=(SecretStr("json://127.0.0.1:9"),), events=()),
        }
    )
    service = MonitorService.open(ours)
    service._engines = engines
    try:
        service.heartbeat.beat()
        stream = service.add("rtsp://127.0.0.1:9/live", name="Door", trusted=True)
        until(lambda: stream.status.state is StreamState.RECONNECTING)
        now = snapshot(service)
        losses = {"dropped": {"analysis behind": 1}, "lost": {"damaged": 1}}  # none yet: they have no sample
        sources = [replace(one, totals=replace(one.totals, **losses)) for one in now.sources]
        text = render(replace(now, sources=sources))[0].decode()
    finally:
        service.close()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def queries() -> list[str]:
    board = json.loads(GRAFANA.read_text(encoding="utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return found + [one["definition"] for one in board["templating"]["list"] if "definition" in one]


@pytest.mark.parametrize("query", queries())
def test_the_grafana_dashboard_queries_what_the_program_counts(
    query: str, metrics: dict[str, list[dict[str, str]]]
) -> None:
    used = re.findall(rf"({PREFIX}_\w+)(?:{{([^}}]*)}})?", query)
    assert used
    labels: set[str] = set()
    for name, filters in used:
        assert name in metrics, f"{name} is not in /metrics"
        labels |= {label for one in metrics[name] for label in one}
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', filters):
            known = {one[label] for one in metrics[name]}
            assert values == "$source" or set(values.split("|")) <= known, (label, values)
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    assert grouped <= labels


def test_the_grafana_dashboard_has_the_form_that_grafana_imports() -> None:
    board = json.loads(GRAFANA.read_text(encoding="utf-8"))
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(board)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    rows: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert place["x"] + place["w"] <= 24
        assert not rows & cells, f"{panel['title']} lies on another panel"
        rows |= cells
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= set(re.findall(r"\w+", target["expr"])) | {
                "source", "queue", "label",
            }  # fmt: skip
            assert target["expr"].count("(") == target["expr"].count(")")


@pytest.mark.parametrize("page", ["mqtt.md", "obs.md", "deployment/README.md"])
def test_a_page_says_what_was_not_run(page: str) -> None:
    assert re.search(r"\*\*not (run|imported)\*\*", (DOCS / page).read_text(encoding="utf-8"))
