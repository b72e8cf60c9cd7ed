"""A host on a node: it works for one server, and stops without one."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.waiting import until

import monitor
from monitor.analysis.pipeline import Engines
from monitor.errors import ConflictError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.fleet.messages import PROBE, EventMessage, ExchangeAnswer, ExchangeRequest, PlacedOrder, WantedStream
from monitor.fleet.node_host import NodeHost
from monitor.server.stream_run import StreamOrder
from monitor.settings import EvidenceSettings, FleetSettings, Settings, SourceSettings


@pytest.fixture
def ours(tmp_path: Path, settings: Settings) -> Settings:
    update = {
        "evidence": EvidenceSettings(folder=tmp_path),
        "source": SourceSettings(demo_seconds=60.0),
        "fleet": FleetSettings(lease=2.0, node_timeout=0.5),
    }
    return settings.model_copy(update=update)


@pytest.fixture
def host(ours: Settings, engines: Engines) -> Iterator[NodeHost]:
    host = NodeHost(ours, load_engines=lambda: engines)
    yield host
    host.close()


def claim(host: NodeHost, link: str = "server") -> str:
    """Why the host does not work for a link that shares its files; "" if it does."""
    probe = f"probe-{link}"
    with FlagArchive.open(host._settings.evidence) as archive:
        archive.files.create(probe, {PROBE: b"x"})
        version, refusal = host.claim(link, probe)
        archive.files.remove(probe)
    assert version == monitor.__version__
    return refusal


@pytest.fixture
def ask(host: NodeHost, ours: Settings) -> Callable[..., ExchangeAnswer]:
    def asked(link: str = "server", *, placement: int | None = 1, connections: int = 0) -> ExchangeAnswer:
        wanted = WantedStream(placement=placement or 0, paused=False, restarts=0, levels=())
        order = StreamOrder(stream_id="a", url="demo:", settings=ours, repeat=True)
        return host.exchange(
            ExchangeRequest(
                link=link,
                wanted={} if placement is None else {"a": wanted},
                orders={"a": PlacedOrder(order=order, connections=connections)},
                linger=0.0,
            )
        )

    return asked


def events(answer: ExchangeAnswer) -> list[EventMessage]:
    return [message for message in answer.messages if isinstance(message, EventMessage)]


def test_it_watches_what_the_server_wants_until_it_does_not(host: NodeHost, ask: Callable[..., ExchangeAnswer]) -> None:
    assert claim(host) == ""
    seen: list[EventMessage] = []
    while not any(message.event.type == "frame_analysed" for message in seen):
        seen += events(ask(connections=4))
    assert seen[0].event.type == "stream_opened"
    assert {message.event.connection for message in seen} == {5}
    assert ask().known == {("a", 1)}
    answer = ask(placement=None)
    while answer.known:
        answer = ask(placement=None)
        seen += events(answer)
    assert seen[-1].event.type == "stream_closed"


def test_it_works_for_one_server(host: NodeHost, ask: Callable[..., ExchangeAnswer]) -> None:
    claim(host)
    ask()
    assert claim(host, "another").startswith("another server watches streams on this node")
    assert ask("another").refusal == "it has not heard of this server for too long"
    assert claim(host) == ""


def test_without_a_server_it_stops_its_streams_after_the_lease(
    host: NodeHost, ask: Callable[..., ExchangeAnswer]
) -> None:
    claim(host)
    ask()
    assert len(host._streams) == 1
    until(lambda: not host._streams, seconds=10)
    assert ask().refusal
    assert claim(host, "another") == "", "a new server takes it over"


def test_a_flag_of_an_earlier_placement_is_refused(host: NodeHost, ask: Callable[..., ExchangeAnswer]) -> None:
    claim(host)
    ask()
    answer = host.flag("a", 7, FlagRequest(connection=1, media_time=0.0, frame_index=0))
    assert isinstance(answer, ConflictError)
    assert "moves to another node" in str(answer)


def test_an_archive_that_cannot_be_written_is_a_reason(tmp_path: Path, ours: Settings, engines: Engines) -> None:
    (tmp_path / "file").write_text("no folder")
    update = {"evidence": EvidenceSettings(folder=tmp_path / "file" / "kept")}
    host = NodeHost(ours.model_copy(update=update), load_engines=lambda: engines)
    assert host.claim("server", "probe")[1]
    host.close()


def test_a_host_that_does_not_see_the_files_of_the_server_says_so(host: NodeHost) -> None:
    _, refusal = host.claim("server", "probe-of-another-disk")
    assert refusal.startswith("it does not share the files of the flags with the server: it has ")
    assert claim(host, "the same server, with another link") == ""


def test_at_its_end_it_starts_nothing(host: NodeHost, ask: Callable[..., ExchangeAnswer]) -> None:
    claim(host)
    ask()
    began = time.monotonic()
    answer = host.close()
    assert time.monotonic() - began < 4
    assert answer.known == frozenset()
    assert ask().refusal
    assert claim(host) == "it still writes the clips of the last server"
