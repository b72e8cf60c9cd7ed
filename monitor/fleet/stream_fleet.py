"""Watches the streams of a server on the nodes of a cluster: the server's side of all hosts."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.fleet.host_handle import HostHandle
from monitor.fleet.host_link import HostLink, HostPlace, LinkState
from monitor.fleet.lost_clips import LostClips
from monitor.fleet.placed_run import PlacedRun
from monitor.fleet.stream_plan import HostRoom, StreamMove, find_move, place_waiting
from monitor.media.sources.address import Address
from monitor.runtime import StreamState, Subscription, Timer, run_parallel
from monitor.server.broadcaster import Broadcaster
from monitor.server.stream_run import NodeSummary, StreamOrder, StreamRun
from monitor.settings import FleetSettings

_TICK: Final = 0.2  # seconds between two looks at the streams
_MEMBERS_INTERVAL: Final = 1.0  # seconds between two looks at the cluster's nodes
_REOPEN_TIME: Final = 5.0  # seconds until a lost host of a living node is opened again
_MOVE_INTERVAL: Final = 1.0  # seconds between two moves of running streams
_LEARNED_TIME: Final = 600.0  # seconds for which an overloaded host gets no more streams than it could hold
_CLOSE_TIME: Final = 3.2  # seconds for the end of all hosts
_DEVICES: Final = frozenset(("webcam", "screen"))  # kinds of sources that belong to this machine

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A living node of the cluster."""

    id: str
    name: str  # for people
    cores: float
    refusal: str = ""  # why it takes no streams; "" if it does


class NodeCluster(Protocol):
    """The cluster, as the fleet sees it."""

    def nodes(self) -> Sequence[FleetNode]:
        """All living nodes."""

    def open_host(self, node: FleetNode, slot: int) -> HostHandle:
        """Start a host on a node, or find the one that an earlier server has left there.

        Raises:
            HostLostError: it does not start.
        """

    def close(self) -> None:
        """Leave the cluster."""


@dataclass(slots=True)
class _Overload:
    """How long a host has skipped frames, and how many streams it holds at most after that."""

    since: float | None = None  # monotonic
    limit: int | None = None  # streams
    limited_at: float = 0.0


@dataclass(slots=True)
class _Members:
    """The nodes, as last seen."""

    nodes: Mapping[str, FleetNode] = field(default_factory=dict)
    changed_at: float = 0.0  # monotonic
    is_known: bool = False


class StreamFleet:
    """Places streams on the nodes of a cluster, and moves them when nodes come, go or are overloaded.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        cluster: NodeCluster,
        *,
        settings: FleetSettings,
        archive: FlagArchive,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if settings.lease <= settings.node_timeout:
            raise UsageError(
                f"fleet.lease is {settings.lease:g} s, and must be more than fleet.node_timeout, "
                f"which is {settings.node_timeout:g} s"
            )
        self._cluster, self._settings, self._archive, self._clock = cluster, settings, archive, clock
        self._clips = LostClips(archive)
        self._lock = threading.RLock()  # guards all fields below
        self._runs: dict[str, PlacedRun] = {}
        self._links: dict[str, HostLink] = {}
        self._failures: dict[str, tuple[str, float]] = {}  # host -> reason of its loss, when
        self._overloads: dict[str, _Overload] = {}
        self._members = _Members()
        self._moved_at = clock()
        self._is_closing = False
        self._timers = (
            Timer("fleet nodes", self._look, every=_MEMBERS_INTERVAL),
            Timer("fleet streams", self._tend, every=_TICK),
        )

    # what the service asks

    def can_place(self, url: str) -> bool:
        """Whether a source can be opened on a node: a webcam and a screen belong to this machine."""
        try:
            return Address.of(url).kind.name not in _DEVICES
        except UsageError:
            return False  # it fails here, with its sentence

    def place(self, order: StreamOrder, observers: Sequence[Subscription]) -> tuple[StreamRun, Broadcaster]:
        """A stream that will run on a node, not started."""
        run = PlacedRun(order, observers, fleet=self)
        return run, run.broadcaster

    def begin(self) -> None:
        """Look for nodes and tend the streams from now on."""
        for timer in self._timers:
            timer.start()

    def close(self) -> None:
        """End all hosts with their streams, and leave the cluster."""
        with self._lock:
            self._is_closing = True
            links = tuple(self._links.values())
        for timer in self._timers:
            timer.stop(timeout=0.0)
        run_parallel([link.close for link in links], timeout=_CLOSE_TIME)
        self._cluster.close()

    @property
    def process_ids(self) -> Mapping[str, Sequence[int]]:
        """The processes of the hosts, by the name of their node."""
        with self._lock:
            found: dict[str, list[int]] = {}
            for link in self._ready():
                if link.report is not None:
                    found.setdefault(link.node, []).append(link.report.process_id)
            return found

    @property
    def nodes(self) -> Sequence[NodeSummary]:
        """All nodes with their streams and their load, by name."""
        with self._lock:
            nodes = sorted(self._members.nodes.values(), key=lambda node: node.name)
            return [self._summary(node) for node in nodes]

    # what a stream asks

    def add(self, run: PlacedRun) -> None:
        """Place a stream from now on."""
        with self._lock:
            self._runs[run.id] = run
        self._tend()

    def remove(self, run: PlacedRun) -> None:
        """Stop a stream where it runs."""
        with self._lock:
            self._runs.pop(run.id, None)
            link = self._link_of(run)
        if link is None:
            run.release()
        else:
            link.remove(run)

    # the nodes

    def _look(self) -> None:
        """Note the living nodes: open hosts on new ones, give up those that have gone."""
        nodes = {node.id: node for node in self._cluster.nodes()}
        with self._lock:
            if nodes.keys() != self._members.nodes.keys():
                self._members.changed_at = self._clock()
            self._members.nodes, self._members.is_known = nodes, True
            gone = [link for link in self._links.values() if link.place.node_id not in nodes]
            self._failures = {key: one for key, one in self._failures.items() if key.rpartition("-")[0] in nodes}
        for link in gone:
            link.lose("it has left the cluster")

    def _open_hosts(self) -> None:
        now = self._clock()
        for node in self._members.nodes.values():
            for place in self._places(node):
                failed_at = self._failures.get(place.key, ("", -_REOPEN_TIME))[1]
                if place.key not in self._links and not node.refusal and now - failed_at >= _REOPEN_TIME:
                    self._open(node, place)

    def _places(self, node: FleetNode) -> Sequence[HostPlace]:
        """The places of the hosts of a node: one for some cores, since one process cannot use many."""
        if node.cores < 1:
            return ()
        count = max(1, round(node.cores / self._settings.cores_per_process))
        capacity = int(self._settings.streams_per_core * node.cores)
        shares = [capacity // count + (slot < capacity % count) for slot in range(count)]
        return [HostPlace(node.id, node.name, slot, share) for slot, share in enumerate(shares)]

    def _open(self, node: FleetNode, place: HostPlace) -> None:
        link = HostLink(
            place,
            open_host=partial(self._cluster.open_host, node, place.slot),
            settings=self._settings,
            archive=self._archive,
            clips=self._clips,
            on_lost=self._note_loss,
        )
        self._links[place.key] = link
        link.start()

    def _note_loss(self, link: HostLink, reason: str) -> None:
        _log.warning("node %s was lost: %s", link.node, reason)
        with self._lock:
            if self._links.get(link.place.key) is link:
                del self._links[link.place.key]
            self._failures[link.place.key] = reason, self._clock()
            self._overloads.pop(link.place.key, None)
            self._moved_at = self._clock()
        self._tend()

    # the streams

    def _tend(self) -> None:
        """Place the streams that wait, and move one that should be elsewhere."""
        with self._lock:
            if self._is_closing:
                return
            self._open_hosts()
            rooms = [self._room(link) for link in self._ready()]
            counts = {link.place.key: _running(link) for link in self._ready()}
            waiting = [run.id for run in self._runs.values() if run.needs_host]
            moves = place_waiting(waiting, rooms, counts={key: len(ids) for key, ids in counts.items()})
            for move in moves:
                self._links[move.host].add(self._runs[move.stream_id])
            for stream_id in waiting[len(moves) :]:
                self._runs[stream_id].set_state(StreamState.WAITING, self._explain_waiting())
            if not moves:
                self._balance(rooms, counts)

    def _balance(self, rooms: Sequence[HostRoom], streams: Mapping[str, Sequence[str]]) -> None:
        now = self._clock()
        is_settled = now - self._members.changed_at >= self._settings.settle_time
        is_overloaded = any(room.is_overloaded for room in rooms)
        if not (is_settled or is_overloaded) or now - self._moved_at < _MOVE_INTERVAL:
            return
        if is_overloaded and now - self._moved_at < self._settings.settle_time:
            return  # the effect of the last move is not known yet
        move = find_move(rooms, streams=streams)
        if move is not None:
            self._move(move, {room.key: room for room in rooms}, now)

    def _move(self, move: StreamMove, rooms: Mapping[str, HostRoom], now: float) -> None:
        run = self._runs[move.stream_id]
        link = self._link_of(run)
        if link is None:
            return
        if rooms[link.place.key].is_overloaded:
            self._overloads[link.place.key] = _Overload(None, limit=len(_running(link)) - 1, limited_at=now)
            reason = f"node {link.node} is overloaded: the stream moves to another node"
        else:
            reason = "the stream moves to another node, to spread the load"
        self._moved_at = now
        _log.info("%s leaves node %s: %s", run.id, link.node, reason)
        link.remove(run, reason=reason)

    def _room(self, link: HostLink) -> HostRoom:
        """The room of a host, less what it was too slow for."""
        now, known = self._clock(), self._overloads.setdefault(link.place.key, _Overload())
        is_skipping = link.report is not None and link.report.load_level > 0
        known.since = (known.since or now) if is_skipping else None
        if known.limit is not None and now - known.limited_at > _LEARNED_TIME:
            known.limit = None
        capacity = link.place.capacity if known.limit is None else min(known.limit, link.place.capacity)
        is_overloaded = known.since is not None and now - known.since >= self._settings.overload_time
        return HostRoom(link.place.key, capacity, is_overloaded)

    def _ready(self) -> Sequence[HostLink]:
        return [link for link in self._links.values() if link.state is LinkState.READY]

    def _link_of(self, run: PlacedRun) -> HostLink | None:
        return next((link for link in self._links.values() if run in link.runs), None)

    def _explain_waiting(self) -> str:
        if not self._members.is_known:
            return "the cluster has not answered yet"
        ready = self._ready()
        if not ready:
            starting = any(link.state is LinkState.STARTING for link in self._links.values())
            return "the nodes start" if starting else self._explain_no_nodes()
        capacity = sum(link.place.capacity for link in ready)
        return (
            f"no node has room: the nodes hold {capacity} streams, fewer if they are overloaded; "
            "add a node, or remove a source"
        )

    def _explain_no_nodes(self) -> str:
        nodes = self._members.nodes.values()
        reasons = [f"{node.name}: {self._explain_node(node)}" for node in nodes if node.cores >= 1]
        return "no node takes streams: " + ("; ".join(reasons) or "the cluster has none with a core; add a node")

    def _explain_node(self, node: FleetNode) -> str:
        keys = [place.key for place in self._places(node)]
        reasons = [self._failures[key][0] for key in keys if key in self._failures and key not in self._links]
        return node.refusal or (reasons[0] if reasons else "starting")

    def _summary(self, node: FleetNode) -> NodeSummary:
        links = [link for link in self._links.values() if link.place.node_id == node.id]
        ready = [link for link in links if link.state is LinkState.READY]
        reports = [link.report for link in ready if link.report is not None]
        worst = max(reports, key=lambda report: report.load_level, default=None)
        lost: Counter[str] = Counter()
        for link in ready:
            lost.update(link.lost_events)
        return NodeSummary(
            name=node.name,
            state="ready" if ready else "takes no streams: no core" if node.cores < 1 else self._explain_node(node),
            streams=sum(len(_running(link)) for link in ready),
            capacity=sum(place.capacity for place in self._places(node)),
            load="" if worst is None else worst.load,
            load_level=0 if worst is None else worst.load_level,
            clips_waiting=sum(report.clips_waiting for report in reports),
            lost=dict(lost),
        )


def _running(link: HostLink) -> Sequence[str]:
    """The streams that need room, in the order of their placement."""
    return [run.id for run in link.runs if not run.is_over]
