"""Live curves for TensorBoard: ``tensorboard --logdir OUT/curves``."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from monitor.lab.training.trainer import Progress

logger = logging.getLogger(__name__)

FOLDER: Final = "curves"
_EVERY: Final = 10  # steps between two points of the loss


class Curves:
    """Writes loss and validation AUC by images seen; without TensorBoard it logs one warning and does nothing.

    Args:
        out: folder of the training.
        validations: number of those written by earlier calls.
    """

    def __init__(self, out: Path, *, validations: int = 0) -> None:
        self._writer: Any = None
        self._validations = validations
        self._losses: list[float] = []
        if importlib.util.find_spec("tensorboard") is None:
            logger.warning("no live curves: TensorBoard is not installed (pip install tensorboard)")
            return
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(out / FOLDER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, progress: Progress, loss: float) -> None:
        """Add one step."""
        if self._writer is None:
            return
        self._losses.append(loss)
        if len(self._losses) < _EVERY:
            return
        self._writer.add_scalar("loss", sum(self._losses) / len(self._losses), progress.images)
        self._writer.add_scalar("images per second", progress.images / max(progress.seconds, 1e-9), progress.images)
        self._losses.clear()
        self.add_validations(progress)

    def add_validations(self, progress: Progress) -> None:
        """Write the validations that are new."""
        if self._writer is None:
            return
        for row in progress.history[self._validations :]:
            for name, value in row.items():
                if name.startswith("auc_"):
                    self._writer.add_scalar(name.replace("auc_", "AUC/"), value, int(row["images"]))
        self._validations = len(progress.history)
