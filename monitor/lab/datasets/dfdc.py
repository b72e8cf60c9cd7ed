"""The Deepfake Detection Challenge (Dolhansky et al., 2020), and its preview (2019).

::

    dfdc_train_part_<n>/{metadata.json,*.mp4}     train_sample_videos/ likewise
    test/{labels.csv,*.mp4}                       filename,label  (1 = fake)
    test/{metadata.json,*.mp4}                    {"a.mp4": {"is_fake": 0, ...}}

Preview: ``dataset.json``, ``{"<relative path>": {"label": "fake" or "real", "set": "train" or "test", ...}}``.
The actors of the full set are not published. So groups (a real video and its fakes) are not identities.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, inside, json_of, table_of
from monitor.lab.datasets.record import Record

_LABELS = {"REAL": 0, "FAKE": 1, "0": 0, "1": 1}
_TEST_FOLDERS = ("test", "test_videos")


def read_dfdc(root: Path) -> list[Record]:
    """Every part in ``root``, or ``root`` as a part. Parts are ``train``, ``test/`` is ``test``; there is no val.

    Raises:
        DatasetError: no part has its list, a label is unknown, or no listed video is there.
    """
    catalogue = Catalogue("dfdc", root)
    folders = [root, *sorted((entry for entry in root.iterdir() if entry.is_dir()), key=_part_number)]
    for folder in folders:
        test = folder.name in _TEST_FOLDERS
        if (folder / "labels.csv").is_file():
            for number, row in table_of(folder / "labels.csv", columns=("filename", "label")):
                where = f"{folder / 'labels.csv'}, line {number}"
                label, path = _label(row["label"], where), inside(folder, row["filename"], where)
                catalogue.add_listed(path, label, split="test", group=path.stem)
        elif (folder / "metadata.json").is_file():
            _add_described(catalogue, folder, test=test)
    return catalogue.finish("dfdc_train_part_<n>/metadata.json, or test/labels.csv, beside their videos")


def read_dfdc_preview(root: Path) -> list[Record]:
    """The videos in ``dataset.json``; ``set`` is the published split.

    Raises:
        DatasetError: the list is missing or malformed, a label or set is unknown, or no listed video is there.
    """
    catalogue = Catalogue("dfdc-preview", root)
    listed = _mapping(root / "dataset.json")
    for name, facts in listed.items():
        where = f"{root / 'dataset.json'}, {name}"
        label = _label(str(facts.get("label", "")).upper(), where)
        if facts.get("set") not in ("train", "test"):
            raise DatasetError(f"{where}: the set is {facts.get('set')!r}, and must be train or test")
        people = [facts.get(key) for key in ("target_id", "swapped_id")]
        catalogue.add_listed(
            inside(root, name, where),
            label,
            split=facts["set"],
            method=PurePosixPath(name).parts[0] if label else "",
            identities=tuple(dict.fromkeys(f"dfdc-preview:{person}" for person in people if person not in (None, ""))),
        )
    return catalogue.finish("the videos that dataset.json names")


def _add_described(catalogue: Catalogue, folder: Path, *, test: bool) -> None:
    path = folder / "metadata.json"
    listed = _mapping(path)
    for name, facts in listed.items():
        where = f"{path}, {name}"
        label = _label(str(facts.get("label", facts.get("is_fake", ""))), where)
        original = str(facts.get("original") or "") if label else ""
        catalogue.add_listed(
            inside(folder, name, where),
            label,
            split="test" if test or "is_fake" in facts else "train",
            group=_stem(original or name),
            original=catalogue.id_of(inside(folder, original, where)) if original else "",
        )


def _label(text: str, where: str) -> int:
    if text not in _LABELS:
        raise DatasetError(f"{where}: the label is {text!r}, and must be one of REAL, FAKE, 0 (real), 1 (fake)")
    return _LABELS[text]


def _mapping(path: Path) -> dict[str, dict[str, Any]]:
    listed = json_of(path, holds="the labels of the videos beside it")
    if not isinstance(listed, dict) or not all(isinstance(facts, dict) for facts in listed.values()):
        raise DatasetError(
            f'{path} must map file names to their facts, as {{"a.mp4": {{"label": "FAKE"}}}}: fetch it again'
        )
    return listed


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _part_number(folder: Path) -> tuple[int, str]:
    number = folder.name.rpartition("_")[2]
    return (int(number) if number.isdecimal() else -1, folder.name)
