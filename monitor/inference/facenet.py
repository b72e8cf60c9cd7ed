"""facenet-pytorch (InceptionResnetV1, MTCNN and its P-, R- and O-nets)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.inference.foreign import foreign_package

if TYPE_CHECKING:
    from types import ModuleType


def facenet_pytorch() -> ModuleType:
    """The ``facenet_pytorch`` package.

    Raises:
        ImportError: it is not installed.
    """
    return foreign_package("facenet_pytorch")
