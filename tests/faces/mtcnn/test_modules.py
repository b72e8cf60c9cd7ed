"""The same functions as facenet-pytorch's own networks, input normalisation included."""

from collections.abc import Callable

import pytest
import torch

from monitor.faces.mtcnn import modules
from monitor.inference.facenet import facenet_pytorch


@pytest.mark.parametrize(
    ("build", "original", "shape"),
    [
        (modules.pnet, "PNet", (2, 3, 61, 48)),
        (modules.rnet, "RNet", (16, 3, 24, 24)),
        (modules.onet, "ONet", (16, 3, 48, 48)),
    ],
)
def test_outputs_equal_those_of_facenet_pytorch(
    build: Callable[[], torch.nn.Module], original: str, shape: tuple[int, ...]
) -> None:
    pixels = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        probabilities, offsets, *landmarks = build()(pixels)
        expected_offsets, *expected_points, classes = getattr(facenet_pytorch(), original)()((pixels - 127.5) / 128)
    torch.testing.assert_close(probabilities, classes[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(offsets, expected_offsets, atol=1e-5, rtol=0)
    for points, expected in zip(landmarks, expected_points, strict=True):
        torch.testing.assert_close(points[..., 0], expected[:, :5], atol=1e-5, rtol=0)
        torch.testing.assert_close(points[..., 1], expected[:, 5:], atol=1e-5, rtol=0)


def test_no_parameter_requires_a_gradient() -> None:
    module = modules.onet()
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
