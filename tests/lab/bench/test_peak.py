import pytest

from monitor.lab.bench.peak import classifier_speed
from monitor.settings import Settings


def test_the_share_is_work_over_time_over_peak(settings: Settings) -> None:
    speed = classifier_speed(settings, rounds=1)
    assert speed.engine == "onnxruntime-fp32"
    for batch, spent in speed.ms_per_face.items():
        megaflop = speed.sgemm_share[batch] * speed.sgemm_gflops * spent
        assert megaflop == pytest.approx(2840), "share x peak x time is the work of one face"
