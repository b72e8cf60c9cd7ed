"""The one door to facenet-pytorch (InceptionResnetV1, MTCNN and its P-, R- and O-nets).

facenet-pytorch imports torchvision, and a CPU build of torch beside the public torchvision wheel
cannot: ``operator torchvision::nms does not exist``. There the two missing operators are declared
(never called by what we use) and the import is tried once more.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from types import ModuleType

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[Any] = []  # a torch.library.Library undeclares its operators when it is collected


@cache
def facenet_pytorch() -> ModuleType:
    """The ``facenet_pytorch`` package.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return _import()
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "facenet_pytorch")]:
        del sys.modules[name]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        library.define(operator)
    _libraries.append(library)
    return _import()


def _import() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("facenet_pytorch")
