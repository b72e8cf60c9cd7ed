"""What Prometheus reads, read by its own parser."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from monitor.analysis.pipeline import Engines
from monitor.runtime import HeartbeatResult, StreamState, StreamStatus, StreamTotals
from monitor.runtime.heartbeat import FaceLogits
from monitor.server.metrics import PREFIX, MetricsSnapshot, StreamSnapshot, render
from monitor.server.notify import OutletCount
from monitor.server.stream_run import NodeSummary
from monitor.types import HintKind, Label
from monitor.types.stats import LATENCIES, SessionStats


def watched(identity: str = "1a", **changes: Any) -> StreamSnapshot:
    stats = SessionStats(10, 7, {"analysis behind": 2}, {}, 1.0, None, None)
    latencies = (3, 0, 4, *([0] * (len(LATENCIES) - 2)))
    plain: dict[str, Any] = {
        "id": identity,
        "name": 'The "door"\\',
        "status": StreamStatus(StreamState.RECONNECTING, "lost", 3, 2, 1.0, None, stats),
        "totals": StreamTotals(
            openings=3,
            read=30,
            analysed=21,
            dropped={"analysis behind": 6},
            lost={"damaged": 2},
            changes={Label.LIKELY_FAKE: 4},
            flags=5,
            latencies=latencies,
            latency=0.5,
        ),
        "faces": {Label.SUSPICIOUS: 2},
        "viewers": 1,
    }
    return StreamSnapshot(**plain | changes)


def snapshot(*sources: StreamSnapshot, **changes: Any) -> MetricsSnapshot:
    plain: dict[str, Any] = {
        "sources": sources,
        "engines": None,
        "beat": None,
        "load": 3,
        "flags": {("person", False): 2},
        "stored": 1234,
        "free": 99,
        "jobs": {"clips": 1},
    }
    return MetricsSnapshot(**plain | changes)


def samples(told: MetricsSnapshot) -> dict[tuple[str, ...], float]:
    """Values by name, the source's id, and the other labels in the order of their names; without the sources' names."""
    content, content_type = render(told)
    assert content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(content.decode()):
        for sample in family.samples:
            labels = dict(sorted(sample.labels.items()))
            who = [labels.pop("id")] if labels.pop("source", None) else []
            found[sample.name.removeprefix(f"{PREFIX}_"), *who, *labels.values()] = sample.value
    return found


def test_every_frame_is_told_by_source_and_cause() -> None:
    found = samples(snapshot(watched()))
    assert found["frames_read_total", "1a"] == 30
    assert found["frames_analysed_total", "1a"] == 21
    assert found["frames_dropped_total", "1a", "analysis behind"] == 6
    assert found["frames_lost_total", "1a", "damaged"] == 2
    assert found["frames_waiting", "1a"] == 1
    assert found["source_openings_total", "1a"] == 3
    assert found["flags_committed_total", "1a"] == 5
    assert found["verdicts_total", "1a", "LIKELY_FAKE"] == 4
    assert found["faces", "1a", "SUSPICIOUS"] == 2
    assert found["viewers", "1a"] == 1
    assert found["load_level",] == 3


def test_latencies_are_a_cumulative_histogram() -> None:
    found = samples(snapshot(watched()))
    buckets = [found["latency_seconds_bucket", "1a", str(edge)] for edge in LATENCIES]
    assert buckets == [3, 3, *([7] * (len(LATENCIES) - 2))]
    assert found["latency_seconds_bucket", "1a", "+Inf"] == found["latency_seconds_count", "1a"] == 7
    assert found["latency_seconds_sum", "1a"] == 0.5


def test_a_source_is_in_one_state() -> None:
    found = samples(snapshot(watched()))
    states = {key[2]: value for key, value in found.items() if key[0] == "source_state"}
    assert set(states) == {state.value for state in StreamState}
    assert [state for state, value in states.items() if value] == ["reconnecting"]


def test_two_sources_of_one_name_are_two_series() -> None:
    content, _ = render(snapshot(watched("1a"), watched("2b")))
    families = {family.name: family for family in text_string_to_metric_families(content.decode())}
    found = families[f"{PREFIX}_frames_read"].samples
    assert [(sample.labels["id"], sample.labels["source"]) for sample in found] == [
        ("1a", 'The "door"\\'),
        ("2b", 'The "door"\\'),
    ]


@pytest.mark.parametrize("healthy", [True, False])
def test_the_heartbeat_and_the_engine(engines: Engines, healthy: bool) -> None:
    beat = HeartbeatResult(datetime(2026, 11, 24, tzinfo=UTC), healthy, "why", FaceLogits(-1.0, 0.5), 0.1)
    told = snapshot(engines=engines, beat=beat)
    found = samples(told)
    assert found["heartbeat_healthy",] == healthy
    assert found["heartbeat_timestamp_seconds",] == beat.at.timestamp()
    assert found["heartbeat_logit", "blended"] == 0.5
    assert engines.classifier.card.weights_sha256 in render(told)[0].decode()


def test_what_is_kept_and_what_waits() -> None:
    found = samples(snapshot())
    assert found["flags", "person", "false"] == 2
    assert (found["storage_bytes",], found["storage_free_bytes",]) == (1234, 99)
    assert found["jobs_waiting", "clips"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_process_its_threads_and_its_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        found = samples(snapshot())
    finally:
        child.communicate(b"\n")
    assert found["threads",] >= 1
    assert found["children",] >= 1
    assert found["children_resident_bytes",] > 1e6
    assert found["process_resident_memory_bytes",] > 1e7
    assert found["process_open_fds",] > 2


def test_open_metrics_is_spoken_where_it_is_asked_for(engines: Engines) -> None:
    content, content_type = render(snapshot(watched(), engines=engines), accept="application/openmetrics-text")
    assert content_type.startswith("application/openmetrics-text")
    assert f"{PREFIX}_frames_read" in {family.name for family in open_metrics(content.decode())}


def test_the_work_of_outlets_is_told_by_target() -> None:
    counts = (
        OutletCount(outlet="webhooks", lost=4),
        OutletCount(outlet="webhooks", target="w1", delivered=7, failed=2, waiting=3, dead=1),
    )
    found = samples(snapshot(outlets=counts))
    assert found["outlet_events_lost_total", "webhooks", ""] == 4
    assert found["outlet_deliveries_total", "webhooks", "w1"] == 7
    assert found["outlet_failures_total", "webhooks", "w1"] == 2
    assert found["outlet_waiting", "webhooks", "w1"] == 3
    assert found["outlet_dead_letters", "webhooks", "w1"] == 1


def test_hints_on_a_stream_are_one_while_they_hold() -> None:
    found = samples(snapshot(watched(hints=frozenset({HintKind.LOOPED}))))
    assert found["source_hint", "1a", "LOOPED"] == 1
    assert found["source_hint", "1a", "FROZEN"] == 0


def test_the_nodes_of_a_fleet_are_told() -> None:
    node = NodeSummary("studio", "ready", 3, 14, "all is analysed", 2, clips_waiting=1, lost={"slow": 4})
    other = NodeSummary("attic", "starting", 0, 7, "", 0, clips_waiting=0, lost={})
    found = samples(snapshot(watched(node="studio"), nodes=[node, other]))
    assert found["source_node", "1a", "studio"] == 1
    assert (found["node_ready", "studio"], found["node_ready", "attic"]) == (1, 0)
    assert (found["node_streams", "studio"], found["node_capacity", "studio"]) == (3, 14)
    assert found["node_load_level", "studio"] == 2
    assert found["node_events_lost_total", "slow", "studio"] == 4
    assert not any(name[0].startswith("node_") for name in samples(snapshot(watched())))
