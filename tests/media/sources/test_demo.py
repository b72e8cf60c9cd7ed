from itertools import islice, pairwise

import numpy as np
import pytest

from monitor.faces.mtcnn.cascade import MtcnnDetector, MtcnnEngines
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.backends import choose
from monitor.inference.cache import default_cache_dir
from monitor.media.sources import demo_faces, demo_spans, open_source
from monitor.media.sources.demo import FPS, DemoSource
from monitor.settings import Settings, SourceSettings
from monitor.types import Frame, Pixels

SECONDS = 2.4


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(DemoSource(SECONDS))


def speaker(pixels: Pixels) -> Pixels:
    return pixels[32:656, 32:892]


def test_the_demo_is_finite_and_labelled_as_synthetic(frames: list[Frame]) -> None:
    with open_source("demo:", SourceSettings(demo_seconds=SECONDS)) as source:
        info = source.info
    assert (info.kind, info.synthetic, info.live, info.still, info.has_audio) == ("demo", True, False, False, False)
    assert (info.width, info.height, info.fps, info.duration, info.frame_count) == (1280, 720, 25.0, SECONDS, 60)
    assert [frame.index for frame in frames] == list(range(60))
    np.testing.assert_allclose([frame.media_time for frame in frames], np.arange(60) / FPS)


def test_the_same_seconds_give_the_same_pixels(frames: list[Frame]) -> None:
    for frame, again in zip(frames, DemoSource(SECONDS), strict=True):
        np.testing.assert_array_equal(frame.pixels, again.pixels)


def test_the_middle_third_is_blended_and_the_rest_is_not(frames: list[Frame]) -> None:
    (span,) = demo_spans(SECONDS)
    assert span == pytest.approx((0.8, 1.6))
    genuine = DemoSource(SECONDS)
    genuine._blended = ()
    differs = [
        frame.index for frame, other in zip(frames, genuine, strict=True) if (frame.pixels != other.pixels).any()
    ]
    assert differs == [frame.index for frame in frames if span.start <= frame.media_time < span.end]
    assert differs == list(range(20, 40))


def test_only_the_speakers_face_differs_in_the_blended_part(frames: list[Frame]) -> None:
    outside = np.ones((720, 1280), bool)
    outside[32:656, 32:892] = False
    genuine = DemoSource(SECONDS)
    genuine._blended = ()
    for frame, other in islice(zip(frames, genuine, strict=True), 20, 40, 5):
        np.testing.assert_array_equal(frame.pixels[outside], other.pixels[outside])
        changed = (speaker(frame.pixels) != speaker(other.pixels)).any(axis=2)
        assert 0.02 < changed.mean() < 0.12


def test_a_second_person_comes_and_goes_twice(frames: list[Frame]) -> None:
    there = [bool(frame.pixels[60:300, 940:1220].std() > 20) for frame in frames]
    comings = [now and not before for before, now in pairwise([False, *there])]
    assert sum(comings) == 2
    assert not there[0]
    assert not there[-1]
    assert all(there[36:49]), "she sits beside the blended face and beside the genuine one"


def test_the_people_move_smoothly(frames: list[Frame]) -> None:
    steps = [np.abs(speaker(a.pixels).astype(int) - speaker(b.pixels)).mean() for a, b in pairwise(frames[:18])]
    assert min(steps) > 1
    assert max(steps) < 12


def test_a_face_detector_finds_only_the_people_of_the_demo(settings: Settings) -> None:
    backend, cache = choose("onnxruntime").backend, default_cache_dir(settings.cache_dir)
    engines = [backend.compile(network, threads=1, cache_dir=cache) for network in mtcnn_networks()]
    detector = MtcnnDetector(MtcnnEngines(*engines), settings.detector)
    found = [len(detector.detect(frame.pixels)) for frame in islice(DemoSource(24.0), 0, None, 40)]
    there = [2 if 3.0 <= 1.6 * number < 7.0 or 14.0 <= 1.6 * number < 20.0 else 1 for number in range(15)]
    assert found == there


def test_close_ends_the_demo() -> None:
    source = DemoSource(SECONDS)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_demo_faces_hold_one_face_each() -> None:
    genuine, blended = demo_faces()
    assert genuine.shape == blended.shape == (320, 320, 3)
    assert genuine.dtype == blended.dtype == np.uint8
    changed = np.abs(genuine.astype(int) - blended).max(axis=2) > 4
    assert 0.05 < changed.mean() < 0.5
    assert not changed[:20].any()
