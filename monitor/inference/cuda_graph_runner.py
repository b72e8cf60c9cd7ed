"""Runs one batch size of a network on a CUDA GPU: pinned memory, a copy stream, a compute stream.

Importing this module imports torch.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monitor.inference.network import Network, Preprocessing
from monitor.types import Floats

Compute = Callable[[Tensor], tuple[Tensor, ...]]

DEVICE: Final = "cuda"
_WARM_UP: Final = 3  # calls before recording, because libraries select kernels and allocate in the first calls
_recording = Lock()  # one graph at a time is recorded in a process


def make_compute(network: Network, module: nn.Module, *, dtype: torch.dtype, layout: torch.memory_format) -> Compute:
    """A function from uploaded rows to the network's outputs, float32.

    Args:
        network: defines the upload: uint8 crops, or float32 planes.
        module: ``network.build()``, on the GPU, in ``dtype``.
        layout: memory format of the module's input.
    """

    def compute(rows: Tensor) -> tuple[Tensor, ...]:
        planes = normalise(rows, network.preprocessing, dtype=dtype, layout=layout)
        return tuple(output.float() for output in module(planes))

    return compute


def normalise(
    rows: Tensor, preprocessing: Preprocessing | None, *, dtype: torch.dtype, layout: torch.memory_format
) -> Tensor:
    """Convert uploaded rows to the network's input (N, C, H, W); crops are normalise in fp32 and rounded last."""
    if preprocessing is None:
        return rows.to(dtype, memory_format=layout)
    planes = rows.permute(0, 3, 1, 2).to(torch.float32)
    return ((planes - preprocessing.mean) / preprocessing.std).to(dtype, memory_format=layout)


class CudaStreams:
    """CUDA streams and memory pool of one engine, shared by its runners."""

    def __init__(self) -> None:
        self.copy: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.compute: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.pool: Any = torch.cuda.graph_pool_handle()  # shared, as graphs run one at a time


class CudaGraphRunner:
    """Runs batches of one shape: uploads on one stream while the other computes, without pageable memory.

    Args:
        shape: of a full uploaded batch.
        pixels: True: the batch is uint8; False: float32.
        record: record one CUDA graph now and replay it later; TensorRT records its own graphs.

    Raises:
        RuntimeError: the GPU has no memory left.
    """

    def __init__(
        self, compute: Compute, shape: tuple[int, ...], *, pixels: bool, streams: CudaStreams, record: bool
    ) -> None:
        self._streams = streams
        self._compute = compute
        self._graph: Any = None
        self._outputs: tuple[Tensor, ...] = ()
        dtype = torch.uint8 if pixels else torch.float32
        with torch.inference_mode():
            self._input = torch.zeros(shape, dtype=dtype, device=DEVICE)
            outputs = self._warm_up()
            if record:
                self._record_graph()
            self._slots = deque(_Slot(self._input, outputs) for _ in range(2))

    def start(self, rows: NDArray[Any] | Tensor) -> Callable[[], tuple[Floats, ...]]:
        """Upload and compute; see ``ShapeRunner.start``. Missing rows are filled with zeros."""
        slot, count = self._slots[0], len(rows)
        self._slots.rotate(-1)
        copy, compute = self._streams.copy, self._streams.compute
        with torch.inference_mode():
            slot.done.synchronize()  # wait for the previous use of the slot
            slot.stage(rows, stream=copy)
            with torch.cuda.stream(compute):
                compute.wait_event(slot.uploaded)
                self._input.copy_(slot.staged)
                for result, output in zip(slot.results, self._replay(), strict=True):
                    result.copy_(output, non_blocking=True)
                slot.done.record(compute)
        return partial(slot.finish, count)

    def _replay(self) -> tuple[Tensor, ...]:
        if self._graph is None:
            return self._compute(self._input)
        self._graph.replay()
        return self._outputs

    def _warm_up(self) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = ()
        stream = self._streams.compute
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                outputs = self._compute(self._input)
        stream.synchronize()
        return outputs

    def _record_graph(self) -> None:
        graph = torch.cuda.CUDAGraph()
        pool, stream = self._streams.pool, self._streams.compute
        with _recording, torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self._outputs = self._compute(self._input)
        self._graph = graph


class _Slot:
    """Buffers of one pending batch."""

    def __init__(self, given: Tensor, outputs: tuple[Tensor, ...]) -> None:
        self.host = torch.zeros(given.shape, dtype=given.dtype).pin_memory()
        self.staged = torch.empty_like(given)
        self.results = tuple(torch.empty(output.shape, dtype=output.dtype).pin_memory() for output in outputs)
        self.uploaded: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.done: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def stage(self, rows: NDArray[Any] | Tensor, *, stream: Any) -> None:  # noqa: ANN401 - untyped in torch
        """Copy rows to the staging buffer; GPU tensors come from the current stream."""
        count = len(rows)
        if isinstance(rows, torch.Tensor):
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self.staged[:count].copy_(rows)
                self.staged[count:].zero_()
                rows.record_stream(stream)  # the caller may free the rows before they are copied
                self.uploaded.record(stream)
            return
        self.host[:count].copy_(torch.from_numpy(rows))
        self.host[count:].zero_()
        with torch.cuda.stream(stream):
            self.staged.copy_(self.host, non_blocking=True)
            self.uploaded.record(stream)

    def finish(self, count: int) -> tuple[Floats, ...]:
        self.done.synchronize()
        return tuple(result[:count].numpy().copy() for result in self.results)


class FreeShapeRunner:
    """Runs batches of any shape without a graph, because P-Net gets another size at each pyramid level."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def start(self, rows: NDArray[Any] | Tensor) -> Callable[[], tuple[Floats, ...]]:
        """Compute immediately; see ``ShapeRunner.start``."""
        with torch.inference_mode():
            outputs = self._compute(torch.as_tensor(rows).to(DEVICE))
            results = tuple(output.cpu().numpy() for output in outputs)
        return lambda: results
