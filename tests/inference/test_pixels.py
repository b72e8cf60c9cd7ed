import dataclasses

import numpy as np
import torch

from monitor.classifiers import load_classifier
from monitor.faces.mtcnn.networks import mtcnn_networks


def test_crops_are_normalised_according_to_the_card() -> None:
    classifier = load_classifier()
    size, form = classifier.input_size, classifier.card.input
    crops = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    planar = ((crops.astype(np.float64) - form.mean) / form.std).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        found = classifier.network.build_from_pixels()(torch.from_numpy(crops))
        expected = classifier.network.build()(torch.from_numpy(np.ascontiguousarray(planar)))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_classifiers_take_crops_and_the_face_detector_takes_planes() -> None:
    network = load_classifier().network
    assert network.input_shape == (None, 3, 160, 160)
    assert network.engine_shape == (None, 160, 160, 3)
    assert not any(module.training for module in network.build_from_pixels().modules())
    pnet = mtcnn_networks().pnet
    assert pnet.engine_shape == pnet.input_shape
    assert len(pnet.build_from_pixels()(torch.zeros(1, 3, 24, 24))) == len(pnet.outputs)


def test_without_preprocessing_the_network_is_unchanged() -> None:
    network = dataclasses.replace(load_classifier("meso4").network, preprocessing=None)
    assert type(network.build_from_pixels()) is type(network.build())
