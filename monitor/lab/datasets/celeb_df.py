"""Celeb-DF v2 (Li et al., 2020).

::

    {Celeb-real,YouTube-real,Celeb-synthesis}/[videos/]*.mp4
    List_of_testing_videos.txt           "1 YouTube-real/00170.mp4": in this list **1 is real and 0 is fake**
"""

import re
from pathlib import Path
from typing import Any

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, lines_of, media_below
from monitor.lab.datasets.record import Record

LIST = "List_of_testing_videos.txt"
FOLDERS = {"Celeb-real": 0, "YouTube-real": 0, "Celeb-synthesis": 1}
_REAL = re.compile(r"(id\d+)_(\d+)")
_FAKE = re.compile(r"(id\d+)_(id\d+)_(\d+)")


def read_celeb_df(root: Path) -> list[Record]:
    """All videos: the listed ones are the published test split, the others ``train``. There is no ``val``.

    The same celebrities are in both, as :func:`monitor.lab.datasets.splits.leakage` reports.

    Raises:
        DatasetError: the list is missing, contradicts a folder, or there is no video.
    """
    catalogue = Catalogue("celeb-df-v2", root)
    listed = _listed(root)
    for folder, label in FOLDERS.items():
        for path in media_below(root / folder):
            entry = f"{folder}/{path.name}"
            split = "test" if listed.pop(entry, None) is not None else "train"
            catalogue.add(path, label, split=split, method="Celeb-synthesis" if label else "", **_people(path, folder))
    for entry, label in listed.items():
        path = root / entry
        facts = {**_people(path, path.parent.name), "method": "Celeb-synthesis" if label else ""}
        catalogue.miss(path, label, split="test", **facts)
    return catalogue.finish("Celeb-real, YouTube-real and Celeb-synthesis with videos")


def _listed(root: Path) -> dict[str, int]:
    """Label (1 = fake) by ``folder/name`` of the testing videos."""
    listed: dict[str, int] = {}
    for number, line in lines_of(root / LIST, holds="the testing videos"):
        mark, _, entry = line.partition(" ")
        folder, _, name = entry.strip().partition("/")
        if mark not in ("0", "1") or folder not in FOLDERS or not name:
            raise DatasetError(
                f"{root / LIST}, line {number}: expected '<0 or 1> <folder>/<name>.mp4', got {line[:80]!r}"
            )
        label = 1 - int(mark)
        if label != FOLDERS[folder]:
            raise DatasetError(
                f"{root / LIST}, line {number}: calls {entry} {'fake' if label else 'real'}; here 1 is real, 0 fake"
            )
        listed[f"{folder}/{name.rpartition('/')[2]}"] = label
    return listed


def _people(path: Path, folder: str) -> dict[str, Any]:
    if folder == "YouTube-real":
        return {"group": f"YouTube-real/{path.stem}"}
    found = re.fullmatch(_FAKE if folder == "Celeb-synthesis" else _REAL, path.stem)
    if found is None:
        raise DatasetError(f"{path}: the name is unlike those of Celeb-DF v2 in that folder; move the file elsewhere")
    *people, clip = found.groups()
    original = f"{people[0]}_{clip}"
    facts: dict[str, Any] = {
        "identities": tuple(f"celeb-df-v2:{person}" for person in people),
        "group": f"Celeb-real/{original}",
    }
    if folder == "Celeb-synthesis":
        between = "videos/" if path.parent.name == "videos" else ""
        facts["original"] = f"Celeb-real/{between}{original}"
    return facts
