from pathlib import Path

from monitor.lab.bench.clips import one_face_clip
from monitor.lab.bench.stages import stage_times
from monitor.settings import Settings


def test_every_stage_is_timed(tmp_path: Path, settings: Settings) -> None:
    times = stage_times(one_face_clip(tmp_path / "clip.mp4", seconds=1), settings)
    assert set(times) == {
        "decode and RGB",
        "scene cuts",
        "follow faces (O-Net)",
        "full detection",
        "quality",
        "crop and classify",
        "verdicts",
        "segments",
        "all of step()",
    }
    inside = sum(spent for stage, spent in times.items() if stage not in ("decode and RGB", "all of step()"))
    assert all(spent > 0 for spent in times.values())
    assert inside <= times["all of step()"]
