"""``deepfake-monitor lab prepare``: cut a data set's videos and pictures to face crops in shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from monitor.cli.options import MinFace, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.lab.datasets.face_cropper import CropRecipe
    from monitor.lab.datasets.record import Record
    from monitor.lab.datasets.splits import Shares

_CROPS, _FOLDER = "shards", "folder"

Name = Annotated[
    str,
    typer.Argument(
        help="ffpp, celeb-df-v2, dfdc, dfdc-preview, deeperforensics-1.0, fakeavceleb, wilddeepfake, forgerynet, "
        "folder (real/ and fake/), manifest (manifest.csv), feedback, or shards (face crops that exist: their "
        "landmarks are found)."
    ),
]
Label = Annotated[str, typer.Option(help="real or fake: for all of a folder without class folders.")]
SplitShares = Annotated[str, typer.Option(help="Of train, val and test, for records without a published split.")]
Resplit = Annotated[bool, typer.Option("--resplit", help="Forget the published splits.")]
Frames = Annotated[int, typer.Option(min=1, max=1000, help="Frames of each video, spread evenly.")]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Side of a stored crop, pixels.")]
Side = Annotated[float, typer.Option(min=0.3, max=3.0, help="Side of the square, in heights of the face box.")]
Centre = Annotated[float, typer.Option(min=-0.5, max=0.5, help="Its centre below the box's, in the same unit.")]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Processes, of one thread each.")]
CompareFiles = Annotated[
    bool | None,
    typer.Option(
        help="Look for equal files in different splits; reads every byte.",
        show_default="only for a folder with splits of its own",
    ),
]
ValFromTrain = Annotated[
    float | None, typer.Option(help="Take val, this part of train, out of it by group: for published splits without.")
]
AllowLeakage = Annotated[
    bool, typer.Option("--allow-leakage", help="Go on though people or videos are in several splits.")
]


def prepare(
    dataset: Name,
    root: Annotated[Path, typer.Argument(help="Where it lies.")],
    out: Annotated[Path, typer.Option(help="The folder of the shards.")],
    label: Label = "",
    split_shares: SplitShares = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(min=0, help="Of the splits.")] = 0,
    resplit: Resplit = False,  # noqa: FBT002 - a flag
    val_from_train: ValFromTrain = None,
    frames: Frames = 8,
    size: Size = 224,
    side: Side = 1.0,
    centre: Centre = 0.06,
    jobs: Jobs = 1,
    compare_files: CompareFiles = None,
    allow_leakage: AllowLeakage = False,  # noqa: FBT002 - a flag
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Cut face crops as the monitor does, with splits that share no person and no video.

    The person seen in most frames of a video is kept; for feedback, each flagged face. Files without a face are
    listed in skipped.csv with the reason. An interrupted run is resumed by the same command. The result does not
    depend on --jobs.
    """
    from monitor.lab.datasets import prepare as work
    from monitor.lab.datasets import read
    from monitor.lab.datasets.face_cropper import CropRecipe
    from monitor.lab.datasets.splits import Shares

    settings = settings_from(settings_file, assignments, min_face=min_face)
    shares = Shares.parse(split_shares)
    with errors.status("reading the data set"):
        records = read(dataset, root, label=label)
    recipe = CropRecipe(frames=frames, size=size, side=side, centre=centre)
    if dataset == _CROPS:
        recipe = _of_existing(root, recipe)
    choices: dict[str, Any] = {"reader": dataset, "split_shares": split_shares, "seed": seed, "resplit": resplit}
    if val_from_train is not None:
        choices["val_from_train"] = val_from_train
    if records.missing:
        choices["listed_but_missing"] = len(records.missing)
    if compare_files is None:  # file names there may be plain numbers, which identify nothing
        compare_files = dataset == _FOLDER and any(record.split for record in records)
    plan = work.PreparationPlan(
        _divided(records, shares, seed=seed, anew=resplit, val_share=val_from_train),
        root=root if root.is_dir() else root.parent,
        recipe=recipe,
        settings=settings,
        choices=choices,
        compare_files=compare_files,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=errors, transient=True) as progress:
        task = progress.add_task(escape(records[0].dataset), total=len(records))
        facts = work.prepare(plan, out, jobs=jobs, allow_leakage=allow_leakage, on_done=lambda: progress.advance(task))
    _say(facts, out)


def _divided(records: list[Record], shares: Shares, *, seed: int, anew: bool, val_share: float | None) -> list[Record]:
    from monitor.lab.datasets.splits import split_records, val_from_train

    divided = split_records(records, shares, seed=seed, anew=anew)
    return divided if val_share is None else val_from_train(divided, val_share, seed=seed)


def _of_existing(root: Path, recipe: CropRecipe) -> CropRecipe:
    """The recipe of existing crops; options must not contradict their geometry."""
    from monitor.lab.datasets.face_cropper import CropRecipe
    from monitor.lab.datasets.prepare import existing_recipe

    found, default = existing_recipe(root, recipe), CropRecipe()
    for option in ("size", "side", "centre"):
        typed = getattr(recipe, option)
        if typed not in (getattr(default, option), getattr(found, option)):
            raise UsageError(
                f"--{option} {typed}: the crops in {root} exist already, with {option} {getattr(found, option):g}"
            )
    return found


def _say(facts: dict[str, Any], out: Path) -> None:
    table = Table("split", "label", "method", box=None, pad_edge=False)
    for title in ("records", "skipped", "crops"):
        table.add_column(title, justify="right")
    for row in facts["counts"]:
        numbers = (str(row[name]) for name in ("records", "skipped", "crops"))
        table.add_row(row["split"], "fake" if row["label"] else "real", escape(row["method"]), *numbers)
    print_table(table)
    skipped = sum(row["skipped"] for row in facts["counts"])
    if skipped:
        console.print(f"[yellow]{skipped} records gave no face: see {escape(str(out / 'skipped.csv'))}[/]")
    missing = facts["settings"].get("listed_but_missing", 0)
    if missing:
        console.print(f"[yellow]{missing} files that the data set lists are missing, and are no records here[/]")
    console.print(
        f"{facts['frames_without_the_face']} of {facts['frames_looked_at']} frames lacked the face; "
        f"{facts['crops_without_landmarks']} crops lack landmarks"
    )
    console.print(escape(facts["leakage"]["in_words"]))
    console.print(f"face crops in {escape(str(out))}")
