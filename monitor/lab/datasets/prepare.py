"""Prepares face crops of records in shards, for :class:`~monitor.lab.datasets.faceset.FaceSet`.

Each record is cut independently and committed to a journal. After the last one, the shards are written in the order
of the records and moved into place, ``faces.json`` last. So a killed run resumes, and its bytes equal those of an
uninterrupted run, with any number of processes.
"""

import csv
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import table_of
from monitor.lab.datasets.face_cropper import Crop, CropRecipe, CropResult
from monitor.lab.datasets.faceset import FACTS, INDEX, FaceSet
from monitor.lab.datasets.record import Record, overlap
from monitor.lab.datasets.resume_log import ResumeLog, write_error
from monitor.lab.datasets.shard_writer import CropNames, IndexEntry, ShardWriter
from monitor.lab.datasets.splits import Leakage, leakage
from monitor.lab.datasets.worker_pool import WorkerJob, cut_all
from monitor.settings import Settings
from monitor.system.files import alone_in

logger = logging.getLogger(__name__)

SKIPPED = "skipped.csv"
_FORMAT = 1  # version of faces.json and the files beside it
_WORKING = ".unfinished"
_SAME_MOMENT = 0.1  # seconds between a fake frame and its original
_SAME_PLACE = 0.5  # intersection over union of their squares


@dataclass(frozen=True, slots=True)
class PreparationPlan:
    """Input and settings of a preparation; the same plan gives the same bytes."""

    records: Sequence[Record]  # of one data set, each with a split
    root: Path  # base of their paths in faces.json
    recipe: CropRecipe
    settings: Settings  # of face detector, source and quality
    choices: dict[str, Any]  # origin of the splits, for faces.json
    compare_files: bool = False  # look for equal files in different splits

    def __post_init__(self) -> None:
        loose = next((record for record in self.records if not record.split), None)
        if loose is not None:
            raise DatasetError(f"{loose.video_id} has no split: divide the records first (monitor.lab.datasets.splits)")

    @property
    def digest(self) -> str:
        """SHA-256 of everything that affects the bytes."""
        used = {"source", "detector", "quality"}
        parts = {
            "format": _FORMAT,
            "records": [_listed(record, self.root) for record in self.records],
            "recipe": asdict(self.recipe),
            "settings": self.settings.model_dump(mode="json", include=used),
            "choices": self.choices,
            "compare_files": self.compare_files,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepare(
    plan: PreparationPlan,
    out: Path,
    *,
    jobs: int = 1,
    allow_leakage: bool = False,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Cut the faces of all records into ``out``, and skip finished records.

    Args:
        plan: input and settings.
        out: folder of the shards, created if missing.
        jobs: number of single-threaded processes.
        allow_leakage: continue if people or videos are in several splits.
        on_done: called for each finished record, also for those of an earlier run.

    Returns:
        The content of ``faces.json``.

    Raises:
        DatasetError: ``out`` has other contents, splits leak, or there is no face.
        UsageError: another run is writing there.
        EngineError: the detector cannot be built, or failed.
        OutputError: a file cannot be written.
    """
    digest = plan.digest
    finished = _finished(out, digest)
    if finished is not None:
        ResumeLog(out / _WORKING, plan=digest).remove()  # left by a run that was killed before removing it
        return finished
    crossing = leakage(plan.records, compare_files=plan.compare_files)
    if not allow_leakage:
        crossing.refuse()
    journal = ResumeLog(out / _WORKING, plan=digest)
    with alone_in(journal.folder):
        waiting = []
        for number, record in enumerate(plan.records):
            if number in journal:
                on_done()
            else:
                waiting.append((number, record))
        cut_all(waiting, WorkerJob(plan.recipe, plan.settings, journal), jobs=jobs, on_done=on_done)
        facts = _publish(plan, out, journal, crossing=crossing, digest=digest)
        journal.remove()
    return facts


def existing_recipe(root: Path, recipe: CropRecipe) -> CropRecipe:
    """The recipe of the crops in ``root``: their size, and the geometry in faces.json.

    Raises:
        DatasetError: these are not face crops.
    """
    with FaceSet.open(root) as faces:
        height, width = faces.pixels(0).shape[:2]
    if height != width:
        raise DatasetError(f"{root}: its crops have {width} x {height} pixels; only squares can be prepared")
    return replace(
        recipe,
        existing=True,
        size=width,
        side=faces.side_over_box_height,
        centre=faces.centre_below_box_centre_over_box_height,
    )


def _finished(out: Path, digest: str) -> dict[str, Any] | None:
    """Content of faces.json in ``out`` if this plan is finished; None if ``out`` is empty, unfinished or damaged."""
    path = out / FACTS
    if path.is_file():
        try:
            facts = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            facts = {}
        if isinstance(facts, dict) and facts.get("plan") == digest:
            return facts if _is_whole(out) else None
    if path.is_file() or ((out / INDEX).is_file() and not (out / _WORKING).is_dir()):
        raise DatasetError(f"{out} holds other face crops already: choose another --out, or remove it")
    return None


def _is_whole(out: Path) -> bool:
    """Whether all shards of the index exist; logs the reason if not."""
    try:
        with FaceSet.open(out):
            return True
    except DatasetError as error:
        logger.warning("%s was prepared, but %s; it is done again", out, error)
        return False


def _publish(plan: PreparationPlan, out: Path, journal: ResumeLog, *, crossing: Leakage, digest: str) -> dict[str, Any]:
    """Write all files, then move them into place, faces.json last, as it marks the result as complete."""
    cuts = [_without_pictures(journal.read(number)) for number in range(len(plan.records))]
    if not any(cut.crops for cut in cuts):
        raise DatasetError(f"not one face was found in {len(cuts)} records, for example: {cuts[0].reason}")
    entries = _entries(plan, cuts)
    facts = _facts(plan, cuts, crossing=crossing, digest=digest)
    ready = journal.folder / "ready"
    try:
        ready.mkdir(exist_ok=True)
        with ShardWriter(ready) as writer:
            for number, named in enumerate(entries):
                for entry, crop in zip(named, journal.read(number).crops, strict=True):
                    writer.add(entry, crop)
        with (ready / SKIPPED).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("video_id", "path", "label", "split", "reason"))
            for record, cut in zip(plan.records, cuts, strict=True):
                if not cut.crops:
                    where = _listed(record, plan.root)["path"]
                    table.writerow((record.video_id, where, record.label, record.split, cut.reason))
        (ready / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        for name in (*writer.files, SKIPPED, FACTS):
            (ready / name).replace(out / name)
    except OSError as error:
        raise write_error(out, error) from error
    return facts


def _entries(plan: PreparationPlan, cuts: Sequence[CropResult]) -> list[list[IndexEntry]]:
    """The index rows of each record's crops."""
    names, named = CropNames(), []
    for record, cut in zip(plan.records, cuts, strict=True):
        base = record.video_id if plan.recipe.existing else names.of(record.video_id)
        named.append([base if crop.frame is None else f"{base}-{crop.frame:05d}" for crop in cut.crops])
    numbers = {record.video_id: number for number, record in enumerate(plan.records) if not record.label}
    sizes = _source_sizes(plan.root) if plan.recipe.existing else {}
    entries = []
    for number, (record, cut) in enumerate(zip(plan.records, cuts, strict=True)):
        real = numbers.get(record.original) if record.label else None
        rows = []
        for name, crop in zip(named[number], cut.crops, strict=True):
            twin = None if real is None else _twin(crop, cuts[real].crops)
            original = "" if real is None or twin is None else named[real][twin]
            side = round(crop.square[2] - crop.square[0])
            rows.append(IndexEntry(name, record, original, source_size=sizes.get(name, (side, side))))
        entries.append(rows)
    return entries


def _twin(crop: Crop, reals: Sequence[Crop]) -> int | None:
    """The crop of the real video with the same face at the same time, if any."""
    near = [
        (abs(real.media_time - crop.media_time), place)
        for place, real in enumerate(reals)
        if real.frame_size == crop.frame_size
        and abs(real.media_time - crop.media_time) <= _SAME_MOMENT
        and overlap(real.square, crop.square) >= _SAME_PLACE
    ]
    return min(near)[1] if near else None


def _source_sizes(root: Path) -> dict[str, tuple[int, int]]:
    """Source sizes in the index of existing crops, as far as it has any."""
    sizes = {}
    for _, row in table_of(root / INDEX, columns=("name",)):
        width, height = row.get("source_width", ""), row.get("source_height", "")
        if width.isdecimal() and height.isdecimal():
            sizes[row["name"]] = int(width), int(height)
    return sizes


def _facts(plan: PreparationPlan, cuts: Sequence[CropResult], *, crossing: Leakage, digest: str) -> dict[str, Any]:
    """The content of faces.json."""
    crops: Counter[tuple[str, int, str]] = Counter()
    videos: Counter[tuple[str, int, str]] = Counter()
    skipped: Counter[tuple[str, int, str]] = Counter()
    for record, cut in zip(plan.records, cuts, strict=True):
        key = record.split, record.label, record.method
        crops[key] += len(cut.crops)
        videos[key] += 1
        skipped[key] += not cut.crops
    recipe, settings = plan.recipe, plan.settings
    return {
        "format": _FORMAT,
        "dataset": plan.records[0].dataset,
        "size": recipe.size,
        "side_over_box_height": recipe.side,
        "centre_below_box_centre_over_box_height": recipe.centre,
        "settings": {
            "frames": recipe.frames,
            "quality": None if recipe.existing else recipe.quality,
            "existing_crops": recipe.existing,
            "detector": settings.detector.model_dump(mode="json"),
            "min_probability": settings.quality.min_probability,
            "min_visible": settings.quality.min_visible,
            **plan.choices,
        },
        "counts": [
            {
                "split": split,
                "label": label,
                "method": method,
                "records": videos[split, label, method],
                "skipped": skipped[split, label, method],
                "crops": crops[split, label, method],
            }
            for split, label, method in sorted(videos)
        ],
        "frames_looked_at": sum(cut.frames for cut in cuts),
        "frames_without_the_face": sum(cut.faceless for cut in cuts),
        "crops_without_landmarks": sum(crop.landmarks is None for cut in cuts for crop in cut.crops),
        "leakage": {
            "groups": len(crossing.groups),
            "identities": len(crossing.identities),
            "files": None if crossing.files is None else len(crossing.files),
            "in_words": crossing.in_words,
        },
        "plan": digest,
    }


def _listed(record: Record, root: Path) -> dict[str, Any]:
    """A record as plain values, with its path relative to the root if possible."""
    path = record.path.relative_to(root) if record.path.is_relative_to(root) else record.path
    listed = {**asdict(record), "path": path.as_posix()}
    if not record.flagged:  # hardly any data set has flagged faces
        del listed["flagged"]
    return listed


def _without_pictures(cut: CropResult) -> CropResult:
    """A cut without its picture data."""
    return replace(cut, crops=tuple(replace(crop, jpeg=b"") for crop in cut.crops))
