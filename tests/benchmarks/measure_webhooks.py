"""Webhooks: the time from an event to its receipt, and 10,000 events through a receiver that is down half of the time.

    PYTHONPATH=tests:. python tests/benchmarks/measure_webhooks.py [--live 150] [--events 10000] [--rate 100]

A real HTTP receiver on loopback. First the whole server watches the demo stream for ``--live`` seconds. Then the outlet
with its database runs in a process of its own. At first the receiver is always up: p50 and p95 from the time in the
event to its receipt. Then it is down for every second ``--window`` (503, 500 and closed connections in turn), and the
process is killed (SIGKILL) twice while it emits. The program checks that every committed event was accepted, in order
for each stream, and samples the memory of the process.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

from support.webhook_load import DONE, SETTINGS, Windows, accepted_numbers, committed, emitting, url_in
from support.webhook_receiver import Receiver, receiving

from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.service import MonitorService
from monitor.settings import EvidenceSettings, SourceSettings
from monitor.system.database import Database

STREAMS = 8
LATENCY_EVENTS, LATENCY_RATE = 2000, 20.0


def subscribe(folder: Path, receiver: Receiver) -> None:
    with Database.open(url_in(folder)) as database:
        WebhookStore(database, SETTINGS.webhooks).add(receiver.url)


def resident(process: subprocess.Popen[str]) -> float:
    """Resident memory of a process, MB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


def latencies(receiver: Receiver) -> list[float]:
    """Milliseconds from the time in an event to its first receipt, sorted."""
    first = {one.id: one for one in reversed(receiver.received)}
    spans = (one.moment - datetime.fromisoformat(one.message["timestamp"]) for one in first.values())
    return sorted(span.total_seconds() * 1000 for span in spans)


def run_to_end(
    folder: Path, *, events: int, rate: float, lasting: float = float("inf")
) -> tuple[list[float], list[str]]:
    """Emit until all is delivered, or for some seconds, and then kill.

    Returns:
        Samples of the memory, MB, and the lines of the process.
    """
    samples: list[float] = []
    with emitting(folder, events=events, streams=STREAMS, rate=rate) as process:
        end = time.monotonic() + lasting
        while process.poll() is None and time.monotonic() < end:
            samples.append(resident(process))
            time.sleep(0.2)
        process.kill()
        output, _ = process.communicate()
    return [sample for sample in samples if sample], output.splitlines()


def measure_latency() -> None:
    with tempfile.TemporaryDirectory() as folder, receiving() as receiver:
        subscribe(Path(folder), receiver)
        _, lines = run_to_end(Path(folder), events=LATENCY_EVENTS, rate=LATENCY_RATE)
        found = latencies(receiver)
    slowest = lines[0].split()[2]
    p50, p95 = statistics.median(found), found[int(0.95 * len(found))]
    print(
        f"receiver up, {LATENCY_RATE:g} events/s of {STREAMS} streams: event to receipt p50 {p50:.1f} ms, "
        f"p95 {p95:.1f} ms, max {found[-1]:.1f} ms of {len(found)} events; slowest call of an observer {slowest} ms",
        flush=True,
    )


def measure_durability(events: int, *, rate: float, window: float) -> None:
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        folder, began = Path(name), time.monotonic()
        subscribe(folder, receiver)
        receiver.answer = Windows(up=window, down=window, began=began)
        samples: list[float] = []
        for lasting in (events / rate / 3, events / rate / 3, float("inf")):
            found, lines = run_to_end(folder, events=events, rate=rate, lasting=lasting)
            samples += found
            total = sum(map(len, committed(folder).values()))
            print(f"{time.monotonic() - began:.0f} s: {total} committed, {len(receiver.accepted)} accepted", flush=True)
        seconds = time.monotonic() - began
        accepted, stored = accepted_numbers(receiver.accepted), committed(folder)
        ordered = all(numbers == sorted(numbers) for numbers in accepted.values())
        whole = all(numbers == list(range(events // STREAMS)) for numbers in stored.values())
        none_lost = {source: set(numbers) for source, numbers in accepted.items()} == {
            source: set(numbers) for source, numbers in stored.items()
        }
        print(
            f"{events} events in {seconds:.0f} s, receiver down half of the time, killed twice: "
            f"none lost {none_lost}, in order {ordered}, outbox whole {whole}, ended {lines[-1] == DONE}; "
            f"{len(receiver.received)} requests, {len(receiver.accepted)} accepted, "
            f"{len(receiver.accepted) - sum(map(len, accepted.values()))} twice; "
            f"lost in memory {lines[0].split()[3]}; memory median {statistics.median(samples):.0f}, "
            f"at most {max(samples):.0f} MB"
        )


def measure_live(seconds: float) -> None:
    """The whole server on the demo stream: from the capture of the frame that changed a label to the receipt."""
    with tempfile.TemporaryDirectory() as folder, receiving() as receiver:
        settings = SETTINGS.model_copy(
            update={"evidence": EvidenceSettings(folder=Path(folder)), "source": SourceSettings(demo_seconds=12.0)}
        )
        service = MonitorService.open(settings)
        WebhookStore(service.archive.store.database, settings.webhooks).add(receiver.url, types=["label_changed"])
        service.begin()
        service.engines()
        service.add("demo:", repeat=True, trusted=True)
        time.sleep(seconds)
        service.close()
        found = latencies(receiver)
    p50, p95 = statistics.median(found), found[int(0.95 * len(found))]
    print(f"demo stream: frame to receipt of {len(found)} label changes p50 {p50:.1f} ms, p95 {p95:.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--window", type=float, default=5.0)
    parser.add_argument("--live", type=float, default=150.0)
    wanted = parser.parse_args()
    measure_live(wanted.live)
    measure_latency()
    measure_durability(wanted.events, rate=wanted.rate, window=wanted.window)


if __name__ == "__main__":
    main()
