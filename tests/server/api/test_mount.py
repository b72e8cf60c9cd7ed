"""The app of the API: its description, its place below a proxy, and a walk through it with made-up requests."""

from pathlib import Path

import jsonschema
import pytest
import schemathesis
import streamlit as st
from hypothesis import HealthCheck, Phase, settings
from limits import RateLimitItemPerMinute
from schemathesis.generation import GenerationMode
from support.api_client import api_client, api_server, api_service, key_for, load_engines

from monitor.server import service
from monitor.server.api import limits
from monitor.server.api.mount import API_ROUTE, create_app
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

CHECKS = {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}}  # 422: see below
SCHEMA = schemathesis.openapi.from_dict(
    create_app().openapi(), config=schemathesis.Config.from_dict({"checks": CHECKS})
)
_REFUSALS = ("urn:deepfake-monitor:usage", "urn:deepfake-monitor:source-unreadable")  # a valid body may be no picture
ENDLESS = "/events"  # its answer never ends: tests/server/api/v1/test_events.py


def test_the_description_is_public_and_names_role_and_scope(api: MonitorService) -> None:
    answer = api_client(api, None).get("/openapi.json")
    assert answer.status_code == 200
    found = answer.json()
    operation = found["paths"]["/streams"]["post"]
    assert (operation["x-role"], operation["x-scope"], operation["security"]) == ("admin", "streams", [{"key": []}])
    assert found["servers"] == [{"url": "/api/v1"}]
    answer = api_client(api).post("/streams", json={"url": 7})
    jsonschema.validate(answer.json(), {"$ref": "#/components/schemas/Problem", "components": found["components"]})
    assert answer.json()["errors"] == [{"detail": "must be a text", "pointer": "#/url"}]


@pytest.mark.parametrize("prefix", ["", "/guard"])
def test_the_api_answers_below_the_path_of_a_proxy(
    api: MonitorService, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setattr(st, "get_option", lambda _: "guard")
    client = api_client(api, None)
    assert client.get(f"http://127.0.0.1{prefix}/api/v1/openapi.json").status_code == 200
    assert client.get(f"http://127.0.0.1{prefix}/api/v1/streams").status_code == 401
    assert client.get(f"http://127.0.0.1{prefix}/api/v1/streams", headers=key_for(api)).json()["items"] == []


@pytest.mark.parametrize(
    ("base", "stripped", "server"),
    [
        ("guard", "", "/guard/api/v1"),
        ("", "/guard", "/guard/api/v1"),
        ("", "/a/b/", "/a/b/api/v1"),
        ("", "//evil.example", "/api/v1"),
        ("", "http://evil.example", "/api/v1"),
        ("", "/a b", "/api/v1"),
    ],
)
def test_the_description_names_the_path_of_a_proxy(
    api: MonitorService, monkeypatch: pytest.MonkeyPatch, base: str, stripped: str, server: str
) -> None:
    monkeypatch.setattr(st, "get_option", lambda _: base)
    answer = api_client(api, None).get("/openapi.json", headers={"X-Forwarded-Prefix": stripped} if stripped else {})
    assert answer.json()["servers"] == [{"url": server}]


def test_a_tool_finds_the_paths_from_the_description_alone(api: MonitorService) -> None:
    with api_server() as url:
        found = schemathesis.openapi.from_url(f"{url}/openapi.json")
        answer = found["/streams"]["GET"].Case().call(headers=key_for(api))
    assert answer.status_code == 200


def test_a_large_body_is_refused_before_it_is_read(api: MonitorService) -> None:
    answer = api_client(api).post("/streams", json={"url": "x" * (1 << 21)})
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_a_failure_is_a_problem_without_its_details(
    api: MonitorService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("rtsp://ada:hush@cam")

    monkeypatch.setattr(api.api_keys, "all", fail)
    answer = api_client(api).get("/keys")
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
    assert "hush" not in answer.text
    assert "GET /api/v1/keys failed" in caplog.text


def test_the_app_is_mounted_once() -> None:
    assert API_ROUTE.path == "/api/v1"


@SCHEMA.exclude(path=ENDLESS).parametrize()
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_made_up_requests_get_the_answers_of_the_description(
    case: schemathesis.Case, running: tuple[MonitorService, str, dict[str, str]]
) -> None:
    monitor_service, url, key = running
    service.install(monitor_service)  # another test of this process may have installed its own
    answer = case.call_and_validate(base_url=url, headers=key)
    if case.meta.generation.mode is GenerationMode.POSITIVE and answer.status_code == 422:
        kind = answer.json()["type"]  # an address or an expiry may be refused for its meaning, never for its form
        assert kind in _REFUSALS, answer.text


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("running")
    with api_service(folder / "kept") as monitor_service, pytest.MonkeyPatch.context() as patch:
        api = monitor_service.settings.api.model_copy(update={"reads_per_minute": 99_999, "changes_per_minute": 99_999})
        monitor_service.settings = monitor_service.settings.model_copy(update={"api": api})
        load_engines(monitor_service)
        patch.setattr(limits, "_FAILURES", RateLimitItemPerMinute(99_999))
        with api_server() as url:
            yield monitor_service, url, key_for(monitor_service, Role.ADMIN)
