import pytest
import torch
from support.random_weights import coarse_crops

from monitor.classifiers.architectures.mesonet import Inception, MesoEvidence, MesoNet, meso4, mesoinception4

NAMES = ["meso4", "mesoinception4"]


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    return coarse_crops(256, n=4)


@pytest.mark.parametrize("name", NAMES)
def test_the_map_is_gradient_times_activation_plus_a_constant(
    bodies: dict[str, torch.nn.Module], batch: torch.Tensor, name: str
) -> None:
    body = bodies[name]
    last_map = body.trunk(batch).detach().requires_grad_()
    z = body.dense(last_map.flatten(1))
    logit = body.logit(torch.nn.functional.leaky_relu(z, 0.1))[:, 0]
    (gradient,) = torch.autograd.grad(logit.sum(), last_map)
    shares = (gradient * last_map).sum(1).detach() * 64
    with torch.inference_mode():
        found, evidence = MesoEvidence(body)(batch)
    assert (z > 0).any()
    assert (z < 0).any()  # both slopes occur
    assert shares.std() > 0.15
    torch.testing.assert_close(found, logit.detach(), atol=1e-5, rtol=0)
    rest = evidence - shares
    torch.testing.assert_close(rest, rest.mean((1, 2), keepdim=True).expand_as(rest), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_dense_bias_is_spread_over_the_cells(
    bodies: dict[str, torch.nn.Module], batch: torch.Tensor, name: str
) -> None:
    body = bodies[name]
    with torch.inference_mode():
        flat = body.trunk(batch).flatten(1)
        z = body.dense(flat)
        slopes = torch.where(z > 0, 1.0, 0.1)
        everywhere = (slopes * body.logit.weight * body.dense.bias).sum(1)
        shares = (slopes * body.logit.weight * (z - body.dense.bias)).sum(1)
        evidence = MesoEvidence(body)(batch)[1]
    torch.testing.assert_close(evidence.mean((1, 2)), shares + everywhere, atol=1e-5, rtol=0)
    assert everywhere.std() > 1e-5  # it depends on the input


@pytest.mark.parametrize(("make", "channels"), [(meso4, [8, 8, 16, 16]), (mesoinception4, [11, 12, 16, 16])])
def test_each_block_has_the_width_and_side_of_the_paper(make, channels: list[int], batch: torch.Tensor) -> None:
    x, sides = batch, [128, 64, 32, 8]
    for block, width, side in zip(make(dropout=0.5).trunk, channels, sides, strict=True):
        x = block(x)
        assert x.shape == (4, width, side, side)
        assert block[1].eps == 1e-3


def test_dilation_widens_the_receptive_field() -> None:
    layer = Inception(1, (1, 1, 1, 1))
    for parameter in layer.parameters():
        torch.nn.init.ones_(parameter) if parameter.ndim > 1 else torch.nn.init.zeros_(parameter)
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    with torch.inference_mode():
        seen = layer(point)[0] > 0
    for branch, (count, reach) in zip(seen, ((1, 0), (9, 1), (9, 2), (9, 3)), strict=True):
        rows = branch.nonzero()[:, 0]
        assert int(branch.sum()) == count
        assert (int(rows.min()), int(rows.max())) == (7 - reach, 7 + reach)


def test_dropout_acts_only_in_training(batch: torch.Tensor) -> None:
    net: MesoNet = meso4(dropout=0.5)
    for norm in (block[1] for block in net.trunk):
        norm.eval()
    assert not torch.equal(net(batch), net(batch))
    net.eval()
    assert torch.equal(net(batch), net(batch))
