"""A new kind of source is one value and one registration: everything that depends on the kind follows from it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest
from support.events import ENGINES

import monitor
from monitor import doctor
from monitor.dashboard.pages import sources as page
from monitor.errors import SourceUnavailableError, UsageError
from monitor.media.failures import FailureCauses, failure
from monitor.media.sources import DemoSource, Source, SourceKind, address, open_isolated, register
from monitor.media.sources.address import Address, known_forms
from monitor.runtime import Observers, StreamState, StreamSupervisor
from monitor.server.address_policy import check_address
from monitor.settings import Settings, SourceSettings


def open_stub(address: Address, settings: SourceSettings) -> Source:
    if address.target.endswith("/gone"):
        raise failure(ConnectionResetError(104, "reset"), address)
    return DemoSource(0.2)


STUB = SourceKind(
    name="stub",
    form="stub://",
    example="stub://host/1",
    open=open_stub,
    schemes={"stub": None},
    may_come_back=True,
    failures=FailureCauses(by_code={104: (SourceUnavailableError, "the stub hung up")}),
    choice="A stub",
)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers the stub for one test, with the given fields changed."""
    monkeypatch.setattr(address, "_registered", dict(address._registered))
    return lambda **changes: register(replace(STUB, **changes))


def test_it_is_opened_through_the_public_door(known: Callable) -> None:
    known()
    with monitor.open_source("stub://camera.example/1") as source:
        assert sum(1 for _ in source) == 5


def test_a_kind_that_does_not_say_so_is_remote(known: Callable) -> None:
    known()
    with pytest.raises(UsageError, match="link-local"):
        check_address("stub://169.254.169.254/1", folders=())
    check_address("stub://192.168.1.20/1", folders=())


def test_a_remote_address_that_hides_its_host_is_refused(known: Callable) -> None:
    known(schemes={}, prefix="stub")
    with pytest.raises(UsageError, match=r"stub:169\.254\.169\.254/1: the host is missing.*stub://host/1"):
        check_address("stub:169.254.169.254/1", folders=())
    with pytest.raises(UsageError, match="link-local"):
        check_address("stub://169.254.169.254/1", folders=())


def test_a_local_kind_is_not_asked_for_a_host(known: Callable) -> None:
    known(schemes={}, prefix="stub", is_remote=False)
    check_address("stub:1", folders=())


def test_a_kind_that_does_not_say_so_is_decoded_in_a_process_of_its_own(
    known: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Address] = []
    monkeypatch.setattr(
        "monitor.media.worker.isolated_source.open_isolated", lambda url, address, settings: asked.append(address)
    )
    known()
    open_isolated("stub://camera.example/1")
    assert [found.kind for found in asked] == [STUB]


@pytest.fixture
def attempt() -> Iterator[Callable[[str], StreamState]]:
    """Where a supervisor stands after its first failed opening."""
    supervisors: list[StreamSupervisor] = []

    def state(url: str) -> StreamState:
        watch = StreamSupervisor(
            url,
            engines=lambda: ENGINES,  # type: ignore[arg-type, return-value]
            settings=Settings(),
            observers=Observers(),
        )
        supervisors.append(watch)
        watch.start()
        while (status := watch.status).state is StreamState.CONNECTING:
            time.sleep(0.01)
        assert status.reason == f"{url}: the stub hung up"
        return status.state

    yield state
    for supervisor in supervisors:
        supervisor.stop()


@pytest.mark.parametrize(("may_come_back", "state"), [(True, StreamState.RECONNECTING), (False, StreamState.FAILED)])
def test_the_supervisor_tries_again_if_the_kind_may_come_back(
    known: Callable, attempt: Callable[[str], StreamState], may_come_back: bool, state: StreamState
) -> None:
    known(is_isolated=False, may_come_back=may_come_back)
    assert attempt("stub://camera.example/gone") is state


def test_help_names_it(known: Callable, tmp_path: Path) -> None:
    known()
    assert known_forms().endswith(", demo:, stub://, or a path")
    for ask in (lambda: Address.of("gopher://host"), lambda: check_address("", folders=())):
        with pytest.raises(UsageError, match="stub://"):
            ask()
    found = next(one for one in doctor.examine(Settings(), out=tmp_path) if one.question == "sources")
    assert "stub://" in found.answer


def test_the_command_line_names_it() -> None:
    program = (
        "import sys; from test_source_kinds import STUB; from monitor.media.sources import register; register(STUB);"
        "from monitor.cli import main; sys.argv = ['deepfake-monitor', 'watch', '--help']; main()"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env={"PYTHONPATH": str(Path(monitor.__file__).parent.parent), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "stub://host/1" in said.stdout


def test_the_dashboard_offers_it(known: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    known()
    monkeypatch.setattr(page, "has_role", lambda role: True)

    def script(monitor_service: object) -> None:
        from monitor.dashboard.pages.sources import ask_source

        ask_source(monitor_service)

    shown = AppTest.from_function(script, kwargs={"monitor_service": SimpleNamespace(streams=())}).run()
    assert "A stub" in shown.selectbox(key="new-kind").options
    assert "stub://" in shown.text_input[0].help


@pytest.mark.parametrize(
    "changes",
    [{"name": "rtsp"}, {"schemes": {"http": 80}}, {"prefix": "webcam"}, {"is_path": True}, {"schemes": {}}],
)
def test_a_kind_that_no_address_can_mean_alone_is_refused(known: Callable, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="the source kind"):
        known(**changes)
