import math

import pytest
import torch

from monitor.lab.training.averaging import AveragedWeights


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))


def test_old_weights_count_one_over_e_after_the_memory() -> None:
    net = network()
    averaged = AveragedWeights(net, memory=1000.0)
    averaged.updates = 10**6  # long past the start
    before = averaged.network[0].weight.clone()
    with torch.no_grad():
        net[0].weight.fill_(5.0)
    for _ in range(100):
        averaged.update(net, images=10)
    torch.testing.assert_close(averaged.network[0].weight, 5 + (before - 5) / math.e, rtol=1e-4, atol=1e-4)


def test_the_random_start_is_soon_forgotten() -> None:
    net = network()
    averaged = AveragedWeights(net, memory=1e6)
    with torch.no_grad():
        net[0].weight.fill_(1.0)
    for _ in range(10):
        averaged.update(net, images=1)
    assert averaged.network[0].weight.sub(1).abs().max() < 0.01


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    net = network()
    averaged = AveragedWeights(net, memory=0.0)
    net(torch.randn(64, 2) * 3 + 7)
    averaged.update(net, images=64)
    averaged.updates = 10**6
    averaged.update(net, images=64)
    torch.testing.assert_close(averaged.network[1].running_mean, net[1].running_mean)
    assert averaged.network[1].num_batches_tracked.item() == 1
    assert not averaged.network.training
    assert not any(p.requires_grad for p in averaged.network.parameters())


@pytest.mark.parametrize("memory", [0.0, 50.0])
def test_it_goes_on_from_its_state(memory: float) -> None:
    net = network()
    averaged = AveragedWeights(net, memory=memory)
    averaged.update(net, images=4)
    again = AveragedWeights(network(), memory=memory)
    again.load_state_dict(averaged.state_dict())
    with torch.no_grad():
        net[0].bias.add_(1.0)
    for one in (averaged, again):
        one.update(net, images=4)
    assert again.updates == averaged.updates == 2
    for name, value in averaged.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])
