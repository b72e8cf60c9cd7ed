"""``deepfake-monitor bench``."""

import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from monitor.cli.options import AsJson, Backend, MinFace, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.lab.bench.clips import crowd_clip, one_face_clip, scaled_clip
from monitor.lab.bench.compare import Scenario, ScenarioResult, compare, one_thread_process
from monitor.lab.bench.peak import ClassifierSpeed, classifier_speed
from monitor.lab.bench.stages import stage_times
from monitor.types.formatting import share


def bench(
    video: Annotated[Path | None, typer.Option(help="Add a scenario with this video, scaled to 720 lines.")] = None,
    seconds: Annotated[int, typer.Option(min=2, max=60, help="Compared seconds of each clip.")] = 6,
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Compare with a naive loop: facenet-pytorch's MTCNN and an eager classifier on every frame.

    Both use 160 px, the same minimum face size and one thread, and run alternately. Takes some minutes.
    """
    settings = settings_from(settings_file, assignments, backend=backend, min_face=min_face)
    with tempfile.TemporaryDirectory() as folder:
        with errors.status("writing the clips"):
            scenarios = _scenarios(Path(folder), video=video, seconds=seconds)
        results: dict[str, ScenarioResult] = {}
        with Progress(console=errors, transient=True) as progress:
            for scenario in scenarios:
                task = progress.add_task(scenario.name, total=seconds + 1)
                advance = partial(progress.advance, task)
                results[scenario.name] = compare(scenario, settings=settings, turns=seconds, on_turn=advance)
        with errors.status("timing the stages and the classifier"), one_thread_process() as process:
            stages = process.submit(stage_times, scenarios[0].clip, settings).result()
            classifier = process.submit(classifier_speed, settings).result()
    if as_json:
        typer.echo(json.dumps(_record(results, stages, classifier), indent=2))
    else:
        _show(results, stages, classifier)


def _scenarios(folder: Path, *, video: Path | None, seconds: int) -> list[Scenario]:
    one_face = one_face_clip(folder / "one_face.mp4", seconds=seconds + 1)
    scenarios = [
        Scenario("one_face", one_face, "ours"),
        Scenario("crowd", crowd_clip(folder / "crowd.mp4", seconds=seconds + 1), "ours"),
        Scenario("equal_work", one_face, "equal_work"),
    ]
    if video is not None:
        clip = scaled_clip(video, folder / "video.mp4", seconds=seconds + 1)
        scenarios.append(Scenario("video", clip, "ours"))
    return scenarios


def _record(
    results: dict[str, ScenarioResult], stages: dict[str, float], classifier: ClassifierSpeed
) -> dict[str, object]:
    return {
        **{name: asdict(result) for name, result in results.items()},
        "stages_ms": stages,
        "classifier_engine": classifier.engine,
        "classifier_ms_per_face": classifier.ms_per_face,
        "classifier_sgemm_share": classifier.sgemm_share[1],
        "classifier_sgemm_share_by_batch": classifier.sgemm_share,
        "sgemm_gflops": classifier.sgemm_gflops,
        "peak_rss_mb": max(result.peak_rss_mb for result in results.values()),
    }


def _show(results: dict[str, ScenarioResult], stages: dict[str, float], classifier: ClassifierSpeed) -> None:
    table = Table(
        "scenario", "ratio (range)", "naive ms", "ours ms", "faces matched", "peak MB", box=None, pad_edge=False
    )
    for name, result in results.items():
        table.add_row(
            name,
            f"[bold]{result.ratio:.1f} x[/] ({result.ratio_min:.1f}-{result.ratio_max:.1f})",
            f"{result.naive_ms:.1f}",
            f"{result.ours_ms:.1f}",
            f"{share(result.faces_matched, digits=1)} of {result.faces_naive}",
            f"{result.peak_rss_mb:.0f}",
        )
    console.print("CPU milliseconds per 720p frame, decoding included, one thread, 160 px on both sides", style="dim")
    print_table(table)
    parts = ", ".join(f"{stage} {spent:.2f}" for stage, spent in sorted(stages.items(), key=lambda item: -item[1]))
    console.print(f"ours, one face, ms per frame: {parts}")
    shares = ", ".join(
        f"batch {batch}: {spent:.1f} ms per face, {share(classifier.sgemm_share[batch])}"
        for batch, spent in classifier.ms_per_face.items()
    )
    console.print(f"InceptionResnetV1 on {classifier.engine}, share of this core's sgemm peak: {shares}")
