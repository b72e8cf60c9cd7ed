"""Imports packages that import torchvision: facenet-pytorch and timm.

A CPU build of torch beside the public torchvision wheel fails to import it: ``operator torchvision::nms does not
exist``. In that case the two missing operators, which this program never calls, are declared, and the import is
repeated.
"""

import importlib
import sys
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[Any] = []  # collecting a torch.library.Library removes its operators


@cache
def foreign_package(name: str) -> ModuleType:
    """Import the package ``name``, which imports torchvision.

    Raises:
        ImportError: the package is not installed.
    """
    try:
        return _import(name)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] in ("torchvision", name)]:
        del sys.modules[loaded]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        library.define(operator)
    _libraries.append(library)
    return _import(name)


def _import(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
