"""docs/webhooks.md is true: its receiver receives, its flow is JSON, its options exist."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.observations import EVENTS
from support.waiting import until
from support.webhook_receiver import receiving

from monitor.cli import webhooks as commands
from monitor.server.api.v1.webhooks import NewWebhook, RetryRequest
from monitor.server.notify.webhooks.message import message_body
from monitor.server.notify.webhooks.sender import WebhookSender, send_test
from monitor.server.notify.webhooks.signature import make_secret, signed_headers
from monitor.server.notify.webhooks.subscription import DEFAULT_TYPES, OFFERED_TYPES, WebhookSubscription
from monitor.settings import Settings, WebhookSettings
from monitor.types import Label
from monitor.types.events import LabelChanged

PAGE = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text(encoding="utf-8")
PRIVATE = WebhookSettings(private_networks=True)
SECRET = make_secret()


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"one block in {language}"
    return str(found[0])


@pytest.fixture
def slack() -> Iterator[str]:
    with receiving() as slack:
        yield slack.url.replace("/hook", "/services/T0/B0/X")
        assert [one.path for one in slack.received] == ["/services/T0/B0/X"]
        text = json.loads(slack.received[0].body)["text"]
        assert text == "Front door: face 1 is LIKELY_FAKE, P(fake) 0.9312"


def test_the_receiver_of_the_page_checks_signatures_and_tells_slack(tmp_path: Path, slack: str) -> None:
    (tmp_path / "receiver.py").write_text(block("python"))
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": "0", "SLACK_URL": ""}
    changed = next(event for event in EVENTS if isinstance(event, LabelChanged))
    body = message_body(changed, stream_id="1a", stream_name="Front door")
    command = [sys.executable, str(tmp_path / "receiver.py")]
    with subprocess.Popen(command, env=environment | {"SLACK_URL": slack}, stdout=-1, stderr=-1, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().split()[-1]
            one = WebhookSubscription(
                id="w1",
                name="",
                url=f"http://127.0.0.1:{port}/",
                secret=SECRET,
                types=OFFERED_TYPES,
                created_at=datetime.now(UTC),
            )
            sender = WebhookSender(PRIVATE)
            until(lambda: sender.send(one, message_id="msg_1", body=body).accepted)
            assert sender.send(one, message_id="msg_1", body=body).accepted, "twice, but handled once"
            sender.close()
            assert send_test(replace(one, secret=make_secret()), PRIVATE).status == 401
        finally:
            process.kill()
        assert process.stdout.read() == "Front door: face 1 is LIKELY_FAKE, P(fake) 0.9312\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("body", ['{"type":"label_changed","data":{"name":"\\u00e4"}}', '{"a": 1.0}'])
def test_the_code_for_n8n_checks_signatures(body: str) -> None:
    code = block("js").replace("SECRET WITHOUT whsec_", SECRET.removeprefix("whsec_"))
    right = signed_headers(SECRET, message_id="msg_1", timestamp=1, body=body.encode())
    for headers, told in ((right, json.loads(body)), (right | {"webhook-id": "msg_2"}, "wrong signature")):
        around = (
            f"const $input = {{ first: () => ({{ json: {{ headers: {json.dumps(headers)} }} }}) }};\n"
            f"const helpers = {{ getBinaryDataBuffer: async () => Buffer.from({json.dumps(body)}) }};\n"
            f"(async function () {{ {code} }}).call({{ helpers }}).then(\n"
            "([item]) => console.log(JSON.stringify(item.json.body)),\n"
            "(error) => console.log(JSON.stringify(error.message)));"
        )
        found = subprocess.run(["node", "-e", around], capture_output=True, text=True, check=True)
        assert json.loads(found.stdout) == told


def test_the_flow_of_the_page_is_json_with_known_wires() -> None:
    nodes = json.loads(block("json"))
    ids = {node["id"] for node in nodes}
    assert {target for node in nodes for wire in node["wires"] for target in wire} <= ids


def test_the_page_names_every_type_command_and_setting() -> None:
    for kind in OFFERED_TYPES:
        assert f"`{kind}`" in PAGE
    assert DEFAULT_TYPES[0] in PAGE
    names = {command.name or getattr(command.callback, "__name__", "") for command in commands.app.registered_commands}
    for used in re.findall(r"webhooks (\w+) (?:https?://|ID|--|\n)", PAGE):
        assert used in names
    bodies = [json.loads(body) for body in re.findall(r"-d '(.*?)'", PAGE)]
    assert NewWebhook.model_validate(bodies[0]).filters.labels == [Label.LIKELY_FAKE]
    assert RetryRequest.model_validate(bodies[1]).numbers == []
    for setting in re.findall(r"`webhooks\.(\w+)", PAGE):
        assert setting in WebhookSettings.model_fields
    assert Settings().webhooks.give_up_hours == 24.0, "the page says: a day"
