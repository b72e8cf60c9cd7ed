"""Batches of a few fixed sizes (buckets), each recorded or compiled once; any batch is fitted into them.

A batch is padded to the next bucket, or split into pieces of the largest one. The next piece is uploaded while one
piece is computed. If the GPU lacks memory for a bucket, only smaller ones are used from then on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.types import Floats, Pixels

if TYPE_CHECKING:
    import torch

BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64)  # rows

_log = logging.getLogger(__name__)


class ShapeRunner(Protocol):
    """Runs a network at one batch size."""

    def start(self, rows: NDArray[Any] | torch.Tensor) -> Callable[[], tuple[Floats, ...]]:
        """Start a batch of at most the runner's size, from arrays on the CPU or tensors on the runner's GPU.

        Returns:
            Waits for the outputs of these rows, float32. Two batches may be pending; their waits are called in order.

        Raises:
            Exception: the runtime failed; the message contains "out of memory" if that is the cause.
        """
        ...


class BucketEngine:
    """An engine with one runner per bucket, opened with the first batch of its size; calls run one at a time.

    Args:
        name: stored in observations.
        open_runner: creates the runner of a bucket; may be slow, may run out of memory.
        release: returns unused memory to the GPU.
        buckets: batch sizes, ascending.
    """

    def __init__(
        self,
        name: str,
        *,
        network: Network,
        open_runner: Callable[[int], ShapeRunner],
        release: Callable[[], None],
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        self.name = name
        self._network = network
        self._open_runner, self._release = open_runner, release
        self._buckets = tuple(buckets)
        self._runners: dict[int, ShapeRunner] = {}
        self._lock = Lock()

    def run(self, batch: Pixels | Floats | torch.Tensor) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``. A batch that exceeds the GPU's memory is split further.

        A batch of GPU tensors is used without a copy to the CPU.
        """
        self._check(batch)
        with self._lock:
            tries = 0  # attempts with one row
            while True:
                try:
                    return self._run_pieces(batch)
                except Exception as error:  # TensorRT's errors have no common type
                    if "out of memory" not in str(error).lower():
                        raise EngineError(
                            f"{self.name} failed on {self._network.name} with a batch of shape {tuple(batch.shape)}: "
                            f"{first_line(error)}"
                        ) from error
                    tries += self._drop_buckets(len(batch), error, last=tries > 0)

    def open(self, bucket: int) -> None:
        """Create the runner of a bucket now instead of with the first batch.

        Raises:
            Exception: the runtime failed, see ``ShapeRunner.start``, or the compiled file cannot be read.
        """
        with self._lock:
            self._runner(bucket)

    def _check(self, batch: Pixels | Floats | torch.Tensor) -> None:
        expected = "uint8" if self._network.preprocessing else "float32"
        given = str(batch.dtype).removeprefix("torch.")
        shape = self._network.engine_shape
        fits = batch.ndim == len(shape) and all(
            free is None or free == size for free, size in zip(shape, batch.shape, strict=True)
        )
        if not fits or given != expected or not len(batch):
            sides = " x ".join("any" if size is None else str(size) for size in shape)
            raise EngineError(
                f"{self.name} runs {self._network.name} on {sides} of {expected}, "
                f"not on a batch of shape {tuple(batch.shape)} of {given}"
            )

    def _run_pieces(self, batch: Pixels | Floats | torch.Tensor) -> tuple[Floats, ...]:
        waiting: deque[Callable[[], tuple[Floats, ...]]] = deque()
        found: list[tuple[Floats, ...]] = []
        try:
            for piece in pieces(len(batch), self._buckets[-1]):
                rows = batch[piece]
                waiting.append(self._runner(bucket_of(len(rows), self._buckets)).start(rows))
                if len(waiting) == 2:
                    found.append(waiting.popleft()())
            while waiting:
                found.append(waiting.popleft()())
        except Exception:
            for finish in waiting:  # a runner must not be freed while it computes
                with suppress(Exception):
                    finish()
            raise
        return found[0] if len(found) == 1 else tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def _runner(self, bucket: int) -> ShapeRunner:
        if bucket not in self._runners:
            self._runners[bucket] = self._open_runner(bucket)
        return self._runners[bucket]

    def _drop_buckets(self, count: int, error: Exception, *, last: bool) -> bool:
        """Drop the buckets that need too much memory and release unused memory; True if even one row was too much."""
        tried = bucket_of(min(count, self._buckets[-1]), self._buckets)
        smaller = tuple(bucket for bucket in self._buckets if bucket < tried)
        self._runners = {bucket: runner for bucket, runner in self._runners.items() if bucket < tried}
        self._release()
        if smaller:
            message = "the GPU has no memory for %d rows of %s: at most %d at a time from now on (%s)"
            _log.warning(message, tried, self._network.name, smaller[-1], first_line(error))
            self._buckets = smaller
        elif last:
            raise EngineError(
                f"the GPU has no memory left to run {self._network.name} even on one row: end other programs on it, "
                f"or choose the setting classifier.backend=onnxruntime ({first_line(error)})"
            ) from error
        return not smaller


def bucket_of(count: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The smallest bucket with at least ``count`` rows; ``count`` must fit the largest one."""
    return next(bucket for bucket in buckets if bucket >= count)


def pieces(count: int, largest: int) -> Iterator[slice]:
    """Slices of ``count`` rows, each of at most ``largest`` rows."""
    return (slice(start, min(start + largest, count)) for start in range(0, count, largest))


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
