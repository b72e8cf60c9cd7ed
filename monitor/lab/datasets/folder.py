"""Any folder of videos and pictures.

Three layouts::

    real/** fake/**                                   fake/<method>/** names the method
    {train,val,test}/{real,fake}/**                   a published split; "valid" and "validation" are "val"
    **, with a label for all of it                    a collection of real faces, such as LFW or UTKFace

Pictures in a folder of their own may be frames of one video, so they are one group, as are a real and a fake file
of the same name. With a label, a picture is of the person that its name names (``Ann_Lee_0001.jpg``: Ann_Lee);
UTKFace's ``<age>_<sex>_<race>_<time>.jpg`` name nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Catalogue, media_below

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.lab.datasets.record import Record

LABELS = {"real": 0, "fake": 1}
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_MEDIA = VIDEO_SUFFIXES | IMAGE_SUFFIXES
_UTK = re.compile(r"\d{1,3}_[01](_[0-4])?_\d+.*")
_NUMBERED = re.compile(r"[_-]\d+$")


def read_folder(root: Path, *, label: str = "") -> list[Record]:
    """Every video and picture below the class folders, or below ``root`` where ``label`` is given.

    Args:
        root: the folder.
        label: "real" or "fake" for all that it holds, or "" for the class folders.

    Raises:
        DatasetError: there are no class folders and no label, or nothing in them.
    """
    catalogue = Catalogue(root.resolve().name, root)
    if label:
        for path in media_below(root, _MEDIA):
            catalogue.add(path, LABELS[label], identities=_person(path), group=_group(root, path))
        return catalogue.finish("videos or pictures", one_class=True)
    places = [("", root)] + [
        (_SPLITS[name.lower()], folder) for name, folder in _folders(root) if name.lower() in _SPLITS
    ]
    found = False
    for split, place in places:
        for name, folder in _folders(place):
            if name.lower() in LABELS:
                found = True
                _add_class(catalogue, folder, split=split, label=LABELS[name.lower()])
    if not found:
        msg = f"{root} has no folders real/ and fake/ (nor train/real, ...): say --label real if all of it is real"
        raise DatasetError(msg)
    return catalogue.finish("videos or pictures in real/ and fake/")


def _add_class(catalogue: Catalogue, folder: Path, *, split: str, label: int) -> None:
    for path in media_below(folder, _MEDIA):
        nested = path.parent != folder
        method = path.relative_to(folder).parts[0] if label and nested else ""
        group = _group(folder, path)
        catalogue.add(path, label, split=split, method=method, group=f"{split}/{group}" if split else group)


def _folders(folder: Path) -> list[tuple[str, Path]]:
    return [(entry.name, entry) for entry in sorted(folder.iterdir()) if entry.is_dir()]


def _group(folder: Path, path: Path) -> str:
    nested = path.parent != folder and path.suffix.lower() in IMAGE_SUFFIXES
    return (path.parent if nested else path.with_suffix("")).relative_to(folder).as_posix()


def _person(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() not in IMAGE_SUFFIXES or _UTK.fullmatch(path.stem):
        return ()
    name = _NUMBERED.sub("", path.stem)
    return (name,) if re.search(r"[^\W\d_]", name) else ()
