from pathlib import Path

import numpy as np
import torch
from support.small_classifier import SMALL, build, crops

from monitor.lab.evaluation.activations import as_cameras_show, measure_ranges


def test_the_ranges_are_those_that_torch_sees(tmp_path: Path) -> None:
    faces, module, seen = crops(6), build(), []
    module.left.register_forward_hook(lambda *given: seen.append(given[2]))
    planes = (torch.from_numpy(faces).permute(0, 3, 1, 2).float() - 127.5) / 128
    with torch.inference_mode():
        module(planes)
    told: list[None] = []
    found = measure_ranges(SMALL, list(faces), cache_dir=tmp_path, on_done=lambda: told.append(None))
    low, high = found["network.left.0.weight/Relu"]
    np.testing.assert_allclose((low, high), (seen[0].min().item(), seen[0].max().item()), rtol=1e-4, atol=1e-6)
    assert len(told) == 6
    assert not set(found) & set(SMALL.outputs)


def test_one_more_crop_never_narrows_a_range(tmp_path: Path) -> None:
    few = measure_ranges(SMALL, list(crops(2)), cache_dir=tmp_path)
    more = measure_ranges(SMALL, [*crops(2), *crops(3, seed=9)], cache_dir=tmp_path)
    assert set(few) == set(more)
    assert all(more[name][0] <= low and more[name][1] >= high for name, (low, high) in few.items())
    assert few != more


def test_each_crop_is_shown_as_it_is_and_once_perturbed() -> None:
    faces = list(np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), np.uint8))
    seen = as_cameras_show(faces)
    assert len(seen) == 24
    assert all(a is b for a, b in zip(seen, faces, strict=False))
    assert all(a.shape == b.shape and not np.array_equal(a, b) for a, b in zip(seen[12:], faces, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(seen, as_cameras_show(faces), strict=True))
