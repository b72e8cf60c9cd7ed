from __future__ import annotations

import numpy as np

from monitor.models import load_detector
from monitor.source.witnesses import witness_crops


def test_witnesses_are_many_differ_and_stay_the_same() -> None:
    policy = load_detector().card.crop
    crops = witness_crops(policy, size=64)
    assert (crops.shape, crops.dtype) == ((30, 64, 64, 3), np.uint8)
    assert len({crop.tobytes() for crop in crops}) == 30
    np.testing.assert_array_equal(crops, witness_crops(policy, size=64))
    assert crops.std(axis=(1, 2, 3)).min() > 15  # a face, in the dark too
