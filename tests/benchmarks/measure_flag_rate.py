"""Flags per second into SQLite and PostgreSQL, and reads of a large database; takes three minutes.

    PYTHONPATH=tests:. python tests/benchmarks/measure_flag_rate.py [--flags 200] [--writers 1,4] [--stored 100000]

Each writer is a process with its own connection, as a node of a fleet has. A flag has a picture and a crop. The files
are on this disk in both cases: only the database differs.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from support import postgres_server
from support.flagging import flag

from monitor.flags.archive import FlagArchive
from monitor.flags.database import _row
from monitor.flags.queries import FlagQuery
from monitor.flags.tables import flags as table
from monitor.types import Origin

FILES = {"frame.jpg": bytes(150_000), "face.jpg": bytes(8_000)}
TRACE = ({"after": "SUSPICIOUS", "witnesses": [{"media_time": 1.0, "log_odds": 2.0}] * 12},)
BATCH = 1000


def write(folder: Path, url: str, *, first: int, count: int, begin: Any, done: Any) -> None:
    """Add flags as fast as possible, from the common start on; put the seconds of each into ``done``."""
    with FlagArchive(folder, url=url) as archive:
        begin.wait()
        taken = []
        for number in range(first, first + count):
            began = time.monotonic()
            archive.add(flag(number, trace=TRACE), FILES)
            taken.append(time.monotonic() - began)
        done.put(taken)


def burst(folder: Path, url: str, *, writers: int, count: int, first: int) -> None:
    begin, done = multiprocessing.Barrier(writers + 1), multiprocessing.Queue()
    each = count // writers
    processes = [
        multiprocessing.Process(
            target=write,
            args=(folder, url),
            kwargs={"first": first + number * each, "count": each, "begin": begin, "done": done},
        )
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    begin.wait()
    began = time.monotonic()
    taken = sorted(one for _ in processes for one in done.get(timeout=600))
    seconds = time.monotonic() - began
    for process in processes:
        process.join()
    p50, p95 = (1000 * taken[round(share * (len(taken) - 1))] for share in (0.5, 0.95))
    print(
        f"  {writers} writers: {len(taken) / seconds:.0f} flags/s, each p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True
    )


def read(folder: Path, url: str, *, stored: int) -> None:
    """Fill the table and time what the pages and ``/metrics`` ask."""
    with FlagArchive(folder, url=url) as archive:
        for first in range(0, stored, BATCH):
            rows = [
                _row(flag(1_000_000 + number, origin=Origin.AUTOMATIC, trace=TRACE))
                for number in range(first, first + BATCH)
            ]
            with archive.store.database.writing() as connection:
                connection.execute(table.insert(), rows)
        record = len(json.dumps(flag(0, trace=TRACE).record()))
        print(f"  {archive.store.count()} flags of {record} bytes each as a record:", end="")
        for name, ask in (
            ("first page of the list", lambda: archive.store.find(limit=100)),
            ("page 500", lambda: archive.store.find(limit=100, offset=50_000)),
            ("search for a text", lambda: archive.store.find(FlagQuery(text="door"), limit=100)),
            ("a count for /metrics", lambda: archive.store.count(FlagQuery(origin=Origin.AUTOMATIC, reviewed=False))),
            ("size of all files", lambda: archive.size),
        ):
            began = time.monotonic()
            ask()
            print(f" {name} {1000 * (time.monotonic() - began):.0f} ms;", end="")
        print(flush=True)


@contextmanager
def postgres() -> Iterator[str]:
    with postgres_server.serve() as folder, postgres_server.database(folder, "flags") as url:
        yield url


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flags", type=int, default=200)
    parser.add_argument("--writers", default="1,4")
    parser.add_argument("--stored", type=int, default=100_000)
    wanted = parser.parse_args()
    kinds = {"SQLite": nullcontext("")}
    if postgres_server.missing() is None:
        kinds["PostgreSQL"] = postgres()
    for kind, opened in kinds.items():
        print(f"{kind}:", flush=True)
        with tempfile.TemporaryDirectory() as name, opened as url:
            folder = Path(name)
            FlagArchive(folder, url=url).store.close()  # makes the tables
            for number, writers in enumerate(map(int, wanted.writers.split(","))):
                burst(folder, url, writers=writers, count=wanted.flags, first=number * wanted.flags)
            read(folder, url, stored=wanted.stored)


if __name__ == "__main__":
    main()
