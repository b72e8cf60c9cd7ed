"""Any folder of videos and pictures.

Three layouts::

    real/** fake/**                                   fake/<method>/** names the method
    {train,val,test}/{real,fake}/**                   a published split; "valid" and "validation" are "val"
    **, with a label for all of it                    a collection of real faces, such as LFW or UTKFace

A real and a fake file with the same relative path are one group, for every method: ``real/x.mp4`` and
``fake/<method>/x.mp4``. Numbered pictures in a folder of their own (``v1/0001.png``) may be frames of one video, so
they are one group; pictures directly in a method's folder are not, nor are UTKFace's. In a published split, plain
numbers as names (``0001``, ``img_0001``) do not connect files of different splits.

With a label, the file name identifies the person (``Ann_Lee_0001.jpg``: Ann_Lee). The names of UTKFace
(``<age>_<sex>_<race>_<time>.jpg``) and of cameras and programs (``IMG_0001.jpg``) identify nobody.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Catalogue, media_below
from monitor.lab.datasets.record import Record

LABELS = {"real": 0, "fake": 1}
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_MEDIA = VIDEO_SUFFIXES | IMAGE_SUFFIXES
_UTK = re.compile(r"\d{1,3}_[01](_[0-4])?_\d+.*")
_LAST = re.compile(r"\d+$")
_NUMBERED = re.compile(r"[_-]\d+$")
# fmt: off
_GENERIC = frozenset([  # prefixes of numbered files from cameras, screens and programs
    "at", "clip", "crop", "dsc", "dscf", "dscn", "face", "fake", "fig", "file", "film", "frame", "from", "gopr",
    "image", "img", "imgp", "mvimg", "out", "output", "photo", "pic", "picture", "pxl", "real", "sample", "scan",
    "screen", "screenshot", "shot", "snapshot", "still", "test", "train", "val", "vid", "video", "vlcsnap",
    "whatsapp",
])
# fmt: on


def read_folder(root: Path, *, label: str = "") -> list[Record]:
    """Every video and picture in the class folders, or in ``root`` if ``label`` is given.

    Args:
        root: the folder.
        label: "real" or "fake" for all files, or "" for class folders.

    Raises:
        DatasetError: there are no class folders and no label, or nothing in them.
    """
    catalogue = Catalogue(root.resolve().name, root)
    if label:
        paths = media_below(root, _MEDIA)
        films = _films(paths) - {root}
        for path in paths:
            catalogue.add(path, LABELS[label], identities=_person(path), group=_group(root, path, films=films))
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
        raise DatasetError(
            f"{root} has no folders real/ and fake/ (nor train/real, ...): say --label real if all of it is real"
        )
    return catalogue.finish("videos or pictures in real/ and fake/")


def _add_class(catalogue: Catalogue, folder: Path, *, split: str, label: int) -> None:
    paths = media_below(folder, _MEDIA)
    methods = _methods(folder) if label else frozenset()
    films = _films(paths) - {folder, *methods}
    for path in paths:
        method = next((one for one in path.parents if one in methods), None)
        group = _group(method or folder, path, films=films)
        if split and _is_number(group):
            group = f"{split}/{group}"
        catalogue.add(path, label, split=split, method=method.name if method else "", group=group)


def _methods(fakes: Path) -> frozenset[Path]:
    """Method folders: subfolders of ``fakes``, except frame folders of videos, whose names exist among the reals."""
    reals = {
        name
        for other, beside in _folders(fakes.parent)
        if LABELS.get(other.lower()) == 0
        for name, _ in _folders(beside)
    }
    return frozenset(folder for name, folder in _folders(fakes) if name not in reals)


def _films(paths: Sequence[Path]) -> set[Path]:
    """Folders whose pictures may be frames of one video, as their names differ only in the last number."""
    names: dict[Path, set[str]] = defaultdict(set)
    for path in paths:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            names[path.parent].add(path.stem if _UTK.fullmatch(path.stem) else _LAST.sub("", path.stem))
    return {folder for folder, stems in names.items() if len(stems) == 1}


def _folders(folder: Path) -> list[tuple[str, Path]]:
    return [(entry.name, entry) for entry in sorted(folder.iterdir()) if entry.is_dir()]


def _group(base: Path, path: Path, *, films: Collection[Path]) -> str:
    place = path.parent if path.parent in films and path.suffix.lower() in IMAGE_SUFFIXES else path.with_suffix("")
    return place.relative_to(base).as_posix()


def _is_number(group: str) -> bool:
    """Whether a name is a plain number."""
    return all(_is_generic(part) for part in group.split("/"))


def _is_generic(name: str) -> bool:
    return {word.lower() for word in re.findall(r"[^\W\d_]+", name)} <= _GENERIC


def _person(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() not in IMAGE_SUFFIXES or _UTK.fullmatch(path.stem):
        return ()
    name = _NUMBERED.sub("", path.stem)
    return () if _is_generic(name) else (name,)
