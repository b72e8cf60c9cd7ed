import numpy as np

from monitor.classifiers import load_classifier
from monitor.classifiers.reference_crops import reference_crops


def test_reference_crops_are_many_different_and_constant() -> None:
    policy = load_classifier().card.crop
    crops = reference_crops(policy, size=64)
    assert (crops.shape, crops.dtype) == ((30, 64, 64, 3), np.uint8)
    assert len({crop.tobytes() for crop in crops}) == 30
    np.testing.assert_array_equal(crops, reference_crops(policy, size=64))
    assert crops.std(axis=(1, 2, 3)).min() > 15  # a face, also in the dark
