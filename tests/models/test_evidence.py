from __future__ import annotations

import numpy as np
import pytest
import torch

from monitor.models.evidence import fold_head
from monitor.models.inception_resnet_v1 import with_evidence

SIZES = [(96, 1), (160, 3), (224, 5)]


def autograd_evidence(body: torch.nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The logit, and sum_k (d logit / d A_k) A_k over the last map, times its number of cells."""
    maps: list[torch.Tensor] = []
    hook = body.block8.register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.enable_grad():
        logit = body(batch)[:, 0]
        gradients = torch.autograd.grad(logit.sum(), maps[0])[0]
    hook.remove()
    cells = gradients.shape[-1] * gradients.shape[-2]
    return logit.detach(), (gradients * maps[0]).sum(1).detach() * cells


@pytest.mark.parametrize(("size", "cells"), SIZES)
def test_the_map_is_what_autograd_says(body: torch.nn.Module, crops: torch.Tensor, size: int, cells: int) -> None:
    batch = crops[:, :, :size, :size]
    expected_logit, expected_map = autograd_evidence(body, batch)
    with torch.inference_mode():
        logit, evidence = with_evidence(body)(batch)
    assert evidence.shape == (2, cells, cells)
    assert evidence.std() > 0.15  # the comparison means something
    torch.testing.assert_close(logit, expected_logit, atol=1e-4, rtol=0)
    torch.testing.assert_close(evidence, expected_map, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("size", "cells"), SIZES)
def test_the_map_is_complete(body: torch.nn.Module, crops: torch.Tensor, size: int, cells: int) -> None:
    net = with_evidence(body)
    with torch.inference_mode():
        logit, evidence = net(crops[:, :, :size, :size])
    torch.testing.assert_close(evidence.mean((1, 2)) + net.bias, logit, atol=1e-6, rtol=0)


def test_its_positive_part_is_what_the_grad_cam_package_draws(body: torch.nn.Module, crops: torch.Tensor) -> None:
    grad_cam = pytest.importorskip("pytorch_grad_cam", reason="needs: pip install --no-deps grad-cam ttach")
    batch = crops[:1, :, :160, :160]
    with torch.inference_mode():
        evidence = with_evidence(body)(batch)[1].numpy()
    sign = np.sign(evidence.max() + evidence.min())  # explain the side that has the larger cells
    targets = [lambda output: float(sign) * output[0]]
    with grad_cam.GradCAM(model=body, target_layers=[body.block8]) as cam:
        drawn = cam(input_tensor=batch, targets=targets)
        activations, gradients = (getattr(cam.activations_and_grads, name)[0] for name in ("activations", "gradients"))
        cells = activations.shape[-1] * activations.shape[-2]
        raw = cam.get_cam_image(batch, body.block8, targets, activations.numpy(), gradients.numpy())
    body.zero_grad()
    np.testing.assert_allclose(sign * evidence, raw * cells, atol=1e-4)
    scale = grad_cam.utils.image.scale_cam_image  # the package stretches twice: cells, then picture
    ours = scale(scale(np.maximum(sign * evidence, 0) / cells, (160, 160)))
    np.testing.assert_allclose(drawn, ours, atol=1e-4)
    assert drawn.max() > 0.9


def test_a_norm_without_statistics_is_refused() -> None:
    norm = torch.nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="running statistics"):
        fold_head(torch.nn.Linear(8, 4, bias=False), norm=norm, classifier=torch.nn.Linear(4, 1))
