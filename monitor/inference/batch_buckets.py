"""Batches of a few fixed sizes: what a GPU records or compiles once per size, and any batch is fitted into.

A batch is padded to the next size, or cut into pieces of the largest one. While one piece is computed the next one is
uploaded. Where the GPU has no memory for a size, smaller ones are used from then on.
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
    """A module that runs at one size."""

    def start(self, rows: NDArray[Any] | torch.Tensor) -> Callable[[], tuple[Floats, ...]]:
        """Begin with at most as many rows as the lane is wide, on the CPU or on the lane's GPU.

        Returns:
            Waits for the outputs of those rows, float32. Two may be outstanding; they are called in order.

        Raises:
            Exception: the runtime failed; with "out of memory" in its words if that is why.
        """
        ...


class BucketEngine:
    """An engine of lanes, opened when a batch of their size comes for the first time; calls take turns.

    Args:
        name: what observations carry.
        network: whose outputs these are.
        open_lane: makes the lane of so many rows; may take a while, may run out of memory.
        release: gives unused memory back to the GPU.
        buckets: the sizes, ascending.
    """

    def __init__(
        self,
        name: str,
        *,
        network: Network,
        open_lane: Callable[[int], ShapeRunner],
        release: Callable[[], None],
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        self.name = name
        self._network = network
        self._open_lane, self._release = open_lane, release
        self._buckets = tuple(buckets)
        self._lanes: dict[int, ShapeRunner] = {}
        self._turn = Lock()

    def run(self, batch: Pixels | Floats | torch.Tensor) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``. A batch that does not fit the GPU's memory is cut smaller.

        A batch that was made on the GPU is taken from there.
        """
        self._check(batch)
        with self._turn:
            tries = 0  # with one row
            while True:
                try:
                    return self._in_pieces(batch)
                except Exception as error:  # TensorRT's errors have no common type
                    if "out of memory" not in str(error).lower():
                        raise EngineError(
                            f"{self.name} failed on {self._network.name} with a batch of shape {tuple(batch.shape)}: "
                            f"{first_line(error)}"
                        ) from error
                    tries += self._make_smaller(len(batch), error, last=tries > 0)

    def open(self, bucket: int) -> None:
        """Make the lane of so many rows now, not when the first batch comes.

        Raises:
            Exception: the runtime failed, see ``ShapeRunner.start``, or what the lane is made from cannot be read.
        """
        with self._turn:
            self._lane(bucket)

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

    def _in_pieces(self, batch: Pixels | Floats | torch.Tensor) -> tuple[Floats, ...]:
        waiting: deque[Callable[[], tuple[Floats, ...]]] = deque()
        found: list[tuple[Floats, ...]] = []
        try:
            for piece in pieces(len(batch), self._buckets[-1]):
                rows = batch[piece]
                waiting.append(self._lane(bucket_of(len(rows), self._buckets)).start(rows))
                if len(waiting) == 2:
                    found.append(waiting.popleft()())
            while waiting:
                found.append(waiting.popleft()())
        except Exception:
            for finish in waiting:  # no lane may go while it is at work
                with suppress(Exception):
                    finish()
            raise
        return found[0] if len(found) == 1 else tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def _lane(self, bucket: int) -> ShapeRunner:
        if bucket not in self._lanes:
            self._lanes[bucket] = self._open_lane(bucket)
        return self._lanes[bucket]

    def _make_smaller(self, count: int, error: Exception, *, last: bool) -> bool:
        """Do without the size that was too much, and give back what is unused; whether that size was one row.

        Raises:
            EngineError: it was one row, and this was the last try.
        """
        tried = bucket_of(min(count, self._buckets[-1]), self._buckets)
        smaller = tuple(bucket for bucket in self._buckets if bucket < tried)
        self._lanes = {bucket: lane for bucket, lane in self._lanes.items() if bucket < tried}
        self._release()
        if smaller:
            words = "the GPU has no memory for %d rows of %s: at most %d at a time from now on (%s)"
            _log.warning(words, tried, self._network.name, smaller[-1], first_line(error))
            self._buckets = smaller
        elif last:
            raise EngineError(
                f"the GPU has no memory left to run {self._network.name} even on one row: end what else uses the GPU, "
                f"or choose the setting classifier.backend=onnxruntime ({first_line(error)})"
            ) from error
        return not smaller


def bucket_of(count: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The smallest size that holds ``count`` rows; they must fit the largest one."""
    return next(bucket for bucket in buckets if bucket >= count)


def pieces(count: int, largest: int) -> Iterator[slice]:
    """``count`` rows, at most ``largest`` at a time."""
    return (slice(start, min(start + largest, count)) for start in range(0, count, largest))


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
