"""Resolves a path to the material of an evaluation: records of a data set or prepared crops, of one split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets import READERS, read
from monitor.lab.datasets.faceset import INDEX, FaceSet, read_index
from monitor.lab.datasets.manifest import FILE_NAME
from monitor.lab.datasets.record import Record

EVERYTHING, DEFAULT_SPLIT = "all", "test"
_CROPS = "shards"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMaterial:
    """Labelled files or crops; exactly one of ``records`` and ``faces`` is set."""

    name: str
    split: str  # "" if there are no splits, or all are taken
    selection: str  # description of the selection; empty: the whole split
    records: list[Record] | None = None
    faces: FaceSet | None = None

    @property
    def kind(self) -> str:
        """Kind of the material: "crops" or "videos"."""
        return "videos" if self.faces is None else "crops"

    def __len__(self) -> int:
        return len(self.faces if self.faces is not None else self.records or ())


def open_material(path: Path, *, dataset: str = "", split: str = "", limit: int | None = None) -> LabelledMaterial:
    """Open the material at a path, and select one split.

    Args:
        path: a manifest, a folder with one, a folder of face shards, or the root of a data set.
        dataset: its reader, a key of ``monitor.lab.datasets.READERS``; "": guessed from the files.
        split: its name, or "all"; "": test if there are splits.
        limit: at most this many, drawn at random with a fixed seed.

    Raises:
        UsageError: the reader cannot be guessed, or the split must be named.
        DatasetError: the data set is malformed, or that split is empty.
    """
    if (path / INDEX).is_file() and dataset in ("", _CROPS):
        chosen = _split(path, [row.split for row in read_index(path)], split)
        faces = FaceSet.open(path, splits={chosen} if chosen else None)
        kept, selection = _drawn(len(faces), limit, what="crops")
        names = {faces.rows[row].name for row in kept}
        if selection:
            faces = faces.select(lambda row: row.name in names)
        return LabelledMaterial(path.resolve().name, chosen, selection, faces=faces)
    found = read(dataset or _reader(path), path)
    records = _whole_files([*found, *found.missing])  # listed but missing files count as failures
    chosen = _split(path, [record.split for record in records], split)
    records = [record for record in records if not chosen or record.split == chosen]
    kept, selection = _drawn(len(records), limit, what="files")
    name = records[0].dataset if len({record.dataset for record in records}) == 1 else path.stem
    return LabelledMaterial(name, chosen, selection, records=[records[row] for row in kept])


def _whole_files(records: Sequence[Record]) -> list[Record]:
    """One record per file, fake if any of its faces is, as the worst face decides the verdict."""
    files: dict[Path, Record] = {}
    for record in records:
        earlier = files.get(record.path)
        if earlier is None or record.label > earlier.label:
            files[record.path] = record
        elif record.label == earlier.label and earlier.spans is not None:
            spans = None if record.spans is None else (*earlier.spans, *record.spans)
            files[record.path] = replace(earlier, spans=spans)
    return list(files.values())


def _reader(path: Path) -> str:
    if path.is_file() or (path / FILE_NAME).is_file():
        return "manifest"
    if not path.exists():
        raise DatasetError(
            f"{path} does not exist: name a manifest.csv, a folder of face shards, or a data set with --dataset"
        )
    raise UsageError(f"{path} is neither a manifest nor a folder of face shards: use --dataset ({', '.join(READERS)})")


def _split(path: Path, found: Sequence[str], wanted: str) -> str:
    """The selected split; "" for everything."""
    known = sorted(set(found) - {""})
    if wanted == EVERYTHING or (not wanted and not known):
        return ""
    chosen = wanted or DEFAULT_SPLIT
    if chosen in known:
        return chosen
    have = f"it has {', '.join(known)}" if known else "none of its files is assigned to any"
    msg = f"{path} has no split {chosen!r}, {have}: choose one with --split, or all"
    raise DatasetError(msg) if wanted else UsageError(msg)


def _drawn(count: int, limit: int | None, *, what: str) -> tuple[list[int], str]:
    """The selected rows in order, and a description of the selection."""
    if limit is None or limit >= count:
        return list(range(count)), ""
    rows = np.sort(np.random.default_rng(0).choice(count, limit, replace=False)).tolist()
    return rows, f"{limit} of {count} {what}, drawn at random"
