"""Analyses an archive on a cluster, and writes the table of all its files."""

import csv
import io
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, fields, replace
from os import devnull
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.archive_worker import PLACE_FILE, BatchPlan
from monitor.fleet.file_outcome import FileOutcome, Recipe
from monitor.fleet.results_store import ResultsStore, open_results_store
from monitor.fleet.worker_pool import PoolSettings, WorkerPool
from monitor.settings import Settings

CSV_FILE: Final = "results.csv"
JSONL_FILE: Final = "results.jsonl"


@dataclass(frozen=True, slots=True)
class BatchObserver:
    """What a batch tells while it runs, on the thread that runs it."""

    on_outcome: Callable[[FileOutcome, ArchiveSource], None]
    warn: Callable[[str], None]


def run_batch(
    ray: ModuleType,
    sources: Sequence[ArchiveSource],
    *,
    plan: BatchPlan,
    pool: PoolSettings,
    observer: BatchObserver,
) -> list[FileOutcome]:
    """Analyses all files that have no result yet; writes ``results.csv`` and ``results.jsonl``, also when interrupted.

    Args:
        ray: the module, connected to a cluster.
        sources: each file once.
        plan: what the workers do; its place and sample are set here.

    Returns:
        The outcomes in the order of ``sources``.

    Raises:
        ClusterError: no worker can work.
        OutputError: the results cannot be written.
    """
    store = open_results_store(plan.out)
    by_name = {source.name: source for source in sources}
    outcomes: dict[str, FileOutcome] = {}

    def add(outcome: FileOutcome) -> None:
        outcomes[outcome.source] = outcome
        observer.on_outcome(outcome, by_name[outcome.source])

    def undone(recipe: Recipe) -> list[ArchiveSource]:
        """The files without a result, large ones first, so that no worker ends with a long file while others rest."""
        found = store.markers([source.key for source in sources])
        rest = []
        for source in sources:
            marker = found.get(source.key)
            if marker is not None and marker.covers(source, recipe):
                add(replace(marker.outcome, earlier=True))
            else:
                rest.append(source)
        return sorted(rest, key=lambda source: -(source.size or 0))

    try:
        sample = next((one for one in sources if one.size is not None and not one.is_remote), None)
        plan = replace(plan, place=_mark_place(store), sample=sample)
        with _quiet(), closing(WorkerPool(ray, plan, pool, warn=observer.warn)) as workers:
            for outcome in workers.run(sources, undone=undone):
                add(outcome)
    finally:
        rows = [outcomes[source.name] for source in sources if source.name in outcomes]
        if rows:
            store.write_text(CSV_FILE, to_csv(rows))
            store.write_text(JSONL_FILE, to_jsonl(rows))
    return rows


def shippable(settings: Settings) -> Settings:
    """The settings that an analysis uses; others, such as passwords of outlets, do not leave this machine."""
    used: dict[str, Any] = settings.record()
    used["cache_dir"] = settings.cache_dir
    used["credentials"] = {"trusted_signers": settings.credentials.trusted_signers}
    return Settings.model_validate(used)


def to_csv(outcomes: Sequence[FileOutcome]) -> str:
    """One row per file, with a header."""
    text = io.StringIO(newline="")
    names = [item.name for item in fields(FileOutcome)]
    rows = csv.DictWriter(text, names, lineterminator="\n")
    rows.writeheader()
    rows.writerows(asdict(outcome) for outcome in outcomes)
    return text.getvalue()


def to_jsonl(outcomes: Sequence[FileOutcome]) -> str:
    """One JSON object per file and line."""
    return "".join(json.dumps(asdict(outcome), ensure_ascii=False) + "\n" for outcome in outcomes)


def _mark_place(store: ResultsStore) -> str:
    """The number by which workers know that they see the same place; written by the first run, then kept."""
    number = store.read_text(PLACE_FILE)
    if number is None:
        store.write_text(PLACE_FILE, secrets.token_hex(8))
        number = store.read_text(PLACE_FILE)
    return number or ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray prints a paragraph about each lost worker on stdout, which is for results."""
    with Path(devnull).open("w", encoding="utf-8") as sink, redirect_stdout(sink):
        yield
