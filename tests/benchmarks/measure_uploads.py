"""What becomes of damaged files that people upload: a line of figures for each kind of damage.

    PYTHONPATH=tests python tests/benchmarks/measure_uploads.py [--files 1000] [--seed 20] [--keep FOLDER]

The dashboard's server runs in a process of its own. Each file is sent to it with the PUT that the page uses, two at a
time, and followed until its analysis is over. Whatever should not be is printed at the end, and the exit status is 1.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from support.faults import free_port, until
from support.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
ANSWER = 60.0  # seconds within which an upload is taken or refused
OVER = 120.0  # seconds within which a small file's analysis is over, once it is its turn
AT_ONCE = 2
POOL = min(32, (os.cpu_count() or 1) + 4)  # threads of asyncio.to_thread at most
RESULTS = {"report.json", "timeline.csv"}  # at least
_SECRETS_OF_PYTHON = re.compile(r"Traceback|File \"|Error\(|0x[0-9a-f]{6}|internal error|please report")


@dataclass
class Fate:
    """What became of one file."""

    mutant: Mutant
    outcome: str  # refused, analysed, in part, failed
    said: str
    answered: float  # seconds until the answer
    seconds: float  # until all was over
    faults: list[str] = field(default_factory=list)


class Server:
    """The dashboard, without sources, in a process of its own; and what that process holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        (folder / "tmp").mkdir(parents=True)
        environment = os.environ | {
            "DEEPFAKE_MONITOR_EVIDENCE__FOLDER": str(folder / "kept"),
            "DEEPFAKE_MONITOR_DASHBOARD__SOURCES": "",
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": os.pathsep.join((str(ROOT / "tests"), str(ROOT))),
            "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none",
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            "STREAMLIT_SERVER_HEADLESS": "true",
        }
        command = [sys.executable, __file__, "--serve", str(self.port), str(folder / "token")]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self._proc = Path(f"/proc/{self.process.pid}")
        until(self.lives)
        self.token = (folder / "token").read_text()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def analyses(self) -> Path:
        return self.folder / "kept" / "analyses"

    def lives(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=10):  # noqa: S310
            return self.process.poll() is None
        return False

    def put(self, mutant: Mutant) -> tuple[int, dict[str, object]]:
        query = urllib.parse.urlencode({"name": mutant.name, "token": self.token})
        request = urllib.request.Request(f"{self.url}/monitor/upload?{query}", data=mutant.content, method="PUT")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=ANSWER) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def held(self) -> dict[str, int]:
        """Descriptors, those of the database apart; threads, processes."""
        tasks = list((self._proc / "task").iterdir())
        children = sum(len((task / "children").read_text().split()) for task in tasks)
        files = list(self._open_files())
        of_database = sum("flags.db" in target for target in files)
        return {
            "descriptors": len(files) - of_database,
            "database": of_database,
            "threads": len(tasks),
            "processes": children,
        }

    def _open_files(self) -> Iterator[str]:
        for descriptor in (self._proc / "fd").iterdir():
            with suppress(OSError):  # it was closed meanwhile
                yield str(descriptor.readlink())

    def temporary(self) -> set[Path]:
        return set((self.folder / "tmp").iterdir())

    def resident(self) -> tuple[int, int]:
        """MB of the server, and of the largest process that it has started."""
        family = [(self.process.pid, self._proc)]
        for task in (self._proc / "task").iterdir():
            with suppress(OSError):
                family += [(int(pid), Path("/proc") / pid) for pid in (task / "children").read_text().split()]
        sizes = {}
        for pid, proc in family:
            with suppress(OSError, IndexError):
                sizes[pid] = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1_000_000
        mine = sizes.pop(self.process.pid, 0)
        return mine, max(sizes.values(), default=0)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.end()


def sentence_faults(said: str, mutant: Mutant, server: Server) -> list[str]:
    """What is wrong with what a person is told."""
    faults = []
    if not said or "\n" in said or len(said) > 300:
        faults.append(f"no sentence: {said!r}")
    if _SECRETS_OF_PYTHON.search(said):
        faults.append(f"a programmer's words: {said!r}")
    if str(server.folder) in said:
        faults.append(f"a path of the server: {said!r}")
    if mutant.name not in said:
        faults.append(f"not the file's name: {said!r}")
    return faults


def fate(server: Server, mutant: Mutant, turn: threading.Semaphore) -> Fate:
    """Send it, wait until nothing more happens to it, look at what is left."""
    with turn:
        began = time.monotonic()
        try:
            status, answer = server.put(mutant)
        except (OSError, ValueError) as error:
            return Fate(mutant, "no answer", repr(error), 0.0, time.monotonic() - began, [f"no answer: {error!r}"])
        answered = time.monotonic() - began
        if status != 200:
            said = str(answer.get("error", ""))
            found = sentence_faults(said, mutant, server) + ([f"status {status}"] if status != 400 else [])
            return Fate(mutant, "refused", said, answered, answered, found)
        folder = server.analyses / str(answer["id"])
        while (job := json.loads((folder / "job.json").read_bytes()))["state"] in ("queued", "running"):
            if time.monotonic() - began > OVER:
                return Fate(mutant, "hang", "", answered, OVER, [f"{job['state']} after {OVER:.0f} s"])
            time.sleep(0.02)
        return _analysed(server, mutant, folder, job, times=(answered, time.monotonic() - began))


def _analysed(server: Server, mutant: Mutant, folder: Path, job: dict[str, str], *, times: tuple[float, float]) -> Fate:
    results = list((folder / "results").iterdir()) if (folder / "results").is_dir() else []
    if job["state"] == "failed":
        found = sentence_faults(job["why"], mutant, server)
        found += [f"left behind: {path}" for path in results]
        return Fate(mutant, "failed", job["why"], *times, found)
    found, lost = [], {}
    if len(results) != 1 or not {path.name for path in results[0].iterdir()} >= RESULTS:
        found.append(f"half a result: {results}")
    else:
        report = json.loads((results[0] / "report.json").read_bytes())
        lost = report["frames"]["lost"]
        found += [f"left behind: {path}" for path in results[0].rglob("*.partial")]
    if job["why"]:
        found += sentence_faults(job["why"], mutant, server)
    return Fate(mutant, "in part" if job["why"] or lost else "analysed", job["why"], *times, found)


class Watcher(threading.Thread):
    """Looks at the memory of a server, several times a second."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server, self.over = server, threading.Event()
        self.peak = self.peak_child = 0

    def run(self) -> None:
        while not self.over.wait(0.1):
            with suppress(OSError):
                mine, child = self._server.resident()
                self.peak, self.peak_child = max(self.peak, mine), max(self.peak_child, child)


def settled(server: Server) -> dict[str, int]:
    """What it holds when nothing is under way: the least of a second."""
    looks: deque[dict[str, int]] = deque(maxlen=20)
    for _ in range(20):
        looks.append(server.held())
        time.sleep(0.05)
    return {name: min(look[name] for look in looks) for name in looks[0]}


def leftovers(server: Server, *, own: set[Path]) -> list[str]:
    """What lies where nothing should; ``own`` are the temporary files of the server itself."""
    found = [f"no job: {folder}" for folder in server.analyses.iterdir() if not (folder / "job.json").is_file()]
    found += [f"unfinished: {path}" for path in server.analyses.rglob("*.partial")]
    found += [f"temporary: {path}" for path in server.temporary() - own]
    log = server.log
    if "Traceback" in log:
        found.append(f"in the log: {log[log.index('Traceback') :][:3000]}")
    return found + ([] if server.lives() else ["the server is dead"])


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What is held that was not before; pools begin threads and connections as they are needed, and keep them."""
    spare = {"threads": POOL, "database": 2 * (AT_ONCE - 1)}  # a connection has two files
    return [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in before
        if after[name] > before[name] + spare.get(name, 0)
    ]


def all_fates(server: Server, files: Iterable[Mutant], *, echo: bool = False) -> list[Fate]:
    turn = threading.Semaphore(AT_ONCE)
    found = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(lambda mutant: fate(server, mutant, turn), files):
            found.append(one)
            if echo and (one.faults or len(found) % 50 == 0):
                print(f"{len(found)}: {one.mutant.name} ({one.mutant.kind}): {one.outcome} {one.faults}", flush=True)
    return found


def told(fates: list[Fate]) -> None:
    outcomes = sorted({one.outcome for one in fates})
    kinds = sorted({one.mutant.kind.partition(",")[0] for one in fates})
    print(f"| damage | {' | '.join(outcomes)} |")
    for kind in kinds:
        counts = Counter(one.outcome for one in fates if one.mutant.kind.partition(",")[0] == kind)
        print(f"| {kind} | {' | '.join(str(counts[outcome]) for outcome in outcomes)} |")
    counts = Counter(one.outcome for one in fates)
    print(f"| all | {' | '.join(str(counts[outcome]) for outcome in outcomes)} |")
    for name in ("answered", "seconds"):
        p50, p95, most = np.quantile([getattr(one, name) for one in fates], [0.5, 0.95, 1.0])
        print(f"{name}: p50 {p50:.2f}, p95 {p95:.2f}, max {most:.2f} s")
    sentences = Counter(re.sub(r"\d+", "N", one.said.replace(one.mutant.name, "FILE")) for one in fates if one.said)
    for said, count in sentences.most_common():
        print(f"{count:5} {said}")


def serve(port: int, token_file: Path) -> None:
    """Be the server: a page's token into a file, then requests until the end."""
    sys.path.insert(0, str(ROOT))
    import uvicorn

    import streamlit_app
    from monitor.server import service
    from monitor.server.auth.user import Role, User

    monitor_service = service.current()
    token = monitor_service.sessions.create_token()
    monitor_service.sessions.join(token, monitor_service.sessions.begin(User("", Role.REVIEWER)))
    token_file.write_text(token)
    uvicorn.run(streamlit_app.app, host="127.0.0.1", port=port, log_level="warning")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="leave the files and the server's folder there")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "TOKEN_FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(int(given.serve[0]), Path(given.serve[1]))
        return 0
    folder = given.keep or Path(tempfile.mkdtemp())
    (folder / "seeds").mkdir(parents=True)
    with serving(folder / "server") as server:
        all_fates(server, mutants(folder / "seeds", 30, seed=0))  # the networks are loaded, all threads begun
        before, memory, own = settled(server), server.resident()[0], server.temporary()
        watcher = Watcher(server)
        watcher.start()
        began = time.monotonic()
        fates = all_fates(server, mutants(folder / "seeds", given.files, seed=given.seed), echo=True)
        seconds = time.monotonic() - began
        watcher.over.set()
        watcher.join()
        after, left = settled(server), leftovers(server, own=own)
        told(fates)
        print(f"{len(fates)} files in {seconds:.0f} s; held before {before}, after {after}")
        print(f"server {memory} MB before, {server.resident()[0]} MB after, {watcher.peak} MB at most", end="; ")
        print(f"a reading process {watcher.peak_child} MB at most")
    wrong = [f"{one.mutant.name} ({one.mutant.kind}): {fault}" for one in fates for fault in one.faults] + left
    wrong += grown(before, after)
    print(f"{len(wrong)} things that should not be", *wrong, sep="\n")
    if not given.keep:
        shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
