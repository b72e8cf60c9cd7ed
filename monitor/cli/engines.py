"""``deepfake-monitor engines``: the inference engines of this machine, their speed and their accuracy."""

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
from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
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
    help="List, build, verify, benchmark and clean the inference engines of this machine.",
)

Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        help="Only this engine, or auto for the one that the settings choose; may be repeated.",
        show_default="all usable ones",
    ),
]


@app.command("list")
def list_(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List the engines, the chosen one, and the reasons. Builds nothing."""
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
        reason = missing or why.get(backend.name, "not chosen: the requested engine cannot be used")
        rows.append({"name": backend.name, "available": not missing, "chosen": backend.name == chosen, "why": reason})
    if as_json:
        typer.echo(json.dumps({"engines": rows}, indent=2))
    else:
        table = Table(Column("engine", no_wrap=True), "runs here", "chosen", "why", box=None, pad_edge=False)
        for row in rows:
            marks = ("[green]yes[/]" if row[field] else "no" for field in ("available", "chosen"))
            table.add_row(str(row["name"]), *marks, escape(str(row["why"])))
        print_table(table)
    if refusal is not None:
        raise refusal


@app.command()
def build(engine: Engines = None, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Build the engines of classifier and face detector into the cache, so that the first start is fast."""
    settings = settings_from(settings_file, assignments)
    networks = [network for network, _ in _networks(settings)]
    folder = default_cache_dir(settings.cache_dir)
    backends, failures = available([_chosen(settings) if name == "auto" else name for name in engine or ()]), 0
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
    """Compare each engine with fp32 torch on the demo's faces; the exit code is 1 if one deviates too much."""
    settings = settings_from(settings_file, assignments)
    folder, threads = default_cache_dir(settings.cache_dir), settings.classifier.threads
    results: dict[str, list[Verification]] = {}
    for network, crops in _networks(settings):
        results[network.name] = []
        for backend in available(engine or ()):
            with errors.status(f"verifying {network.name} on {backend.name}"):
                one = verify(network, backend, crops=crops, threads=threads, cache_dir=folder)
            results[network.name].append(one)
    if as_json:
        rows = [{"network": name, **_record(one)} for name, found in results.items() for one in found]
        typer.echo(json.dumps({"network": " + ".join(results), "engines": rows}, indent=2))
    else:
        for name, found in results.items():
            _show_verifications(name, found)
    failed = [one for found in results.values() for one in found if not one.passed]
    for one in failed:
        errors.print(f"[bold red]failed:[/] {escape(one.why)}")
    if failed:
        raise typer.Exit(1)


def _show_verifications(network: str, results: Sequence[Verification]) -> None:
    table = Table(
        Column("engine", no_wrap=True), "", "logit difference", "map difference", "faces", box=None, pad_edge=False
    )
    for one in results:
        table.add_row(
            one.engine or one.backend,
            "[green]ok[/]" if one.passed else "[bold red]failed[/]",
            f"{one.logit_difference:.2g} (allowed {one.logit_tolerance:g})",
            f"{one.map_difference:.2g} (allowed {one.map_tolerance:g})",
            str(one.crops),
        )
    console.print(f"{network} compared with fp32 torch, largest differences", style="dim")
    print_table(table)


@app.command()
def bench(
    engine: Engines = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, max=256, help="Batch size; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=10000, help="Rounds; each round runs every engine once.")] = 30,
    plot: Annotated[Path | None, typer.Option(help="Draw faces per second by batch into this file.")] = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Measure faces per second, latency and difference from fp32 torch of every engine, in one interleaved run."""
    settings = settings_from(settings_file, assignments)
    if plot is not None:
        _require_matplotlib()
    network, crops = _networks(settings)[0]
    folder, threads = default_cache_dir(settings.cache_dir), settings.classifier.threads
    names = available(engine or ())
    engines = {}
    for backend in names:
        with errors.status(f"building {backend.name}"):
            try:
                engines[backend.name] = compiled(network, backend, threads=threads, cache_dir=folder)
            except MonitorError as error:
                errors.print(f"[yellow]skipped:[/] {backend.name}: {escape(str(error))}")
    if not engines:
        raise EngineError(f"none of {', '.join(backend.name for backend in names)} could be built: see above")
    reference = engines.get("torch") or compiled(network, available(("torch",))[0], threads=threads, cache_dir=folder)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("rounds", total=rounds + 1)
        rows, peak = measure(
            engines,
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
    """Delete all built engines; they are built again when needed."""
    settings = settings_from(settings_file, assignments)
    folder = default_cache_dir(settings.cache_dir)
    files = artefacts(folder)
    size, removed = 0, 0
    for file in files:
        try:
            file_size = file.stat().st_size
            file.unlink()
        except OSError as error:
            errors.print(f"[yellow]not deleted:[/] {escape(str(file))} ({error.strerror or error})")
        else:
            size, removed = size + file_size, removed + 1
    console.print(f"{removed} files, {size / 1e6:.0f} MB removed from {escape(str(folder))}")
    if removed < len(files):
        raise typer.Exit(1)


_BATCHES = (1, 4, 8, 16)


def _networks(settings: Settings) -> list[tuple[Network, Pixels]]:
    """The networks of the configured classifiers, each with test faces for its engines."""
    networks = []
    for classifier in configured_committee(settings).classifiers:
        network = classifier.network
        if network.reference_crops is None:
            raise EngineError(f"there are no faces to try {network.name} on")
        networks.append((network, network.reference_crops()))
    return networks


def _chosen(settings: Settings) -> str:
    """The name of the engine that the settings choose on this machine."""
    return choose(settings.classifier.backend).backend.name


def _bytes(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def _record(one: Verification) -> dict[str, object]:
    return {field: None if value == float("inf") else value for field, value in asdict(one).items()}


def _show(rows: Sequence[EngineMeasurement], *, network: str, threads: int, rounds: int, peak: float) -> None:
    table = Table(
        Column("engine", no_wrap=True), "batch", "faces/s", "p50 ms", "p99 ms", "CPU ms per face", "share of peak",
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
        "logits and maps: largest difference from fp32 torch",
        style="dim",
    )
    print_table(table)


def _require_matplotlib() -> None:
    """Raises UsageError if matplotlib is not installed."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib: pip install 'deepfake-monitor[lab]', or omit --plot")


def _draw(rows: Sequence[EngineMeasurement], path: Path, *, title: str) -> None:
    """Draws faces per second over batch size, one line per engine.

    Raises:
        OutputError: the file cannot be written.
        UsageError: matplotlib does not support the file type.
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
    image = io.BytesIO()
    try:
        figure.savefig(image, format=path.suffix.removeprefix(".") or "png", dpi=150)
    except ValueError as error:
        raise UsageError(f"{path} cannot be drawn: {error}") from error
    write_whole(path, image.getvalue())
