"""``deepfake-monitor lab fairness``: false alarms on real faces, compared between groups of people."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from monitor.analysis.pipeline import Engines
from monitor.cli.options import AsJson, Backend, Model, Set, SettingsFile, Weights, load_engines, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import DatasetError, UsageError
from monitor.settings import Settings
from monitor.system.files import write_whole

if TYPE_CHECKING:
    from monitor.lab.evaluation.fairness import CountedShare, Fairness
    from monitor.lab.evaluation.outcomes import Outcome

_INDEX = "index.csv"
_WIDTH = 110  # characters, minimum width of the table
T = TypeVar("T")


def fairness(
    source: Annotated[Path, typer.Argument(help="A folder of pictures (or of tars of them), or of face shards.")],
    out: Annotated[Path | None, typer.Option(help="Write the figures there, as JSON.")] = None,
    split: Annotated[
        str, typer.Option(help="Of shards: train, val, test or all.", show_default="test, if there are splits")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many faces, spread over the folder.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes, for pictures.")] = 1,
    model: Model = None,
    weights: Weights = None,
    backend: Backend = None,
    pad: Annotated[
        float, typer.Option(min=0, max=1, help="Widen pictures by so much of their size (see below).")
    ] = 0.0,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """False alarms on real faces by age band, sex and race, from UTKFace's file names (age_sex_race_*).

    Pictures pass the whole pipeline, as in analyze; shards pass the classifier alone. Most faces in UTKFace's own
    tight crops touch the frame's edge and are not judged: --pad 0.3 adds a border of repeated edge pixels.
    """
    from monitor.lab.evaluation.fairness import fairness as measured

    settings = settings_from(settings_file, assignments, backend=backend, model=model, weights=weights)
    sharded = (source / _INDEX).is_file()
    if split and not sharded:
        raise UsageError(f"{source} is no folder of face shards, and only these have splits: leave --split out")
    if sharded:
        outcomes, engines, taken = _of_shards(source, settings, split=split, limit=limit)
    else:
        outcomes, engines = _of_pictures(source, settings, limit=limit, jobs=jobs, pad=pad)
        taken = ""
    found = measured(outcomes)
    record = {
        "version": 1,
        "source": source.resolve().name,
        "split": taken,
        "pad": None if sharded else pad,
        "limit": limit,
        "model": engines.classifier.card.id,
        "weights_sha256": engines.classifier.card.weights_sha256,
        "engine": engines.scorer.engine.name,
        "settings": settings.record(),
        **asdict(found),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    if out is not None:
        write_whole(out, text)
    if as_json:
        typer.echo(text, nl=False)
    else:
        _show(found)


def _of_shards(
    source: Path, settings: Settings, *, split: str, limit: int | None
) -> tuple[Sequence[Outcome], Engines, str]:
    """Outcomes of the real crops, with the engines and the names of the splits."""
    from monitor.lab.evaluation.crops import crop_outcomes
    from monitor.lab.evaluation.material import open_material

    faces = open_material(source, split=split).faces
    reals = [] if faces is None else [face for face in faces.rows if not face.label]
    if faces is None or not reals:
        raise DatasetError(f"{source} holds no real face of that split, and a false alarm is about real faces")
    kept = {face.name for face in _spread(reals, limit)}
    faces = faces.select(lambda face: face.name in kept)
    engines = load_engines(settings)
    with errors.status(f"scoring {len(faces)} crops"):
        outcomes = crop_outcomes(faces, engines=engines, settings=settings.verdict)
    return outcomes, engines, "+".join(sorted({row.split or "none" for row in faces.rows}))


def _of_pictures(
    source: Path, settings: Settings, *, limit: int | None, jobs: int, pad: float
) -> tuple[Sequence[Outcome], Engines]:
    from monitor.lab.datasets.record import Record
    from monitor.lab.evaluation.fairness import person_in
    from monitor.lab.evaluation.videos import video_outcomes

    with tempfile.TemporaryDirectory() as folder:
        paths = [path for path in sorted(_pictures(source, Path(folder))) if person_in(path.stem) is not None]
        if not paths:
            raise DatasetError(
                f"{source} holds no picture named age_sex_race_*, as UTKFace writes them: no groups to compare"
            )
        chosen = _spread(paths, limit)
        if pad:
            chosen = [_padded(path, pad, Path(folder) / "padded") for path in chosen]
        records = [
            Record(dataset=source.resolve().name, video_id=f"{path.parent.name}/{path.stem}", path=path, label=0)
            for path in chosen
        ]
        engines = load_engines(settings)
        with Progress(console=errors, transient=True) as progress:
            task = progress.add_task("faces", total=len(records))
            outcomes = video_outcomes(
                records, settings=settings, engines=engines, jobs=jobs, on_done=lambda _: progress.advance(task)
            )
    return outcomes, engines


def _pictures(source: Path, unpacked: Path) -> list[Path]:
    """Pictures in ``source`` and its subfolders; those in tar files are unpacked into ``unpacked``."""
    from monitor.lab.datasets.archive import TarArchive
    from monitor.media.sources.image import SUFFIXES

    if not source.is_dir():
        raise DatasetError(f"{source} is no folder: name one of pictures, or of face shards")
    for archive in sorted(source.glob("*.tar")):
        members, folder = TarArchive(archive), (unpacked / archive.stem).resolve()
        for name in members.names:
            target = (folder / name).resolve()
            if not target.is_relative_to(folder):
                raise DatasetError(f"{archive} cannot be unpacked: {name} would lie outside of it; fetch it again")
            if target.suffix.lower() in SUFFIXES:
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(members.read(name))
                except OSError as error:
                    raise DatasetError(f"{archive} cannot be unpacked: {error}") from None
    found = (path for folder in (source, unpacked) for path in folder.rglob("*"))
    return [path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()]


def _padded(path: Path, share: float, folder: Path) -> Path:
    """A copy of a picture with a border of ``share`` of its size; an unreadable picture is returned as is."""
    import cv2

    picture = cv2.imread(str(path))
    if picture is None:
        return path
    y, x = (round(share * side) for side in picture.shape[:2])
    target = folder / path.parent.name / f"{path.stem}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), cv2.copyMakeBorder(picture, y, y, x, x, cv2.BORDER_REPLICATE))
    return target


def _spread(items: list[T], limit: int | None) -> list[T]:
    if limit is None or len(items) <= limit:
        return items
    return [items[number * len(items) // limit] for number in range(limit)]


def _show(found: Fairness) -> None:
    columns = ("group", "real faces", "accused %", "likely fake %", "not judged %", "mean P(fake)")
    table = Table(*columns, box=None, pad_edge=False, width=max(console.width, _WIDTH))
    for group in found.groups:
        name = f"age {group.name}" if group.by == "age" else group.name
        mean = "" if group.mean_probability is None else f"{group.mean_probability:.2f}"
        shares = [_percent(rate) for rate in (group.accused, group.called_fake, group.not_judged)]
        table.add_row(escape(name), str(group.faces), *shares, mean)
    print_table(table)
    console.print("accused: suspicious or likely fake, of the judged; intervals 95 % (Wilson)", style="dim")
    if found.largest is None:
        console.print("no two groups have enough judged faces to compare")
    for gap in found.gaps:
        marked = "[bold]largest gap[/]: " if gap == found.largest else ""
        console.print(f"{marked}{escape(gap.in_words)}")
    if found.unlabelled or found.fakes:
        console.print(f"{found.unlabelled} real faces without labels in their names, {found.fakes} fakes left out")


def _percent(rate: CountedShare) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "-"
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
