"""MTCNN's three networks with the weights from facenet-pytorch's wheel.

Zhang et al., 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks".
This module does not import torch; :mod:`monitor.faces.mtcnn.modules` does, when a network is built.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.errors import WeightsMissingError
from monitor.inference.network import Network

if TYPE_CHECKING:
    import torch

_REVISION = "1"  # of the modules built here; a new value invalidates compiled engines


class MtcnnNetworks(NamedTuple):
    """The networks that propose, reject and refine.

    All inputs are float32 RGB 0..255. ``offsets`` are corrections of the four sides ``x1 y1 x2 y2`` in
    units of the input box's width and height, ``landmarks`` are ``x y`` in the same units from
    its top left corner, ordered as in :class:`monitor.types.Faces`.

    Shapes:
        pnet: (N, 3, H, W) -> probabilities (N, h, w), offsets (N, 4, h, w); cell (i, j) covers
            the 12 x 12 pixels from (2 i, 2 j) on
        rnet: (N, 3, 24, 24) -> probabilities (N,), offsets (N, 4)
        onet: (N, 3, 48, 48) -> probabilities (N,), offsets (N, 4), landmarks (N, 5, 2)
    """

    pnet: Network
    rnet: Network
    onet: Network


def mtcnn_networks() -> MtcnnNetworks:
    """The three networks; torch is imported only when one is built.

    Raises:
        WeightsMissingError: facenet-pytorch, the package with the weights, is not installed.
    """
    return MtcnnNetworks(
        pnet=_network("pnet", (None, 3, None, None), ("probabilities", "offsets")),
        rnet=_network("rnet", (None, 3, 24, 24), ("probabilities", "offsets")),
        onet=_network("onet", (None, 3, 48, 48), ("probabilities", "offsets", "landmarks")),
    )


def _network(
    name: str, input_shape: tuple[int | None, int | None, int | None, int | None], outputs: tuple[str, ...]
) -> Network:
    digest = hashlib.sha256(f"{name} {_REVISION}\n".encode() + _weights(name).read_bytes()).hexdigest()
    return Network(
        name=f"mtcnn_{name}",
        digest=digest,
        build=partial(_build, name),
        input_shape=input_shape,
        outputs=outputs,
    )


def _build(name: str) -> torch.nn.Module:
    from monitor.faces.mtcnn.modules import onet, pnet, rnet

    return {"pnet": pnet, "rnet": rnet, "onet": onet}[name]()


def _weights(name: str) -> Path:
    spec = importlib.util.find_spec("facenet_pytorch")
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    for folder in folders:
        path = folder / "data" / f"{name}.pt"
        if path.is_file():
            return path
    raise WeightsMissingError(
        f"the face detector's weights ({name}.pt of facenet-pytorch) are missing: pip install facenet-pytorch==2.5.3"
    )
