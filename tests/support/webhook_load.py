"""Many events through the outlet of the webhooks into a receiver that is down half of the time.

As a program, it is a server process without video: it emits numbered events of several streams until it is killed.

    python -m support.webhook_load FOLDER EVENTS STREAMS RATE
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from support.observations import EVENTS
from support.webhook_receiver import Answer, Received

from monitor.server.notify import OutletContext
from monitor.server.notify.webhooks.outbox import DeliveryState, WebhookOutbox
from monitor.server.notify.webhooks.outlet import WebhookOutlet
from monitor.server.notify.webhooks.tables import webhook_deliveries
from monitor.settings import Settings, WebhookSettings
from monitor.system.database import Database
from monitor.types.events import LabelChanged

SETTINGS = Settings(webhooks=WebhookSettings(private_networks=True))
CHANGED = next(event for event in EVENTS if isinstance(event, LabelChanged))
DONE = "done"


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder}/flags.db"


def address(stream: int) -> str:
    return f"rtsp://cam{stream}/live"


def numbered(stream: int, number: int) -> LabelChanged:
    """A label change whose frame index is its number within the stream."""
    change = replace(CHANGED.change, frame_index=number)
    return replace(CHANGED, stream=address(stream), at=datetime.now(UTC), change=change)


@dataclass
class Windows:
    """A receiver that is up for some seconds, then down; it fails in three ways in turn."""

    up: float  # seconds
    down: float  # seconds
    began: float

    def __call__(self, _: Received) -> Answer:
        turn, into = divmod(time.monotonic() - self.began, self.up + self.down)
        if into < self.up:
            return Answer()
        return (Answer(503), Answer(500), Answer(hang_up=True))[int(turn) % 3]


def committed(folder: Path) -> dict[str, list[int]]:
    """The numbers of the events in the outbox, by the address of the stream, in their order."""
    found: dict[str, list[int]] = defaultdict(list)
    with Database.open(url_in(folder)) as database, database.reading() as connection:
        query = webhook_deliveries.select().order_by(webhook_deliveries.c.number)
        for row in connection.execute(query).mappings():
            found[row["source"]].append(json.loads(row["body"])["data"]["change"]["frame_index"])
    return found


def number_of(one: Received) -> int:
    return int(one.message["data"]["change"]["frame_index"])


def source_of(one: Received) -> str:
    return str(one.message["data"]["stream"])


def accepted_numbers(accepted: Sequence[Received]) -> dict[str, list[int]]:
    """By stream, the numbers of the accepted messages, each at its first acceptance."""
    found: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for one in accepted:
        if one.id not in seen:
            seen.add(one.id)
            found[source_of(one)].append(number_of(one))
    return found


def emit(folder: Path, *, events: int, streams: int, rate: float) -> None:
    """Emit the events that are not in the outbox yet, spread over the streams, then wait until all are delivered."""
    first = {source: numbers[-1] + 1 for source, numbers in committed(folder).items()}
    with Database.open(url_in(folder)) as database:
        outlet, outbox = WebhookOutlet(OutletContext(settings=SETTINGS, database=database)), WebhookOutbox(database)
        outlet.start()
        time.sleep(0.1)
        observers = [
            outlet.watch(SimpleNamespace(id=f"s{stream}", name=f"cam {stream}", address=address(stream)))
            for stream in range(streams)
        ]
        began, emitted, slowest = time.monotonic(), 0, 0.0
        for number in range(events // streams):
            for stream, observer in enumerate(observers):
                if number < first.get(address(stream), 0):
                    continue
                time.sleep(max(0.0, began + emitted / rate - time.monotonic()))
                before = time.monotonic()
                observer(numbered(stream, number))
                slowest = max(slowest, time.monotonic() - before)
                emitted += 1
        print("emitted", emitted, f"{slowest * 1e3:.1f}", outlet.lost, flush=True)
        while (
            any(states.get(DeliveryState.WAITING) for states in outbox.counts().values()) or not outlet._queue.empty()
        ):
            time.sleep(0.1)
        outlet.close()
        print(DONE, flush=True)


@contextmanager
def emitting(folder: Path, *, events: int, streams: int, rate: float) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own; killed at the end of the block."""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'tests'}:{root}"}
    arguments = map(str, (folder, events, streams, rate))
    process = subprocess.Popen(
        [sys.executable, "-m", "support.webhook_load", *arguments], stdout=-1, env=environment, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


if __name__ == "__main__":
    emit(Path(sys.argv[1]), events=int(sys.argv[2]), streams=int(sys.argv[3]), rate=float(sys.argv[4]))
