"""Detectors with fixed random weights: architectures are tested without trained ones."""

import json
from pathlib import Path

import torch

from monitor.classifiers import architecture, engines_dir
from monitor.classifiers.weights import export_weights

SIZES = {"inception_resnet_v1": 160, "xception": 96, "vit": 112, "meso4": 256, "mesoinception4": 256}
SIZES |= {f"efficientnet_lite{variant}": 96 for variant in range(3)}
# Standard deviation of the evidence; random weights of the deepest ones round to 1e-4 in fp32 where it is 1.
SPREAD = {"efficientnet_lite1": 0.4, "efficientnet_lite2": 0.4}


def coarse_crops(size: int, *, n: int = 2, seed: int = 3) -> torch.Tensor:
    """A batch of coarse patterns in a network's range, (n, 3, size, size)."""
    coarse = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(size, size))


def lively_body(name: str) -> torch.nn.Module:
    """A body in eval mode whose BatchNorms are far from the identity, and whose evidence is of a trained one's size."""
    known, crops = architecture(name), coarse_crops(SIZES[name], n=4, seed=5)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(11)
        body = known.body()
        norms = [m for m in body.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
        for norm in norms:
            torch.nn.init.uniform_(norm.weight, 0.8, 1.2)
            torch.nn.init.uniform_(norm.bias, -0.1, 0.1)
            norm.momentum = 1.0
        body(crops)  # in train mode: the statistics are those of some pictures
        for norm in norms:
            norm.momentum = 0.1
        evidence = known.with_evidence(body, input_size=SIZES[name])(crops)[1]
        last = [m for m in body.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1][-1]
        last.weight.mul_(SPREAD.get(name, 1.0) / evidence.std())
        torch.nn.init.constant_(last.bias, 0.3)
    return body.eval()


def written(name: str, folder: Path, *, dtype: str = "float32") -> Path:
    """The weights file of ``lively_body(name)``, its card beside it."""
    path = folder / f"{name}.safetensors"
    digest = export_weights(lively_body(name).state_dict(), path, dtype=dtype)
    card = json.loads((engines_dir() / "inception_resnet_v1.json").read_text(encoding="utf-8"))
    card |= {"id": f"{name}-random", "architecture": architecture(name).ARCHITECTURE, "weights_sha256": digest}
    card |= {"dtype": dtype, "input": card["input"] | {"size": SIZES[name]}}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path
