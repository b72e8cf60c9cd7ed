import numpy as np

from monitor.lab.bench.loops import LOOPS
from monitor.media.sources import open_source
from monitor.settings import Settings, SourceSettings


def test_all_loops_agree_on_the_demos_face(settings: Settings) -> None:
    with open_source("demo:", SourceSettings(demo_seconds=8)) as source:
        frames = [next(iter(source)) for _ in range(5)]
    found = {}
    for name, load in LOOPS.items():
        loop = load(settings)
        found[name] = [loop(frame) for frame in frames][-1]
    for boxes in found.values():
        np.testing.assert_allclose(boxes, found["naive"], atol=12)
