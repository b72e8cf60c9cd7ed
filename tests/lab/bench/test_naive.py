from monitor.lab.bench.naive import naive_loop
from monitor.media.sources import open_source
from monitor.settings import Settings, SourceSettings


def test_the_naive_loop_finds_the_demos_face(settings: Settings) -> None:
    loop = naive_loop(settings, input_size=160)
    with open_source("demo:", SourceSettings(demo_seconds=8)) as source:
        boxes = loop(next(iter(source)))
    assert boxes.shape == (1, 4)
