"""Reads per second of the REST API, and their effect on the live picture; takes two minutes.

    PYTHONPATH=tests:. python tests/benchmarks/measure_api.py --rate 1000

Starts the server on the demo stream. One viewer watches it as a browser does. In every second round, another process
reads ``GET /streams`` at the given rate. Compared are the ages of the frames at the viewer, round by round.
"""

import argparse
import asyncio
import multiprocessing
import signal
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.measure_dashboard import address_of_stream, looking, quantiles
from support.dashboard_server import Dashboard
from support.live_page import browsing

CONNECTIONS = 32


def read(port: int, path: str, *, rate: float, over: Event, done: "multiprocessing.Queue[tuple[int, float]]") -> None:
    """Send requests at a rate until the end, on several connections at the same time."""
    began = time.monotonic()
    counts = asyncio.run(read_all(port, path, rate=rate / CONNECTIONS, over=over))
    done.put((sum(counts), time.monotonic() - began))


async def read_all(port: int, path: str, *, rate: float, over: Event) -> list[int]:
    return await asyncio.gather(*(read_one(port, path, rate=rate, over=over) for _ in range(CONNECTIONS)))


async def read_one(port: int, path: str, *, rate: float, over: Event) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    count, began = 0, time.monotonic()
    while not over.is_set():
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(
            next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        )
        count += 1
        await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
    writer.close()
    return count


def reads_per_second(port: int, path: str, *, rate: float, seconds: float) -> float:
    over, done = multiprocessing.Event(), multiprocessing.Queue()
    reader = multiprocessing.Process(target=read, args=(port, path), kwargs={"rate": rate, "over": over, "done": done})
    reader.start()
    time.sleep(seconds)
    over.set()
    count, took = done.get(timeout=60)
    reader.join()
    return count / took


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads per second, and their effect on the live picture.")
    parser.add_argument("--rate", type=float, default=1000.0, help="reads per second")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dashboard = Dashboard(Path(folder) / "evidence", API__READS_PER_MINUTE="600000")
        dashboard.start()
        try:
            measure(dashboard, rate=wanted.rate, rounds=wanted.rounds, seconds=wanted.seconds)
        finally:
            dashboard.end(signal.SIGTERM)


def measure(dashboard: Dashboard, *, rate: float, rounds: int, seconds: float) -> None:
    with browsing() as browser:
        page = browser.new_page()
        url = address_of_stream(page, dashboard)
        page.close()  # its token stays valid
        ages: dict[bool, list[float]] = {False: [], True: []}
        reached = []
        for number in range(2 * rounds):
            is_read = number % 2 == 1
            with looking(url, 1) as eyes:
                if is_read:
                    reached.append(reads_per_second(dashboard.port, "/api/v1/streams", rate=rate, seconds=seconds))
                else:
                    time.sleep(seconds)
            ages[is_read] += eyes[0].ages[10:]
    print(f"without reads: {len(ages[False])} frames, age {quantiles(ages[False])}")
    print(f"with {statistics.median(reached):.0f} reads/s: {len(ages[True])} frames, age {quantiles(ages[True])}")
    fastest = [
        reads_per_second(dashboard.port, path, rate=1e9, seconds=seconds / 2)
        for path in ("/healthz", "/api/v1/streams")
    ]
    ratio = fastest[1] / fastest[0]
    print(f"as fast as {CONNECTIONS} connections can: GET /streams {fastest[1]:.0f}/s, {ratio:.2f} of /healthz")


if __name__ == "__main__":
    main()
