"""Pictures resampled on a CUDA GPU, where MTCNN's nets run: a frame travels there once, as the bytes that it has.

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
    """The same sums and the same single division as on the CPU, so the same pixels to the bit.

    Its pixels are tensors, which only the GPU's engines take for arrays. Where the GPU has no memory left, the CPU
    does the work.

    Raises:
        EngineError: by its methods: the GPU failed.
    """

    _table: Tensor | None = None  # (H + 1, W + 1, 3) on the GPU, from its first use

    def _of_grid(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        def means(table: Tensor) -> Tensor:
            top, bottom, left, right = map(_uploaded, sides)
            bands = table[bottom] - table[top]
            sums = bands[:, right] - bands[:, left]
            return (sums.permute(2, 0, 1).float() / _uploaded(areas).float())[None]

        found = self._on_gpu(means)
        return super()._of_grid(sides, areas) if found is None else found

    def _of_squares(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        def means(table: Tensor) -> Tensor:
            top, bottom, left, right = map(_uploaded, sides)
            rows = table.view(-1, 3)
            sums = rows[bottom + right] - rows[bottom + left] - rows[top + right] + rows[top + left]
            return sums.permute(0, 3, 1, 2).float() / _uploaded(areas).float()

        found = self._on_gpu(means)
        return super()._of_squares(sides, areas) if found is None else found

    def _on_gpu(self, means: Callable[[Tensor], Tensor]) -> Tensor | None:
        """What the table gives on the GPU; None if there is no memory for that.

        Raises:
            EngineError: the GPU failed.
        """
        try:
            with torch.inference_mode():
                if self._table is None:
                    sums = _uploaded(self._pixels).cumsum(0, dtype=torch.int32).cumsum(1, dtype=torch.int32)
                    self._table = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))
                return means(self._table)
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise EngineError(f"the GPU failed to resample a frame: {first_line(error)}") from error
            _log.debug("a frame is resampled on the CPU: %s", first_line(error))
            torch.cuda.empty_cache()
            return None


def _uploaded(values: NDArray[Any]) -> Tensor:
    """A copy on the GPU, through pinned memory: the CPU does not wait until it is there."""
    return torch.from_numpy(np.array(values)).pin_memory().to(cuda_graph_runner.DEVICE, non_blocking=True)
