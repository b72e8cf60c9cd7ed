"""Which worker gets which file, and what becomes of a file whose worker dies; Ray itself is in ``test_batch``."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.errors import ClusterError
from monitor.fleet import worker_pool
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.archive_worker import BatchPlan, WorkerReport
from monitor.fleet.cluster import ClusterNode
from monitor.fleet.file_outcome import FileOutcome, Recipe
from monitor.fleet.worker_pool import PoolSettings, WorkerPool
from monitor.settings import Settings

RECIPE = Recipe.of(Settings(), weights_sha256="w", video=True)


class ActorLostError(Exception):
    """Stands in for RayActorError."""


class TaskFailedError(Exception):
    """Stands in for RayTaskError."""

    cause = SystemExit(1)


@dataclass
class RayStandIn:
    """Actors whose calls end at once, in the order in which they were made."""

    check: Callable[[int], WorkerReport]  # by the number of the actor
    analyse: Callable[[str, str], FileOutcome]  # by node and address
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(RayActorError=ActorLostError, RayTaskError=TaskFailedError)
    )
    actors: int = 0
    killed: list[int] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    analysed: list[str] = field(default_factory=list)

    def method(self, **_: object) -> Callable[[Any], Any]:
        return lambda function: function

    def remote(self, _: type) -> Any:
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda plan: self._actor(options)))

    def _actor(self, options: dict[str, Any]) -> Any:
        self.options.append(options)
        number, self.actors = self.actors, self.actors + 1

        def analyse(source: ArchiveSource) -> FileOutcome:
            self.analysed.append(source.address)
            return self.analyse(self.check(number).node_id, source.address)

        return SimpleNamespace(
            number=number,
            check=SimpleNamespace(remote=lambda: _Call(lambda: self.check(number))),
            analyse=SimpleNamespace(remote=lambda source: _Call(lambda: analyse(source))),
        )

    def wait(self, calls: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        return calls[:1], calls[1:]

    def get(self, call: Any) -> Any:
        return call.end()

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.number)


@dataclass(eq=False)
class _Call:
    end: Callable[[], Any]


def report(number: int) -> WorkerReport:
    return WorkerReport(f"node{number}", f"host{number}", pid=number, recipe=RECIPE)


def analysed(_: str, address: str) -> FileOutcome:
    return FileOutcome(address, label="LIKELY_REAL")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, ClusterNode]:
    living = {f"node{number}": ClusterNode(f"node{number}", "host", cpus=1, gpus=1) for number in range(2)}
    monkeypatch.setattr(worker_pool, "living_nodes", lambda: living)
    monkeypatch.setattr(worker_pool, "_POLL", 0.001)
    monkeypatch.setattr(worker_pool, "_GROW_INTERVAL", 0.0)
    return living


def run(ray: RayStandIn, addresses: str, settings: PoolSettings | None = None) -> tuple[list[FileOutcome], list[str]]:
    warnings: list[str] = []
    settings = settings or PoolSettings(node_death_time=0.0)
    pool = WorkerPool(ray, BatchPlan(Settings(), out="out"), settings, warn=warnings.append)  # type: ignore[arg-type]
    sources = [ArchiveSource(address) for address in addresses]
    try:
        return list(pool.run(sources, undone=lambda recipe: sources)), warnings
    finally:
        pool.close()


def test_each_file_is_analysed_once_by_a_worker_per_slot(nodes: dict[str, ClusterNode]) -> None:
    ray = RayStandIn(report, analysed)
    outcomes, warnings = run(ray, "abcde")
    assert sorted(outcome.source for outcome in outcomes) == sorted(ray.analysed) == list("abcde")
    assert (ray.actors, sorted(ray.killed), warnings) == (2, [0, 1], [])
    assert ray.options[0] == {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1, "scheduling_strategy": "SPREAD"}


@pytest.mark.parametrize(
    ("settings", "files", "actors"),
    [
        (PoolSettings(workers=1), "abc", 1),
        (PoolSettings(gpu_share=0.25), "abcdefghij", 8),
        (PoolSettings(), "a", 1),
    ],
)
def test_the_number_of_workers(nodes: dict[str, ClusterNode], settings: PoolSettings, files: str, actors: int) -> None:
    ray = RayStandIn(report, analysed)
    assert len(run(ray, files, settings)[0]) == len(files)
    assert ray.actors == actors
    assert ray.options[0]["num_gpus"] == settings.gpu_share


def test_new_nodes_get_workers(nodes: dict[str, ClusterNode]) -> None:
    def come(node: str, address: str) -> FileOutcome:
        nodes["node2"] = ClusterNode("node2", "host", cpus=1, gpus=0)
        return analysed(node, address)

    ray = RayStandIn(report, come)
    run(ray, "abcdefgh")
    assert ray.actors == 3


def test_a_file_with_which_two_workers_died_fails_and_the_rest_is_done(nodes: dict[str, ClusterNode]) -> None:
    def die(node: str, address: str) -> FileOutcome:
        if address == "b":
            raise ActorLostError("killed")
        return analysed(node, address)

    ray = RayStandIn(report, die)
    outcomes, _ = run(ray, "abc")
    failed = {outcome.source: outcome.error for outcome in outcomes if outcome.error}
    assert list(failed) == ["b"]
    assert "2 workers died while they analysed it" in str(failed["b"])
    assert ray.analysed.count("b") == 2
    assert len(outcomes) == 3


def test_a_worker_that_died_with_its_node_does_not_count_against_the_file(nodes: dict[str, ClusterNode]) -> None:
    losses = []

    def die(node: str, address: str) -> FileOutcome:
        if len(losses) < 3:
            losses.append(node)
            nodes.pop(node, None)
            raise ActorLostError("its node died")
        return analysed(node, address)

    outcomes, _ = run(RayStandIn(report, die), "a")
    assert [outcome.error for outcome in outcomes] == [None]
    assert len(losses) == 3


def test_a_node_that_cannot_work_is_named_and_the_others_go_on(nodes: dict[str, ClusterNode]) -> None:
    def check(number: int) -> WorkerReport:
        found = report(number)
        return found if number else replace(found, recipe=None, refusal="host0 cannot read /archive/a.mp4")

    outcomes, warnings = run(RayStandIn(check, analysed), "abc")
    assert len(outcomes) == 3
    assert warnings == ["not used: host0 cannot read /archive/a.mp4"]


def test_a_node_with_other_weights_is_not_used(nodes: dict[str, ClusterNode]) -> None:
    def check(number: int) -> WorkerReport:
        return replace(report(number), recipe=replace(RECIPE, weights_sha256=str(number)))

    outcomes, warnings = run(RayStandIn(check, analysed), "abc")
    assert len(outcomes) == 3
    assert warnings == ["not used: host1 has other weights than the other nodes: install the same on each node"]


def test_without_any_worker_it_ends_with_the_reason(nodes: dict[str, ClusterNode]) -> None:
    with pytest.raises(ClusterError, match="no weights"):
        run(RayStandIn(lambda number: replace(report(number), recipe=None, refusal="no weights"), analysed), "abc")

    def crash(_: int) -> WorkerReport:
        raise ActorLostError("The actor died.\n  ModuleNotFoundError: No module named 'monitor'")

    with pytest.raises(ClusterError, match="is deepfake-monitor installed on each node") as caught:
        run(RayStandIn(crash, analysed), "abc")
    assert "No module named 'monitor'" in str(caught.value)


def test_an_error_of_the_actor_is_that_of_the_file(nodes: dict[str, ClusterNode]) -> None:
    def fail(node: str, address: str) -> FileOutcome:
        raise TaskFailedError

    outcomes, _ = run(RayStandIn(report, fail), "a")
    assert "internal error" in str(outcomes[0].error)


def test_a_person_learns_that_the_cluster_is_full(
    nodes: dict[str, ClusterNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_PATIENCE", 0.0)
    waits = []

    class Busy(RayStandIn):
        def wait(self, calls: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
            waits.append(1)
            return (calls[:1], []) if len(waits) > 2 else ([], calls)

    outcomes, warnings = run(Busy(report, analysed), "a")
    assert len(outcomes) == 1
    assert "does the cluster have a free CPU slot" in warnings[0]
