"""The start and the end of the server."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError, UsageError
from monitor.server import service as module
from monitor.server.app import lifespan, require_access
from monitor.server.service import MonitorService
from monitor.settings import AccessSettings, Settings, load_settings

SOURCES = "DEEPFAKE_MONITOR_DASHBOARD__SOURCES"
FOLDER = "DEEPFAKE_MONITOR_EVIDENCE__FOLDER"
APP = SimpleNamespace()  # Streamlit's; nothing of it is asked for


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A separate evidence folder and no networks, so every stream fails at once."""

    def none(settings: Settings) -> Engines:
        raise EngineError("none today")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept"))
    monkeypatch.delenv(SOURCES, raising=False)
    monkeypatch.setattr(Engines, "load", none)
    module.install(None)
    yield
    if module._current is not None:  # a test failed: leave no thread to the next one
        module._current.close()
    module.install(None)


def serve(then: Callable[[MonitorService], None], *, opened: bool = True) -> MonitorService:
    """Starts the server, yields the service, ends it; the service may be opened before, as the command line does."""
    monitor_service = MonitorService.open(load_settings()) if opened else None
    module.install(monitor_service)

    async def served() -> MonitorService:
        async with lifespan(APP):  # type: ignore[arg-type]
            now = module.current()
            assert monitor_service is None or now is monitor_service
            then(now)
        return now

    return asyncio.run(served())


def database_is_open(monitor_service: MonitorService) -> bool:
    """Whether this process has the flags' database open; works on systems with a folder of open files."""
    held = Path("/proc/self/fd")
    database = monitor_service.archive.folder / "flags.db"
    return held.is_dir() and any(file.resolve() == database for file in held.iterdir())


def watched(monitor_service: MonitorService) -> list[tuple[str, str]]:
    return [(stream.name, stream.address) for stream in monitor_service.streams]


def test_the_demo_is_monitored_by_default() -> None:
    seen: list[tuple[str, str]] = []
    serve(lambda monitor_service: seen.extend(watched(monitor_service)))
    assert seen == [("Demo", "demo:")]


def test_sources_of_the_environment_are_monitored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "any.mp4"
    monkeypatch.setenv(SOURCES, f"rtsp://ada:hush@127.0.0.1:9/live\n{file}\ndemo:")
    seen: list[tuple[str, str]] = []
    serve(lambda monitor_service: seen.extend(watched(monitor_service)))
    masked = "rtsp://ada:***@127.0.0.1:9/live"
    assert seen == [(masked, masked), (str(file), str(file)), ("Demo", "demo:")], "who starts the server is trusted"


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCES, "rtsp://127.0.0.1:9/live")
    seen: list[tuple[str, str]] = []
    monitor_service = serve(lambda monitor_service: seen.extend(watched(monitor_service)), opened=False)
    assert seen == [("rtsp://127.0.0.1:9/live", "rtsp://127.0.0.1:9/live")]
    assert monitor_service.archive.folder == tmp_path / "kept"


def test_empty_lines_are_no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCES, "\ndemo:\n\n")
    seen: list[tuple[str, str]] = []
    serve(lambda monitor_service: seen.extend(watched(monitor_service)))
    assert seen == [("Demo", "demo:")]


def test_the_end_closes_the_database() -> None:
    monitor_service = serve(lambda monitor_service: None)
    assert not {"watch", "clips", "analyses"} & {thread.name for thread in threading.enumerate()}
    assert not database_is_open(monitor_service)
    assert module._current is None


def test_a_failed_start_closes_the_database() -> None:
    stations: list[MonitorService] = []

    def fail(monitor_service: MonitorService) -> None:
        stations.append(monitor_service)
        assert database_is_open(monitor_service)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(fail)
    assert not database_is_open(stations[0])


def test_a_start_with_too_many_sources_closes_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCES, "demo:\n" * 17)
    with pytest.raises(UsageError, match="16 sources"):
        serve(lambda monitor_service: None)
    assert not {"watch", "clips", "analyses"} & {thread.name for thread in threading.enumerate()}


def test_other_machines_need_a_sign_in() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7", "cams.example"):  # noqa: S104
        with pytest.raises(UsageError, match=f"on {host}, other machines .* access.mode to password") as refused:
            require_access(AccessSettings(), host=host)
        assert "\n" not in str(refused.value)
        require_access(AccessSettings(mode="password"), host=host)
        require_access(AccessSettings(open_to_network=True), host=host)
    for host in ("localhost", "127.0.0.1", "::1"):
        require_access(AccessSettings(), host=host)


def test_oidc_needs_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AccessSettings(mode="oidc")
    with pytest.raises(UsageError, match="no provider is configured"):
        require_access(settings)
    monkeypatch.setattr("streamlit.secrets", {"auth": {}})
    require_access(settings)
    monkeypatch.setattr("monitor.server.app.find_spec", lambda name: None if name == "authlib" else name)
    with pytest.raises(UsageError, match="Authlib is not installed"):
        require_access(settings)


def test_a_server_without_its_provider_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_ACCESS__MODE", "oidc")
    with pytest.raises(UsageError, match="no provider is configured"):
        serve(lambda monitor_service: None)
