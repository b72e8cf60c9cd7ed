"""Resamples pictures on the CUDA GPU of MTCNN's networks; each frame is uploaded once, as uint8.

Importing this module imports torch.
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor.errors import EngineError
from monitor.inference import cuda_graph_runner
from monitor.inference.batch_buckets import first_line
from monitor.inference.summed_area import Integers, Sides, SummedArea

_log = logging.getLogger(__name__)


class CudaSummedArea(SummedArea):
    """Computes the same sums and the same single division as the CPU version, so the pixels are equal bit by bit.

    Results are tensors, accepted only by GPU engines. If the GPU has no memory left, the CPU computes instead.

    Raises:
        EngineError: in any method: the GPU failed.
    """

    _table: Tensor | None = None  # (H + 1, W + 1, 3) on the GPU, uploaded on first use

    def _grid_means(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        def means(table: Tensor) -> Tensor:
            top, bottom, left, right = map(_upload, sides)
            bands = table[bottom] - table[top]
            sums = bands[:, right] - bands[:, left]
            return (sums.permute(2, 0, 1).float() / _upload(areas).float())[None]

        found = self._on_gpu(means)
        return super()._grid_means(sides, areas) if found is None else found

    def _square_means(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        def means(table: Tensor) -> Tensor:
            top, bottom, left, right = map(_upload, sides)
            rows = table.view(-1, 3)
            sums = rows[bottom + right] - rows[bottom + left] - rows[top + right] + rows[top + left]
            return sums.permute(0, 3, 1, 2).float() / _upload(areas).float()

        found = self._on_gpu(means)
        return super()._square_means(sides, areas) if found is None else found

    def _on_gpu(self, means: Callable[[Tensor], Tensor]) -> Tensor | None:
        """Evaluate ``means`` on the table on the GPU; None if the GPU has no memory for it."""
        try:
            with torch.inference_mode():
                if self._table is None:
                    sums = _upload(self._pixels).cumsum(0, dtype=torch.int32).cumsum(1, dtype=torch.int32)
                    self._table = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))
                return means(self._table)
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise EngineError(f"the GPU failed to resample a frame: {first_line(error)}") from error
            _log.debug("a frame is resampled on the CPU: %s", first_line(error))
            torch.cuda.empty_cache()
            return None


def _upload(values: NDArray[Any]) -> Tensor:
    """Copy to the GPU through pinned memory, without waiting on the CPU."""
    return torch.from_numpy(np.array(values)).pin_memory().to(cuda_graph_runner.DEVICE, non_blocking=True)
