"""Finds the faces of a frame.

``load_face_detector()`` gives the one that the settings name; ``register()`` adds another.

mtcnn/    MTCNN (Zhang et al., 2016), as a fast cascade
"""

import importlib
from collections.abc import Callable
from typing import Protocol, cast

from monitor.errors import UsageError
from monitor.inference.backends import Engine
from monitor.inference.network import Network
from monitor.inference.summed_area import SummedArea
from monitor.settings import FaceDetectorSettings
from monitor.types import Faces, Floats, Pixels

_MODULES = {"mtcnn": f"{__name__}.mtcnn.cascade"}


class FaceDetector(Protocol):
    """Finds faces, and follows those that were found. Keeps nothing between calls."""

    def detect(self, pixels: Pixels) -> Faces:
        """Every face in a frame (H, W, 3) RGB, best first.

        Raises:
            EngineError: an engine failed.
        """
        ...

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        """The faces near their last boxes (N, 4), rows aligned; a face that is gone has a low probability.

        Raises:
            EngineError: an engine failed.
        """
        ...


class FaceDetectorModule(Protocol):
    """A module of a face detector."""

    @staticmethod
    def load(
        settings: FaceDetectorSettings, *, compiled: Callable[[Network], Engine], resampler: type[SummedArea]
    ) -> FaceDetector:
        """The detector on engines that ``compiled`` makes, with frames from ``resampler``.

        Raises:
            EngineError: an engine cannot be built.
        """
        ...


def register(name: str, *, module: str) -> None:
    """Offer another face detector as ``detector.model``: ``module`` has a function ``load``, see FaceDetectorModule."""
    _MODULES[name] = module


def available_detectors() -> tuple[str, ...]:
    """Names that ``load_face_detector`` knows."""
    return tuple(_MODULES)


def load_face_detector(
    settings: FaceDetectorSettings,
    *,
    compiled: Callable[[Network], Engine],
    resampler: type[SummedArea] = SummedArea,
) -> FaceDetector:
    """The face detector that ``settings.model`` names.

    Args:
        settings: what to look for.
        compiled: makes an engine of a network.
        resampler: of frames, for these engines; see ``monitor.inference.backends.resampler``.

    Raises:
        UsageError: the name is unknown.
        EngineError: an engine cannot be built.
    """
    if settings.model not in _MODULES:
        raise UsageError(f"unknown face detector {settings.model!r}: this program knows {', '.join(_MODULES)}")
    module = cast("FaceDetectorModule", importlib.import_module(_MODULES[settings.model]))
    return module.load(settings, compiled=compiled, resampler=resampler)
