"""The server's link to a host."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fleet import HostHere
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.fleet.host_handle import HostLostError
from monitor.fleet.host_link import HostLink, HostPlace, LinkState
from monitor.fleet.lost_clips import LostClips
from monitor.fleet.node_host import NodeHost
from monitor.settings import EvidenceSettings, FleetSettings, Settings

PLACE = HostPlace(node_id="n1", node="studio", slot=0, capacity=3)
FAST = FleetSettings(node_timeout=1.5, lease=3.0)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive(tmp_path) as archive:
        yield archive


@pytest.fixture
def host(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[HostHere]:
    ours = settings.model_copy(update={"evidence": EvidenceSettings(folder=tmp_path), "fleet": FAST})
    host = HostHere(NodeHost(ours, load_engines=lambda: engines))
    yield host
    host.host.close()


class Linked:
    """A link, and why it was lost."""

    def __init__(self, archive: FlagArchive, open_host: Callable[[], HostHere]) -> None:
        self.reasons: list[str] = []
        self.link = HostLink(
            PLACE,
            open_host=open_host,
            settings=FAST,
            archive=archive,
            clips=LostClips(archive),
            on_lost=lambda _, reason: self.reasons.append(reason),
        )
        self.link.start()


def test_a_link_asks_again_and_again_until_it_is_closed(archive: FlagArchive, host: HostHere) -> None:
    linked = Linked(archive, lambda: host)
    until(lambda: host.asked >= 3 and linked.link.report, seconds=10)
    assert linked.link.state is LinkState.READY
    linked.link.close()
    asked = host.asked
    assert (linked.reasons, host.is_dead) == ([], True)
    assert host.asked == asked


def test_a_silent_host_is_lost_once(archive: FlagArchive, host: HostHere) -> None:
    linked = Linked(archive, lambda: host)
    until(lambda: linked.link.report, seconds=10)
    host.is_silent = True
    until(lambda: linked.reasons, seconds=10)
    assert linked.reasons == ["no answer within 1.5 s"]
    linked.link.lose("it has left the cluster")
    linked.link.close()
    assert len(linked.reasons) == 1


def test_a_host_of_another_version_is_not_used(
    archive: FlagArchive, host: HostHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.host, "claim", lambda *_: ("9.9", ""))
    linked = Linked(archive, lambda: host)
    until(lambda: linked.reasons, seconds=10)
    assert linked.reasons[0].startswith("it runs version 9.9 of this program, the server ")
    assert host.is_dead


def test_a_host_with_another_disk_is_lost_with_the_reason(archive: FlagArchive, host: HostHere, tmp_path: Path) -> None:
    with FlagArchive(tmp_path / "other") as other:
        linked = Linked(other, lambda: host)
        until(lambda: linked.reasons, seconds=10)
    assert linked.reasons[0].startswith("it does not share the files of the flags with the server: it has ")
    assert list((tmp_path / "other" / "files").iterdir()) == []


def test_a_host_that_does_not_start_is_lost_with_the_reason(archive: FlagArchive) -> None:
    def fail() -> HostHere:
        raise HostLostError("no answer within 120 s")

    linked = Linked(archive, fail)
    until(lambda: linked.reasons, seconds=10)
    assert (linked.reasons, linked.link.state) == (["no answer within 120 s"], LinkState.LOST)
