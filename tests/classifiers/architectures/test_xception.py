import torch
from support.random_weights import coarse_crops

from monitor.classifiers.architectures import xception


def test_the_network_has_the_published_number_of_parameters() -> None:
    parameters = sum(value.numel() for value in xception.body().parameters())
    assert parameters == 22_855_952 - 2048 * 999 - 999  # Chollet's 22.9 million with 1000 classes, ours has one


def test_the_last_map_has_2048_channels_and_a_stride_of_32(bodies: dict[str, torch.nn.Module]) -> None:
    for size, cells in ((75, 3), (160, 5), (224, 7), (299, 10)):
        net = xception.with_evidence(bodies["xception"], input_size=size)
        with torch.inference_mode():
            assert net.trunk(coarse_crops(size)[:1]).shape == (1, 2048, cells, cells)


def test_the_trunk_is_shared_and_evaluated(bodies: dict[str, torch.nn.Module]) -> None:
    body = bodies["xception"].train()
    net = xception.with_evidence(body, input_size=160)
    assert net.trunk[0] is body.conv1
    assert not body.bn4.training
    body.eval()
