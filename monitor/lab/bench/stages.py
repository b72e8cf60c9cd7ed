"""CPU time per frame of each stage, from a profiled pass over a clip."""

import cProfile
import pstats
import time
from pathlib import Path

from monitor.lab.bench.loops import ours
from monitor.media.sources import open_source
from monitor.settings import Settings

# Entry function of each stage: (file, function) -> name in the table.
_DOORS = {
    ("cascade.py", "refine"): "follow faces (O-Net)",
    ("cascade.py", "detect"): "full detection",
    ("scenes.py", "is_cut"): "scene cuts",
    ("quality.py", "measure"): "quality",
    ("scores.py", "score"): "crop and classify",
    ("judge.py", "update"): "verdicts",
    ("segments.py", "update"): "segments",
    ("pipeline.py", "step"): "all of step()",
}


def stage_times(clip: Path, settings: Settings) -> dict[str, float]:
    """CPU milliseconds per frame and stage; decoding is the time outside ``step``.

    Raises:
        SourceError: the clip cannot be read.
    """
    loop = ours(settings)
    profile = cProfile.Profile(time.process_time)
    frames = 0
    with open_source(clip) as source:
        started = time.process_time()
        for frame in source:
            profile.runcall(loop, frame)
            frames += 1
        total = time.process_time() - started
    seconds: dict[str, float] = {}
    for (file, _, function), (*_, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        door = _DOORS.get((Path(file).name, function))
        if door:
            seconds[door] = seconds.get(door, 0.0) + cumulative
    seconds["decode and RGB"] = total - seconds["all of step()"]
    return {stage: 1e3 * spent / max(frames, 1) for stage, spent in seconds.items()}
