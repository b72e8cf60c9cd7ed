"""The actor of ``fleet analyze``: it owns the engines of its process and analyses one file after the other."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from monitor import __version__, api
from monitor.analysis.pipeline import Engines
from monitor.errors import ClusterError, MonitorError, SourceError, SourceNotFoundError, SourceUnavailableError
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.file_outcome import DoneMarker, FileOutcome, Recipe
from monitor.fleet.remote_store import open_filesystem, reason_of
from monitor.fleet.results_store import ResultsStore, open_results_store
from monitor.fleet.scratch_folder import remove_abandoned, scratch_folder
from monitor.media.sources import Source, open_isolated
from monitor.results.report_content import ModelSummary
from monitor.settings import Settings
from monitor.system.masking import printable

PLACE_FILE: Final = ".fleet"  # in the place of the results; holds a random number


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What every worker does, and how it proves that it can."""

    settings: Settings
    out: str  # path or URL of the results
    video: bool = True  # whether annotated.mp4 is written
    program: str = __version__  # version of the command
    place: str | None = None  # content of PLACE_FILE in ``out``: a worker that reads another one is in another folder
    sample: ArchiveSource | None = None  # a local file that every node must be able to read


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says about itself before its first file."""

    node_id: str  # Ray's
    node: str  # name of the machine
    pid: int
    recipe: Recipe | None  # None: it cannot work
    refusal: str | None = None  # why it cannot work


class ArchiveWorker:
    """Analyses files as ``monitor.analyze`` does, and publishes each result whole; runs as a Ray actor.

    No failure of a file leaves it as an exception: it is an outcome.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self._plan = plan
        self._node = socket.gethostname()
        self._recipe: Recipe | None = None

    def check(self) -> WorkerReport:
        """Loads the engines, and checks that this node has the program and sees the files."""
        try:
            recipe, refusal = self._prepare(), None
        except MonitorError as error:
            recipe, refusal = None, str(error)
        self._recipe = recipe
        return WorkerReport(_node_id(), self._node, pid=os.getpid(), recipe=recipe, refusal=refusal)

    def analyse(self, source: ArchiveSource) -> FileOutcome:
        """Analyses one file, unless its result is there already."""
        try:
            return self._analyse(source)
        except MonitorError as error:
            return FileOutcome.failed(source, error, node=self._node)
        except Exception as error:  # noqa: BLE001 - one file never stops the rest
            failure = MonitorError(f"{source.name}: internal error: {error!r}; please report it")
            return FileOutcome.failed(source, failure, node=self._node)

    def _prepare(self) -> Recipe:
        plan = self._plan
        if plan.program != __version__:
            raise ClusterError(
                f"{self._node} runs deepfake-monitor {__version__}, the command {plan.program}: install one version"
            )
        if plan.place is not None and self._store.read_text(PLACE_FILE) != plan.place:
            raise ClusterError(
                f"{self._node} does not see the folder of the results, {plan.out}: share it between all nodes under "
                "the same path, or use --out s3://..."
            )
        if plan.sample is not None:
            self._require_readable(plan.sample)
        remove_abandoned()
        summary = ModelSummary.of_committee(self._engines.committee)
        return Recipe.of(plan.settings, weights_sha256=summary.weights_sha256, video=plan.video)

    def _require_readable(self, sample: ArchiveSource) -> None:
        try:
            with Path(sample.address).open("rb"):
                same = sample.look_again() == sample
        except (OSError, SourceError):
            same = False
        if not same:
            raise ClusterError(
                f"{self._node} cannot read {sample.name} as it is on the machine of the command: share the folder "
                "between all nodes under the same path, or use s3://..."
            )

    @property
    def _engines(self) -> Engines:
        return api.load_engines(self._plan.settings)  # once per process

    @property
    def _store(self) -> ResultsStore:
        return open_results_store(self._plan.out)

    def _analyse(self, source: ArchiveSource) -> FileOutcome:
        plan, recipe, store = self._plan, self._recipe, self._store
        if recipe is None:
            raise ClusterError(f"{self._node} cannot analyse {source.name}: the worker was not checked")
        before = source.look_again() if source.size is not None or source.is_remote else source
        done = store.markers([source.key]).get(source.key)
        if done is not None and done.covers(before, recipe):
            return replace(done.outcome, earlier=True)
        with scratch_folder() as folder, _open(before, folder, plan.settings) as opened:
            report = api.analyze(
                opened, settings=plan.settings, engines=self._engines, out=folder / "results", video=plan.video
            )
            if before.size is not None and source.look_again() != before:
                raise SourceUnavailableError(f"{source.name} changed while it was read; run the command again")
            if report.folder is None:
                raise MonitorError(f"{source.name}: the analysis left no result; please report it")
            outcome = FileOutcome.of(report, source=source, node=self._node)
            marker = DoneMarker.of(before, recipe, outcome)
            published, is_new = store.publish(report.folder, marker, key=source.key)
        return replace(published.outcome, earlier=not is_new)


@contextmanager
def _open(source: ArchiveSource, folder: Path, settings: Settings) -> Iterator[Source]:
    """Opens a file in the decoding process; one of a store is fetched first, and keeps its address as its name."""
    if not source.is_remote:
        with open_isolated(source.address, settings.source) as opened:
            yield opened
        return
    path = folder / "source" / printable(PurePosixPath(source.address).name)
    path.parent.mkdir()
    _fetch(source, path)
    with open_isolated(path, settings.source) as opened:
        opened.info = replace(opened.info, name=source.name)
        yield opened


def _fetch(source: ArchiveSource, path: Path) -> None:
    filesystem, stored = open_filesystem(source.address)
    try:
        filesystem.get_file(stored, str(path))
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{source.name} no longer exists") from error
    except Exception as error:
        raise SourceUnavailableError(f"{source.name} cannot be fetched: {reason_of(error)}") from error


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
