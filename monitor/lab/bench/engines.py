"""Comparison of the engines on this machine: speed by batch size, and difference from fp32 torch.

All engines run in one process and take turns, so that a change of machine speed affects all of them. Latencies are
wall-clock time. Shares of the peak use CPU time, which excludes other programs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from monitor.errors import EngineError, MonitorError, UnknownEngineError
from monitor.inference import onnx_int8, parity
from monitor.inference.backends import Backend, Engine, all_backends
from monitor.inference.network import Network
from monitor.inference.onnx_graph import export_in_child
from monitor.inference.torch_runtime import TorchBackend
from monitor.lab.bench.peak import SGEMM_FLOP, sgemm_calls
from monitor.types import Pixels
from monitor.types.formatting import suggest

_Call = tuple[str, int]  # a matrix product or an engine, and the batch size

EXACT_TOLERANCE: Final = 1e-3  # of fp32 on another runtime, in logits and in cells of a map


@dataclass(frozen=True, slots=True)
class EngineSpeed:
    """Speed of one engine at one batch size, over all rounds."""

    faces_per_second: float  # from the median
    p50_ms: float  # of a batch, wall-clock time
    p99_ms: float
    cpu_ms_per_face: float  # median
    peak_share: float | None  # of a core's fp32 matrix product; more than 1 is possible with int8; None on a GPU


@dataclass(frozen=True, slots=True)
class EngineMeasurement:
    """Speed and differences of one engine."""

    backend: str
    engine: str
    batches: Mapping[int, EngineSpeed]
    logit_difference: float  # largest difference from fp32 torch on the reference crops
    map_difference: float


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of comparing one engine with fp32 torch."""

    backend: str
    engine: str  # "" if it could not be built
    passed: bool
    logit_difference: float  # largest, natural log-odds; infinite without an engine
    map_difference: float
    logit_tolerance: float
    map_tolerance: float
    crops: int
    why: str  # a sentence


def available(names: Sequence[str] = ()) -> list[Backend]:
    """The backends that can run here, or those of ``names``.

    Raises:
        EngineError: one of the names is unknown, or cannot run here.
    """
    known = {backend.name: backend for backend in all_backends()}
    for name in names:
        if name not in known:
            raise UnknownEngineError(
                f"unknown engine {name!r}: this program knows {', '.join(known)}{suggest(name, list(known))}"
            )
        if missing := known[name].unavailable():
            raise EngineError(f"the engine {name} cannot be used here: {missing}")
    return [known[name] for name in names] or [one for one in known.values() if one.unavailable() is None]


def compiled(network: Network, backend: Backend, *, threads: int, cache_dir: Path) -> Engine:
    """An engine of the classifier, built if it is not in the cache.

    Raises:
        EngineError: it cannot be built.
        ModelCardError: its table of ranges belongs to other weights.
    """
    with export_in_child():
        return backend.compile(network, threads=threads, cache_dir=cache_dir)


def tolerances(backend: Backend) -> tuple[float, float]:
    """Allowed differences of a backend's engine from fp32 torch: in logits, and in cells of a map."""
    if backend.exact() is backend:
        return EXACT_TOLERANCE, EXACT_TOLERANCE
    gate = parity if backend.on_gpu else onnx_int8
    return gate.LOGIT_TOLERANCE, gate.MAP_TOLERANCE


def verify(network: Network, backend: Backend, *, crops: Pixels, threads: int, cache_dir: Path) -> Verification:
    """Compare one engine with fp32 torch; an engine that cannot be built fails.

    Raises:
        EngineError: the reference cannot be built.
    """
    logit, evidence = tolerances(backend)
    reference = compiled(network, TorchBackend(), threads=threads, cache_dir=cache_dir)
    name, gaps, why = "", (float("inf"), float("inf")), ""
    try:
        engine = compiled(network, backend, threads=threads, cache_dir=cache_dir)
        name = engine.name
        found = parity.measure_parity(engine, reference, crops)
        gaps = (found.logit, found.evidence)
    except MonitorError as error:
        why = str(error)
    passed = gaps[0] <= logit and gaps[1] <= evidence
    if not why:
        said = "says what fp32 torch says" if passed else "does not say what fp32 torch says: use another engine"
        why = f"{name} {said}"
    return Verification(
        backend=backend.name,
        engine=name,
        passed=passed,
        logit_difference=gaps[0],
        map_difference=gaps[1],
        logit_tolerance=logit,
        map_tolerance=evidence,
        crops=len(crops),
        why=why,
    )


def bench(
    engines: Mapping[str, Engine],
    *,
    reference: Engine,
    flop: float,
    crops: Pixels,
    batches: Sequence[int],
    rounds: int,
    on_round: Callable[[], None] = lambda: None,
) -> tuple[list[EngineMeasurement], float]:
    """Time the engines of one classifier in turns, round by round.

    Args:
        engines: by backend.
        reference: fp32 torch.
        flop: of one face, see ``flop_per_face``.
        crops: (N, S, S, 3) uint8; batches are made of them.
        batches: sizes.
        rounds: number of rounds, after one warm-up round.
        on_round: called after each round.

    Returns:
        A row for each engine, and the core's measured peak of fp32 matrix products, FLOP/s.

    Raises:
        EngineError: an engine failed.
    """
    products = sgemm_calls()
    calls: dict[_Call, Callable[[], object]] = {(name, 0): call for name, call in products.items()}
    for size in batches:
        faces = np.ascontiguousarray(crops[np.arange(size) % len(crops)])
        for name, engine in engines.items():
            calls[_key(name, size)] = partial(engine.run, faces)
    wall, cpu = _timed(calls, rounds=rounds, on_round=on_round)
    peak = SGEMM_FLOP / min(np.median(cpu[name, 0]) for name in products)
    on_gpu = {backend.name for backend in all_backends() if backend.on_gpu}  # a core's peak does not apply to these
    rows = []
    for name, engine in engines.items():
        speeds = {}
        for size in batches:
            spent = float(np.median(cpu[_key(name, size)])) / size
            share = None if name in on_gpu else float(flop / spent / peak)
            speeds[size] = _speed(wall[_key(name, size)], size, cpu_seconds=spent, peak_share=share)
        found = parity.measure_parity(engine, reference, crops)
        rows.append(EngineMeasurement(name, engine.name, speeds, found.logit, found.evidence))
    return rows, float(peak)


def flop_per_face(network: Network) -> float:
    """Floating-point operations per face, counted by torch on the fp32 network."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    module = network.build()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(torch.zeros([size or 1 for size in network.input_shape]))
    return float(counter.get_total_flops())


def _key(name: str, size: int) -> _Call:
    return f"engine {name}", size


def _timed(
    calls: Mapping[_Call, Callable[[], object]], *, rounds: int, on_round: Callable[[], None]
) -> tuple[dict[_Call, list[float]], dict[_Call, list[float]]]:
    """Wall-clock and CPU seconds of each call and round, without the warm-up round."""
    wall: dict[_Call, list[float]] = {key: [] for key in calls}
    cpu: dict[_Call, list[float]] = {key: [] for key in calls}
    for _ in range(rounds + 1):
        for key, call in calls.items():
            began, used = time.perf_counter(), time.process_time()
            call()
            wall[key].append(time.perf_counter() - began)
            cpu[key].append(time.process_time() - used)
        on_round()
    return {key: taken[1:] for key, taken in wall.items()}, {key: taken[1:] for key, taken in cpu.items()}


def _speed(seconds: Sequence[float], size: int, *, cpu_seconds: float, peak_share: float | None) -> EngineSpeed:
    half, most = np.percentile(seconds, [50, 99]).tolist()
    return EngineSpeed(
        faces_per_second=size / half,
        p50_ms=1e3 * half,
        p99_ms=1e3 * most,
        cpu_ms_per_face=1e3 * cpu_seconds,
        peak_share=peak_share,
    )
