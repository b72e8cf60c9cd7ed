"""What the program counts, for Prometheus: all names of metrics, and nothing that is counted only for them.

Whoever asks gets a picture of this moment, made from what the watches, the archive and the engine know of themselves.
``id`` is a watch's, ``source`` the name that people gave it, or its masked address.
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
from monitor.types import HintKind, Label
from monitor.types.stats import LATENCIES

PREFIX: Final = "deepfake_monitor"
_PROC: Final = Path("/proc/self")
_OF_A_SOURCE: Final = ("id", "source")


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One source."""

    id: str
    name: str  # without secrets
    status: StreamStatus
    totals: StreamTotals
    faces: Mapping[Label, int]  # seen now
    viewers: int
    hints: frozenset[HintKind] = frozenset()  # on the stream itself, that hold now

    @property
    def waiting(self) -> int:
        """Frames between capture and the end of their analysis."""
        stats = self.status.stats
        if stats is None:
            return 0
        return max(0, stats.frames_read - stats.frames_analysed - sum(stats.dropped.values()))


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """All that is told, at one moment."""

    sources: Sequence[StreamSnapshot]
    engines: Engines | None  # None: not loaded
    beat: HeartbeatResult | None  # None: none yet
    load: int  # steps of the ladder down: 0 = nothing is left out
    flags: Mapping[tuple[str, bool], int]  # (origin, whether somebody looked at it) -> how many
    stored: int  # bytes of all that is kept
    free: int  # bytes on that disk
    jobs: Mapping[str, int]  # queue -> how many wait


def rendered(snapshot: MetricsSnapshot, *, accept: str = "") -> tuple[bytes, str]:
    """The text that Prometheus reads, and its content type; ``accept`` is the header of the request."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Told(snapshot))
    encoder, content_type = exposition.choose_encoder(accept)
    return encoder(registry), content_type


class _Told(Collector):
    def __init__(self, snapshot: MetricsSnapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _frames(self._snapshot.sources)
        yield from _sources(self._snapshot.sources)
        yield from _engine(self._snapshot)
        yield from _kept(self._snapshot)
        yield from _process()


def _frames(sources: Iterable[StreamSnapshot]) -> Iterator[Metric]:
    read = _counter("frames_read", "Frames that came from a source.", *_OF_A_SOURCE)
    analysed = _counter("frames_analysed", "Frames that went through the pipeline.", *_OF_A_SOURCE)
    dropped = _counter("frames_dropped", "Frames that were read and not analysed, by cause.", *_OF_A_SOURCE, "cause")
    lost = _counter("frames_lost", "Frames or packets that could not be decoded, by cause.", *_OF_A_SOURCE, "cause")
    waiting = _gauge("frames_waiting", "Frames between capture and the end of their analysis.", *_OF_A_SOURCE)
    latency = HistogramMetricFamily(
        f"{PREFIX}_latency_seconds", "From a frame's arrival to its observation.", labels=_OF_A_SOURCE
    )
    for one in sources:
        who, totals = (one.id, one.name), one.totals
        read.add_metric(who, totals.read)
        analysed.add_metric(who, totals.analysed)
        waiting.add_metric(who, one.waiting)
        for family, causes in ((dropped, totals.dropped), (lost, totals.lost)):
            for cause, count in causes.items():
                family.add_metric((*who, cause), count)
        latency.add_metric(who, _buckets(totals.latencies), totals.latency)
    yield from (read, analysed, dropped, lost, waiting, latency)


def _buckets(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Cumulative counts by upper edge, as the format has them."""
    edges = [*map(str, LATENCIES), "+Inf"]
    return [(edge, float(sum(counts[: place + 1]))) for place, edge in enumerate(edges)]


def _sources(sources: Iterable[StreamSnapshot]) -> Iterator[Metric]:
    openings = _counter("source_openings", "How often a source was opened; the second is a reconnect.", *_OF_A_SOURCE)
    state = _gauge("source_state", "1 for the state that a source is in.", *_OF_A_SOURCE, "state")
    viewers = _gauge("viewers", "Browsers that look at a source.", *_OF_A_SOURCE)
    faces = _gauge("faces", "Faces that are seen now, by label.", *_OF_A_SOURCE, "label")
    changes = _counter("verdicts", "How often a face got this label.", *_OF_A_SOURCE, "label")
    flags = _counter("flags_committed", "Flags of a source that were committed.", *_OF_A_SOURCE)
    hints = _gauge("source_hint", "1 while a stream itself looks wrong in that way.", *_OF_A_SOURCE, "kind")
    for one in sources:
        who = (one.id, one.name)
        openings.add_metric(who, one.totals.openings)
        flags.add_metric(who, one.totals.flags)
        viewers.add_metric(who, one.viewers)
        for known in StreamState:
            state.add_metric((*who, known.value), float(one.status.state is known))
        for kind in HintKind:
            hints.add_metric((*who, kind.value), float(kind in one.hints))
        for label in Label:
            faces.add_metric((*who, label.value), one.faces.get(label, 0))
            changes.add_metric((*who, label.value), one.totals.changes.get(label, 0))
    yield from (openings, state, viewers, faces, changes, flags, hints)


def _engine(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    yield InfoMetricFamily(f"{PREFIX}_build", "The program.", value={"version": __version__})
    if snapshot.engines is not None:
        card = snapshot.engines.classifier.card
        facts = {
            "engine": snapshot.engines.scorer.engine.name,
            "reason": snapshot.engines.choice.reason,
            "model": card.id,
            "weights_sha256": card.weights_sha256,
        }
        yield InfoMetricFamily(f"{PREFIX}_engine", "What scores faces, and why it was chosen.", value=facts)
    load = _gauge("load_level", "Steps by which less of live sources is analysed; 0: all of it.")
    load.add_metric((), snapshot.load)
    yield load
    beat = snapshot.beat
    if beat is not None:
        healthy = _gauge("heartbeat_healthy", "1 if the running engine scores known faces as it should.")
        healthy.add_metric((), float(beat.healthy))
        at = _gauge("heartbeat_timestamp_seconds", "When that was found, Unix time.")
        at.add_metric((), beat.at.timestamp())
        logits = _gauge("heartbeat_logit", "What the known faces scored.", "face")
        if beat.scored is not None:
            logits.add_metric(("genuine",), beat.scored.genuine)
            logits.add_metric(("blended",), beat.scored.blended)
        yield from (healthy, at, logits)


def _kept(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    flags = _gauge("flags", "Flags that are kept, by who made them and whether somebody looked.", "origin", "reviewed")
    for (origin, reviewed), count in snapshot.flags.items():
        flags.add_metric((origin, str(reviewed).lower()), count)
    stored = _gauge("storage_bytes", "All that is kept: database, clips, pictures, analyses.")
    stored.add_metric((), snapshot.stored)
    free = _gauge("storage_free_bytes", "Free on that disk.")
    free.add_metric((), snapshot.free)
    jobs = _gauge("jobs_waiting", "Jobs that wait in a queue.", "queue")
    for queue, count in snapshot.jobs.items():
        jobs.add_metric((queue,), count)
    yield from (flags, stored, free, jobs)


def _process() -> Iterator[Metric]:
    """What the process collector of the library leaves out."""
    threads = _gauge("threads", "Python's threads of this process.")
    threads.add_metric((), threading.active_count())
    children = _children()
    if children is None:
        yield threads
        return
    count = _gauge("children", "Child processes.")
    count.add_metric((), len(children))
    resident = _gauge("children_resident_bytes", "Resident memory of the child processes together.")
    resident.add_metric((), sum(map(_resident, children)))
    yield from (threads, count, resident)


def _children() -> list[int] | None:
    """Ids of the child processes; None where the system does not tell."""
    found: list[int] = []
    told = False
    for path in _PROC.glob("task/*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, path.read_text().split())
            told = True
    return found if told else None


def _resident(process: int) -> int:
    """Bytes; 0 if it has ended meanwhile."""
    with suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return 1024 * int(found[1]) if found else 0
    return 0


def _counter(name: str, about: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", about, labels=labels)


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", about, labels=labels)
