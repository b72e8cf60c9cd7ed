"""Prometheus metrics.

The metrics are rendered from a snapshot of the streams, the archive and the engine at each request. The label ``id`` is
the id of a stream, the label ``source`` its name or its masked address.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.analysis.pipeline import Engines
from monitor.runtime import HeartbeatResult, StreamState, StreamStatus, StreamTotals
from monitor.server.notify import OutletCount
from monitor.server.stream_run import NodeSummary
from monitor.types import HintKind, Label
from monitor.types.stats import LATENCIES

PREFIX: Final = "deepfake_monitor"
_PROC: Final = Path("/proc/self")
_STREAM_LABELS: Final = ("id", "source")


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One stream at one moment."""

    id: str
    name: str  # display name, secrets masked
    status: StreamStatus
    totals: StreamTotals
    faces: Mapping[Label, int]  # faces in the newest frame
    viewers: int
    hints: frozenset[HintKind] = frozenset()  # hints on the stream that are active now
    node: str = ""  # the machine of a fleet that watches it; "": none

    @property
    def waiting(self) -> int:
        """Frames between capture and the end of their analysis."""
        stats = self.status.stats
        if stats is None:
            return 0
        return max(0, stats.frames_read - stats.frames_analysed - sum(stats.dropped.values()))


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """The values of all metrics at one moment."""

    sources: Sequence[StreamSnapshot]
    engines: Engines | None  # None: not loaded
    beat: HeartbeatResult | None  # None: before the first heartbeat
    load: int  # level of the load shedder; 0: every frame is analysed
    flags: Mapping[tuple[str, bool], int]  # number of flags, by (origin, whether reviewed)
    stored: int  # bytes of all stored files
    free: int  # free bytes on the same disk
    jobs: Mapping[str, int]  # number of waiting jobs, by queue
    outlets: Sequence[OutletCount] = ()
    nodes: Sequence[NodeSummary] = ()  # of a fleet


def render(snapshot: MetricsSnapshot, *, accept: str = "") -> tuple[bytes, str]:
    """The metrics in a Prometheus text format, and the content type; ``accept`` is the header of the request."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_SnapshotCollector(snapshot))
    encoder, content_type = exposition.choose_encoder(accept)
    return encoder(registry), content_type


class _SnapshotCollector(Collector):
    def __init__(self, snapshot: MetricsSnapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _frame_metrics(self._snapshot.sources)
        yield from _stream_metrics(self._snapshot.sources)
        yield from _engine_metrics(self._snapshot)
        yield from _storage_metrics(self._snapshot)
        yield from _outlet_metrics(self._snapshot.outlets)
        yield from _node_metrics(self._snapshot)
        yield from _process_metrics()


def _frame_metrics(streams: Iterable[StreamSnapshot]) -> Iterator[Metric]:
    read = _counter("frames_read", "Frames read from a source.", *_STREAM_LABELS)
    analysed = _counter("frames_analysed", "Analysed frames.", *_STREAM_LABELS)
    dropped = _counter("frames_dropped", "Frames read but not analysed, by cause.", *_STREAM_LABELS, "cause")
    lost = _counter("frames_lost", "Frames or packets that could not be decoded, by cause.", *_STREAM_LABELS, "cause")
    waiting = _gauge("frames_waiting", "Frames between capture and the end of their analysis.", *_STREAM_LABELS)
    latency = HistogramMetricFamily(
        f"{PREFIX}_latency_seconds", "Time from a frame's arrival to its observation.", labels=_STREAM_LABELS
    )
    for stream in streams:
        labels, totals = (stream.id, stream.name), stream.totals
        read.add_metric(labels, totals.read)
        analysed.add_metric(labels, totals.analysed)
        waiting.add_metric(labels, stream.waiting)
        for family, causes in ((dropped, totals.dropped), (lost, totals.lost)):
            for cause, count in causes.items():
                family.add_metric((*labels, cause), count)
        latency.add_metric(labels, _buckets(totals.latencies), totals.latency)
    yield from (read, analysed, dropped, lost, waiting, latency)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Cumulative counts by upper edge, as required by the Prometheus format."""
    edges = [*map(str, LATENCIES), "+Inf"]
    return [(edge, float(sum(counts[: place + 1]))) for place, edge in enumerate(edges)]


def _stream_metrics(streams: Iterable[StreamSnapshot]) -> Iterator[Metric]:
    openings = _counter(
        "source_openings", "Connections of a source; all but the first are reconnects.", *_STREAM_LABELS
    )
    state = _gauge("source_state", "1 for the current state of a source.", *_STREAM_LABELS, "state")
    viewers = _gauge("viewers", "Browser viewers of a source.", *_STREAM_LABELS)
    faces = _gauge("faces", "Faces in the newest frame, by label.", *_STREAM_LABELS, "label")
    changes = _counter("verdicts", "Label changes, by new label.", *_STREAM_LABELS, "label")
    flags = _counter("flags_committed", "Committed flags of a source.", *_STREAM_LABELS)
    hints = _gauge("source_hint", "1 while a hint of this kind is active on the stream.", *_STREAM_LABELS, "kind")
    for stream in streams:
        labels = (stream.id, stream.name)
        openings.add_metric(labels, stream.totals.openings)
        flags.add_metric(labels, stream.totals.flags)
        viewers.add_metric(labels, stream.viewers)
        for stream_state in StreamState:
            state.add_metric((*labels, stream_state.value), float(stream.status.state is stream_state))
        for kind in HintKind:
            hints.add_metric((*labels, kind.value), float(kind in stream.hints))
        for label in Label:
            faces.add_metric((*labels, label.value), stream.faces.get(label, 0))
            changes.add_metric((*labels, label.value), stream.totals.changes.get(label, 0))
    yield from (openings, state, viewers, faces, changes, flags, hints)


def _engine_metrics(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    yield InfoMetricFamily(f"{PREFIX}_build", "The program.", value={"version": __version__})
    if snapshot.engines is not None:
        committee = snapshot.engines.committee
        facts = {
            "engine": snapshot.engines.scorer.engine.name,
            "reason": snapshot.engines.choice.reason,
            "model": committee.id,
            "weights_sha256": committee.weights_sha256,
        }
        yield InfoMetricFamily(
            f"{PREFIX}_engine", "The engine that scores faces, and the reason of its choice.", value=facts
        )
    yield _value("load_level", "Level of the load shedder; 0: every frame of live sources is analysed.", snapshot.load)
    beat = snapshot.beat
    if beat is not None:
        correct = "1 if the running engine scores the reference faces correctly."
        yield _value("heartbeat_healthy", correct, float(beat.healthy))
        yield _value("heartbeat_timestamp_seconds", "Time of the last heartbeat, Unix time.", beat.at.timestamp())
        logits = _gauge("heartbeat_logit", "Logits of the reference faces.", "face")
        if beat.scored is not None:
            logits.add_metric(("genuine",), beat.scored.genuine)
            logits.add_metric(("blended",), beat.scored.blended)
        yield logits


def _storage_metrics(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    flags = _gauge("flags", "Stored flags, by origin and whether they were reviewed.", "origin", "reviewed")
    for (origin, reviewed), count in snapshot.flags.items():
        flags.add_metric((origin, str(reviewed).lower()), count)
    yield flags
    yield _value("storage_bytes", "Bytes of the database, clips, pictures and analyses.", snapshot.stored)
    yield _value("storage_free_bytes", "Free bytes on the disk of the storage.", snapshot.free)
    jobs = _gauge("jobs_waiting", "Waiting jobs, by queue.", "queue")
    for queue, count in snapshot.jobs.items():
        jobs.add_metric((queue,), count)
    yield jobs


def _outlet_metrics(counts: Iterable[OutletCount]) -> Iterator[Metric]:
    labels = ("outlet", "target")
    delivered = _counter("outlet_deliveries", "Events that another program accepted.", *labels)
    failed = _counter("outlet_failures", "Failed attempts to deliver an event.", *labels)
    lost = _counter("outlet_events_lost", "Events that were dropped before an attempt.", *labels)
    waiting = _gauge("outlet_waiting", "Deliveries that wait.", *labels)
    dead = _gauge("outlet_dead_letters", "Deliveries that were given up and are still kept.", *labels)
    for count in counts:
        place = (count.outlet, count.target)
        delivered.add_metric(place, count.delivered)
        failed.add_metric(place, count.failed)
        lost.add_metric(place, count.lost)
        waiting.add_metric(place, count.waiting)
        dead.add_metric(place, count.dead)
    yield from (delivered, failed, lost, waiting, dead)


def _node_metrics(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    """Metrics of a fleet; none without one."""
    if not snapshot.nodes:
        return
    place = _gauge("source_node", "1 for the node that watches a source.", *_STREAM_LABELS, "node")
    for stream in snapshot.sources:
        if stream.node:
            place.add_metric((stream.id, stream.name, stream.node), 1)
    ready = _gauge("node_ready", "1 if a node takes streams.", "node")
    streams = _gauge("node_streams", "Streams of a node.", "node")
    capacity = _gauge("node_capacity", "Streams that a node holds.", "node")
    load = _gauge("node_load_level", "Level of the load shedder of a node; 0: every frame is analysed.", "node")
    lost = _counter("node_events_lost", "Events of a node that did not reach the server, by cause.", "node", "cause")
    for node in snapshot.nodes:
        ready.add_metric((node.name,), float(node.state == "ready"))
        streams.add_metric((node.name,), node.streams)
        capacity.add_metric((node.name,), node.capacity)
        load.add_metric((node.name,), node.load_level)
        for cause, count in node.lost.items():
            lost.add_metric((node.name, cause), count)
    yield from (place, ready, streams, capacity, load, lost)


def _process_metrics() -> Iterator[Metric]:
    """Metrics that the process collector of prometheus_client lacks."""
    yield _value("threads", "Python threads of this process.", threading.active_count())
    children = _children()
    if children is not None:
        yield _value("children", "Child processes.", len(children))
        resident = sum(map(_resident, children))
        yield _value("children_resident_bytes", "Resident memory of all child processes.", resident)


def _children() -> list[int] | None:
    """Ids of the child processes; None if the system does not list them."""
    children: list[int] = []
    is_listed = False
    for path in _PROC.glob("task/*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            children += map(int, path.read_text().split())
            is_listed = True
    return children if is_listed else None


def _resident(process: int) -> int:
    """Resident memory of a process, bytes; 0 if it has ended meanwhile."""
    with suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        match = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return 1024 * int(match[1]) if match else 0
    return 0


def _counter(name: str, description: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", description, labels=labels)


def _value(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", description, value=value)


def _gauge(name: str, description: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", description, labels=labels)
