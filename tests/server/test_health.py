"""Liveness, readiness and metrics routes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from monitor.analysis.pipeline import Engines
from monitor.errors import OutputError, StoreError
from monitor.runtime import Heartbeat, StreamState
from monitor.server import service as stations
from monitor.server.health import checks
from monitor.server.routes import ROUTES
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.settings import DashboardSettings, EvidenceSettings, Settings

HERE = ("127.0.0.1", 50000)
PATHS = ["/healthz", "/readyz", "/metrics"]


@pytest.fixture
def monitor_service(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[MonitorService]:
    """A service with a loaded, healthy engine; 10.0.0.0/8 is an allowed network."""
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(metrics_from=("10.0.0.0/8",)),
        }
    )
    monitor_service = MonitorService.open(ours)
    monitor_service._engines = engines
    monitor_service.heartbeat.beat()
    stations.install(monitor_service)
    yield monitor_service
    stations.install(None)
    monitor_service.close()


def client(host: str = "127.0.0.1", *, name: str = "localhost") -> TestClient:
    return TestClient(Starlette(routes=ROUTES), client=(host, 50000), base_url=f"http://{name}")


def why(monitor_service: MonitorService) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.well, check.why) for check in checks(monitor_service)}


def test_a_healthy_server_is_alive_and_ready(monitor_service: MonitorService) -> None:
    assert client().get("/healthz").text == "ok\n"
    answer = client().get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert {"engines", "heartbeat", "storage", "disk"} == {check["name"] for check in answer.json()["checks"]}
    assert answer.headers["cache-control"] == "no-store"
    metrics = client().get("/metrics").text
    assert "deepfake_monitor_heartbeat_healthy 1.0" in metrics
    assert 'deepfake_monitor_outlet_events_lost_total{outlet="webhooks",target=""} 0.0' in metrics


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "name", "headers", "status"),
    [
        ("127.0.0.1", "localhost:8501", {}, 200),
        ("::1", "[::1]", {}, 200),
        ("::ffff:127.0.0.1", "127.0.0.1", {}, 200),
        ("192.168.1.5", "monitor", {}, 403),
        ("10.1.2.3", "monitor", {}, 200),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", "localhost", {"Forwarded": "for=192.168.1.5"}, 403),
        ("127.0.0.1", "evil.example", {}, 403),
        ("testclient", "localhost", {}, 403),
    ],
)
def test_only_allowed_networks_are_answered(
    monitor_service: MonitorService, path: str, host: str, name: str, headers: dict[str, str], status: int
) -> None:
    answer = client(host, name=name).get(path, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "dashboard.metrics_from" in answer.text
        assert "deepfake_monitor_" not in answer.text


def test_a_broken_heartbeat_is_not_ready(monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.runtime.heartbeat.TOLERANCE", -1.0)
    monitor_service.heartbeat.beat()
    answer = client().get("/readyz")
    assert answer.status_code == 503
    bad = [check for check in answer.json()["checks"] if not check["well"]]
    assert [check["name"] for check in bad] == ["heartbeat"]
    assert "trust no verdict" in bad[0]["why"]
    assert "deepfake_monitor_heartbeat_healthy 0.0" in client().get("/metrics").text
    assert client().get("/healthz").status_code == 200, "it is alive: to restart it would not help"


def test_before_the_engine_is_loaded_it_is_not_ready(monitor_service: MonitorService) -> None:
    monitor_service._engines, monitor_service.heartbeat = None, Heartbeat(monitor_service.engines)
    found = why(monitor_service)
    assert found["engines"] == (False, "not loaded yet")
    assert found["heartbeat"] == (False, "none yet")


@pytest.mark.parametrize("error", [StoreError("the database is locked"), OutputError("no space left")])
def test_an_unwritable_folder_is_reported(
    monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused() -> None:
        raise error

    monkeypatch.setattr(monitor_service.archive, "require_writable", refused)
    assert why(monitor_service)["storage"] == (False, str(error))


def test_a_full_disk_is_reported(monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.server.health.MIN_FREE", 1 << 60)
    assert not why(monitor_service)["disk"][0]


def failed(stream: Stream) -> bool:
    return stream.status.state is StreamState.FAILED


def test_a_failed_source_is_reported_without_its_password(monitor_service: MonitorService) -> None:
    stream = monitor_service.add("ftp://ada:hush@nowhere/x", name="rtsp://ada:hush@door/", trusted=True)
    for _ in range(1000):
        if failed(stream):
            break
        stream._watch._thread.join(0.01)
    assert failed(stream)
    answer = client().get("/readyz")
    assert answer.status_code == 503
    told = answer.text + client().get("/metrics").text
    assert f'id="{stream.id}",source="rtsp://ada:***@door/"' in told
    assert "hush" not in told


def test_a_database_that_does_not_answer_fails_the_scrape(
    monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> int:
        message = "the flags in postgresql://u:hush@db/x cannot be read"
        raise StoreError(message)

    monkeypatch.setattr(monitor_service.archive.store, "count", gone)
    answer = client().get("/metrics")
    assert answer.status_code == 503
    assert "u:***@db" in answer.text


def test_a_heartbeat_that_stopped_is_not_ready(
    monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor_service.heartbeat.beat()
    assert all(check.well for check in checks(monitor_service) if check.name == "heartbeat")
    monkeypatch.setattr(monitor_service.heartbeat, "_max_age", -1.0)
    (check,) = (check for check in checks(monitor_service) if check.name == "heartbeat")
    assert not check.well
    assert "the engine hangs" in check.why
