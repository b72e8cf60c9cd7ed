"""Pictures resampled on a CUDA GPU, where MTCNN's nets run: a frame travels there once, as the bytes that it has.

Importing this module imports torch.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from monitor.backends import lanes
from monitor.backends.buckets import first_line
from monitor.backends.summed_area import SummedArea
from monitor.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from monitor.backends.summed_area import Integers, Sides
    from monitor.types import Pixels


class CudaSummedArea(SummedArea):
    """The same sums and the same single division as on the CPU, so the same pixels to the bit.

    Its pixels are tensors, which only the GPU's engines take for arrays.

    Raises:
        EngineError: the GPU has no memory left, or failed; its methods raise it, too.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.height, self.width = pixels.shape[:2]
        with _on_gpu():
            frame = _uploaded(pixels)
            sums = frame.cumsum(0, dtype=torch.int32).cumsum(1, dtype=torch.int32)
            self._table = torch.nn.functional.pad(sums, (0, 0, 1, 0, 1, 0))  # (H + 1, W + 1, 3)

    def _of_grid(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        with _on_gpu():
            top, bottom, left, right = map(_uploaded, sides)
            bands = self._table[bottom] - self._table[top]
            sums = bands[:, right] - bands[:, left]
            return (sums.permute(2, 0, 1).float() / _uploaded(areas).float())[None]

    def _of_squares(self, sides: Sides, areas: Integers) -> Any:  # noqa: ANN401 - see above
        with _on_gpu():
            top, bottom, left, right = map(_uploaded, sides)
            table = self._table.view(-1, 3)
            sums = table[bottom + right] - table[bottom + left] - table[top + right] + table[top + left]
            return sums.permute(0, 3, 1, 2).float() / _uploaded(areas).float()


@contextmanager
def _on_gpu() -> Iterator[None]:
    try:
        with torch.inference_mode():
            yield
    except RuntimeError as error:
        msg = (
            f"the GPU failed to resample a frame ({first_line(error)}): if it has no memory left, end what else uses "
            "it, or choose the setting classifier.backend=onnxruntime"
        )
        raise EngineError(msg) from error


def _uploaded(values: NDArray[Any]) -> Tensor:
    """A copy on the GPU, through pinned memory: the CPU does not wait until it is there."""
    return torch.from_numpy(np.array(values)).pin_memory().to(lanes.DEVICE, non_blocking=True)
