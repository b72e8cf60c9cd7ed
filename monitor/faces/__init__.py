"""Finds the faces of a frame.

``load_face_detector()`` returns the detector selected in the settings; ``register()`` adds another detector.

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
from monitor.types.formatting import suggest

_MODULES = {"mtcnn": f"{__name__}.mtcnn.cascade"}


class FaceDetector(Protocol):
    """Detects faces, and updates the boxes of known faces. Stateless.

    Raises:
        EngineError: in any method: an engine failed.
    """

    def detect(self, pixels: Pixels) -> Faces:
        """All faces in a frame (H, W, 3) RGB, best first."""
        ...

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        """The faces near their last boxes (N, 4), rows aligned; a lost face has a low probability."""
        ...


class FaceDetectorModule(Protocol):
    """The interface of a face detector's module."""

    @staticmethod
    def load(
        settings: FaceDetectorSettings, *, compile_network: Callable[[Network], Engine], resampler: type[SummedArea]
    ) -> FaceDetector:
        """Create the detector with engines from ``compile_network`` and frames from ``resampler``.

        Raises:
            EngineError: an engine cannot be built.
        """
        ...


def register(name: str, *, module: str) -> None:
    """Register another face detector for ``detector.model``; ``module`` is a FaceDetectorModule."""
    _MODULES[name] = module


def load_face_detector(
    settings: FaceDetectorSettings,
    *,
    compile_network: Callable[[Network], Engine],
    resampler: type[SummedArea] = SummedArea,
) -> FaceDetector:
    """The face detector named by ``settings.model``.

    Args:
        resampler: resamples frames for these engines; see ``monitor.inference.backends.resampler``.

    Raises:
        UsageError: the name is unknown.
        EngineError: an engine cannot be built.
    """
    if settings.model not in _MODULES:
        raise UsageError(
            f"unknown face detector {settings.model!r}: this program knows {', '.join(_MODULES)}"
            + suggest(settings.model, list(_MODULES))
        )
    module = cast("FaceDetectorModule", importlib.import_module(_MODULES[settings.model]))
    return module.load(settings, compile_network=compile_network, resampler=resampler)
