"""``deepfake-monitor engines``: which inference engines this machine has, how fast and how right each is."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Column, Table

from monitor.analysis.pipeline import configured_committee
from monitor.cli.terminal import AsJson, Set, SettingsFile, console, errors, settings_from
from monitor.errors import EngineError, MonitorError, UsageError
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.backends import all_backends, choose
from monitor.inference.cache import artefacts, default_cache_dir
from monitor.inference.network import Network
from monitor.inference.onnx_graph import export_in_child
from monitor.lab.bench.engines import EngineMeasurement, Verification, available, compiled, flop_per_face, verify
from monitor.lab.bench.engines import bench as measure
from monitor.settings import Settings
from monitor.types import Pixels
from monitor.types.formatting import share

app = typer.Typer(
    name="engines",
    no_args_is_help=True,
    help="Which inference engines this machine can run, which is chosen and why, how fast and how right each is.",
)

Engines = Annotated[
    list[str] | None, typer.Option("--engine", help="Only this one; may be repeated.", show_default="all that run here")
]


@app.command("list")
def list_(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Which engines there are, which is chosen and why not another. Nothing is built."""
    settings = settings_from(settings_file, assignments)
    try:
        choice = choose(settings.classifier.backend)
        chosen, why = choice.backend.name, {choice.backend.name: choice.reason, **choice.others}
    except EngineError as error:
        chosen, why = "", {}
        refusal: EngineError | None = error
    else:
        refusal = None
    rows = []
    for backend in all_backends():
        missing = backend.unavailable()
        reason = missing or why.get(backend.name, "not chosen: the one that was asked for cannot be used")
        rows.append({"name": backend.name, "available": not missing, "chosen": backend.name == chosen, "why": reason})
    if as_json:
        typer.echo(json.dumps({"engines": rows}, indent=2))
    else:
        table = Table(Column("engine", no_wrap=True), "runs here", "chosen", "why", box=None, pad_edge=False)
        for row in rows:
            marks = ("[green]yes[/]" if row[field] else "no" for field in ("available", "chosen"))
            table.add_row(str(row["name"]), *marks, escape(str(row["why"])))
        console.print(table)
    if refusal is not None:
        raise refusal


@app.command()
def build(engine: Engines = None, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Build engines into the cache, the face detector's too, so that the first start is as fast as any other."""
    settings = settings_from(settings_file, assignments)
    networks = [network for network, _ in _networks(settings)]
    folder = default_cache_dir(settings.cache_dir)
    backends, failures = available(engine or ()), 0
    with Progress(console=errors, transient=True) as progress, export_in_child():
        task = progress.add_task("", total=len(backends))
        for backend in backends:
            progress.update(task, description=backend.name)
            before, began = _bytes(artefacts(folder)), time.monotonic()
            try:
                for network in networks:
                    backend.compile(network, threads=settings.classifier.threads, cache_dir=folder)
                for network in mtcnn_networks():
                    backend.exact().compile(network, threads=settings.classifier.threads, cache_dir=folder)
            except MonitorError as error:
                failures += 1
                console.print(f"{backend.name}: [bold red]not built:[/] {escape(str(error))}")
            else:
                seconds, added = time.monotonic() - began, max(0, _bytes(artefacts(folder)) - before) / 1e6
                console.print(f"{backend.name}: ready in {seconds:.1f} s, {added:.0f} MB added to the cache")
            progress.advance(task)
    console.print(escape(str(folder)), style="dim")
    if failures:
        raise typer.Exit(1)


@app.command("verify")
def verify_(
    engine: Engines = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Hold each engine against fp32 torch on the demo's faces; exit code 1 if one says something else."""
    settings = settings_from(settings_file, assignments)
    folder, threads = default_cache_dir(settings.cache_dir), settings.classifier.threads
    failed: list[Verification] = []
    for network, crops in _networks(settings):
        found: list[Verification] = []
        for backend in available(engine or ()):
            with errors.status(f"verifying {network.name} on {backend.name}"):
                found.append(verify(network, backend, crops=crops, threads=threads, cache_dir=folder))
        _show_verified(network.name, found, as_json=as_json)
        failed += [one for one in found if not one.passed]
    for one in failed:
        errors.print(f"[bold red]failed:[/] {escape(one.why)}")
    if failed:
        raise typer.Exit(1)


def _show_verified(network: str, found: Sequence[Verification], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"network": network, "engines": [_record(one) for one in found]}, indent=2))
    else:
        table = Table(
            Column("engine", no_wrap=True), "", "logits differ by", "maps by", "faces", box=None, pad_edge=False
        )
        for one in found:
            table.add_row(
                one.engine or one.backend,
                "[green]ok[/]" if one.passed else "[bold red]failed[/]",
                f"{one.logit_difference:.2g} (allowed {one.logit_tolerance:g})",
                f"{one.map_difference:.2g} (allowed {one.map_tolerance:g})",
                str(one.crops),
            )
        console.print(f"{network} against fp32 torch, largest differences", style="dim")
        console.print(table)


@app.command()
def bench(
    engine: Engines = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, max=256, help="May be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=10000, help="In which all engines take turns.")] = 30,
    plot: Annotated[Path | None, typer.Option(help="Draw faces per second by batch into this file.")] = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Faces per second, latency and distance from fp32 torch of every engine, in one interleaved run."""
    settings = settings_from(settings_file, assignments)
    if plot is not None:
        _drawing()
    network, crops = _networks(settings)[0]
    folder, threads = default_cache_dir(settings.cache_dir), settings.classifier.threads
    names = available(engine or ())
    made = {}
    for backend in names:
        with errors.status(f"building {backend.name}"):
            try:
                made[backend.name] = compiled(network, backend, threads=threads, cache_dir=folder)
            except MonitorError as error:
                errors.print(f"[yellow]left out:[/] {backend.name}: {escape(str(error))}")
    if not made:
        raise EngineError(f"none of {', '.join(backend.name for backend in names)} could be built: see above")
    reference = made.get("torch") or compiled(network, available(("torch",))[0], threads=threads, cache_dir=folder)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("taking turns", total=rounds + 1)
        rows, peak = measure(
            made,
            reference=reference,
            flop=flop_per_face(network),
            crops=crops,
            batches=batch or _BATCHES,
            rounds=rounds,
            on_round=lambda: progress.advance(task),
        )
    record = {"network": network.name, "threads": threads, "rounds": rounds, "sgemm_gflops": peak / 1e9}
    if as_json:
        typer.echo(json.dumps(record | {"engines": [asdict(row) for row in rows]}, indent=2))
    else:
        _show(rows, network=network.name, threads=threads, rounds=rounds, peak=peak)
    if plot is not None:
        _draw(rows, plot, title=network.name)
        errors.print(escape(str(plot)))


@app.command()
def clean(settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Remove everything that was compiled; it is built again when it is needed."""
    settings = settings_from(settings_file, assignments)
    folder = default_cache_dir(settings.cache_dir)
    files = artefacts(folder)
    size, removed = 0, 0
    for file in files:
        try:
            taken = file.stat().st_size
            file.unlink()
        except OSError as error:
            errors.print(f"[yellow]kept:[/] {escape(str(file))} ({error.strerror or error})")
        else:
            size, removed = size + taken, removed + 1
    console.print(f"{removed} files, {size / 1e6:.0f} MB removed from {escape(str(folder))}")
    if removed < len(files):
        raise typer.Exit(1)


_BATCHES = (1, 4, 8, 16)


def _networks(settings: Settings) -> list[tuple[Network, Pixels]]:
    """The networks of the classifiers that the settings name, each with faces to try its engines on."""
    networks = [classifier.network for classifier in configured_committee(settings).classifiers]
    for network in networks:
        if network.reference_crops is None:
            raise EngineError(f"there are no faces to try {network.name} on")
    return [(network, network.reference_crops()) for network in networks if network.reference_crops]


def _bytes(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def _record(one: Verification) -> dict[str, object]:
    return {field: None if value == float("inf") else value for field, value in asdict(one).items()}


def _show(rows: Sequence[EngineMeasurement], *, network: str, threads: int, rounds: int, peak: float) -> None:
    table = Table(
        Column("engine", no_wrap=True), "batch", "faces/s", "p50 ms", "p99 ms", "CPU ms per face", "of the peak",
        "logits", "maps", box=None, pad_edge=False,
    )  # fmt: skip
    for row in rows:
        for size, speed in row.batches.items():
            first = size == next(iter(row.batches))
            of_peak = "-" if speed.peak_share is None else share(speed.peak_share)
            table.add_row(
                row.engine if first else "",
                str(size),
                f"{speed.faces_per_second:.1f}",
                f"{speed.p50_ms:.1f}",
                f"{speed.p99_ms:.1f}",
                f"{speed.cpu_ms_per_face:.1f}",
                of_peak,
                f"{row.logit_difference:.2g}" if first else "",
                f"{row.map_difference:.2g}" if first else "",
            )
    console.print(
        f"{network}, {threads} threads, {rounds} rounds; peak: {peak / 1e9:.0f} GFLOP/s of one core (sgemm); "
        "logits and maps: largest difference to fp32 torch",
        style="dim",
    )
    console.print(table)


def _drawing() -> None:
    """Raises UsageError where nothing can be drawn."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib: pip install 'deepfake-monitor[lab]', or leave --plot out")


def _draw(rows: Sequence[EngineMeasurement], path: Path, *, title: str) -> None:
    """Faces per second by batch, one line an engine.

    Raises:
        OutputError: the file cannot be written.
        UsageError: matplotlib knows no such kind of file.
    """
    import io

    from matplotlib.figure import Figure

    from monitor.system.files import write_whole

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for row, marker in zip(rows, "osD^vPX*" * len(rows), strict=False):
        sizes = list(row.batches)
        axes.plot(sizes, [row.batches[size].faces_per_second for size in sizes], marker=marker, label=row.engine)
    axes.set(title=title, xlabel="faces in a batch", ylabel="faces per second", ylim=(0, None), xticks=sizes)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format=path.suffix.removeprefix(".") or "png", dpi=150)
    except ValueError as error:
        raise UsageError(f"{path} cannot be drawn: {error}") from error
    write_whole(path, drawn.getvalue())
