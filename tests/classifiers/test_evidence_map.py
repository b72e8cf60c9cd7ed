import numpy as np
import pytest
import torch
from support.random_weights import SIZES, coarse_crops

from monitor.classifiers import architecture, available_models
from monitor.classifiers.evidence_map import EvidenceNetwork, fold_head

LAST_MAPS = {"inception_resnet_v1": "block8", "xception": "act4", "vit": "norm"}  # the head after it is affine
LAST_MAPS |= {f"efficientnet_lite{variant}": "bn2" for variant in range(3)}
CELLS = [
    *(("inception_resnet_v1", size, cells) for size, cells in ((96, 1), (160, 3), (224, 5))),
    *(("xception", size, cells) for size, cells in ((75, 3), (160, 5))),
    *(("vit", size, size // 16) for size in (96, 112, 224)),
    *((f"efficientnet_lite{variant}", size, size // 32) for variant in range(3) for size in (96, 160, 224)),
    *((name, 256, 8) for name in ("meso4", "mesoinception4")),
]


def crops_for(name: str, size: int) -> torch.Tensor:
    return coarse_crops(max(size, SIZES[name]))[:, :, :size, :size]


def autograd_evidence(body: torch.nn.Module, layer: str, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The logit (N,), and sum_k (d logit / d A_k) A_k over the last map (N, h, w), times its number of cells."""
    maps: list[torch.Tensor] = []
    hook = body.get_submodule(layer).register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.enable_grad():
        logit = body(batch)[:, 0]
        gradients = torch.autograd.grad(logit.sum(), maps[0])[0]
    hook.remove()
    products = gradients * maps[0]
    if products.ndim == 3:  # tokens (N, L, K), row by row
        side = round(products.shape[1] ** 0.5)
        products = products.transpose(1, 2).reshape(len(batch), -1, side, side)
    cells = products.shape[-1] * products.shape[-2]
    return logit.detach(), products.sum(1).detach() * cells


@pytest.mark.parametrize(("name", "size", "cells"), [case for case in CELLS if case[0] in LAST_MAPS])
def test_the_map_agrees_with_autograd(bodies: dict[str, torch.nn.Module], name: str, size: int, cells: int) -> None:
    batch = crops_for(name, size)
    expected_logit, expected_map = autograd_evidence(bodies[name], LAST_MAPS[name], batch)
    with torch.inference_mode():
        logit, evidence = architecture(name).with_evidence(bodies[name], input_size=size)(batch)
    assert evidence.shape == (2, cells, cells)
    assert evidence.std() > 0.15  # otherwise the comparison shows nothing
    torch.testing.assert_close(logit, expected_logit, atol=1e-4, rtol=0)
    torch.testing.assert_close(evidence, expected_map, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("name", "size", "cells"), CELLS)
def test_the_map_is_complete(bodies: dict[str, torch.nn.Module], name: str, size: int, cells: int) -> None:
    batch = crops_for(name, size)
    net = architecture(name).with_evidence(bodies[name], input_size=size)
    with torch.inference_mode():
        logit, evidence = net(batch)
        plain = bodies[name](batch)[:, 0]
    assert evidence.shape == (2, cells, cells)
    torch.testing.assert_close(evidence.mean((1, 2)) + net.bias, plain, atol=1e-4, rtol=0)
    torch.testing.assert_close(logit, plain, atol=1e-4, rtol=0)


def test_every_architecture_is_tested() -> None:
    assert {name for name, _, _ in CELLS} == set(available_models())


@pytest.mark.parametrize("name", ["inception_resnet_v1", "xception"])
def test_the_positive_part_agrees_with_the_grad_cam_package(bodies: dict[str, torch.nn.Module], name: str) -> None:
    grad_cam = pytest.importorskip("pytorch_grad_cam", reason="needs: pip install --no-deps grad-cam ttach")
    body, batch = bodies[name], coarse_crops(224)[:1, :, :160, :160]
    with torch.inference_mode():
        evidence = architecture(name).with_evidence(body, input_size=160)(batch)[1].numpy()
    sign = np.sign(evidence.max() + evidence.min())  # explain the side with the larger cells
    targets = [lambda output: float(sign) * output[0]]
    layer = body.get_submodule(LAST_MAPS[name])
    with grad_cam.GradCAM(model=body, target_layers=[layer]) as cam:
        drawn = cam(input_tensor=batch, targets=targets)
        activations, gradients = (getattr(cam.activations_and_grads, name)[0] for name in ("activations", "gradients"))
        cells = activations.shape[-1] * activations.shape[-2]
        raw = cam.get_cam_image(batch, layer, targets, activations.numpy(), gradients.numpy())
    body.zero_grad()
    np.testing.assert_allclose(sign * evidence, raw * cells, atol=1e-4)
    scale = grad_cam.utils.image.scale_cam_image  # the package stretches twice: cells, then picture
    ours = scale(scale(np.maximum(sign * evidence, 0) / cells, (160, 160)))
    np.testing.assert_allclose(drawn, ours, atol=1e-4)
    assert drawn.max() > 0.9


def test_the_head_is_copied_and_the_trunk_is_shared() -> None:
    trunk, weight = torch.nn.Conv2d(3, 2, 1), torch.nn.Parameter(torch.ones(2))
    net = EvidenceNetwork(trunk, weight=weight, bias=torch.ones(1))
    with torch.no_grad():
        weight.zero_()
    assert net.trunk is trunk
    assert net.evidence.weight.flatten().tolist() == [1, 1]
    assert not net.evidence.weight.requires_grad
    assert net.bias.shape == ()


def test_a_norm_without_statistics_is_refused() -> None:
    norm = torch.nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="running statistics"):
        fold_head(torch.nn.Linear(8, 4, bias=False), norm=norm, classifier=torch.nn.Linear(4, 1))
