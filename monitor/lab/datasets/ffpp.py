"""FaceForensics++ (Rössler et al., 2019) and the DeepFakeDetection videos (Dufour and Gully, 2019) beside it.

::

    original_sequences/youtube/{raw,c0,c23,c40}/videos/071.mp4
    original_sequences/actors/{...}/videos/<actor>__<scene>.mp4
    manipulated_sequences/<method>/{...}/videos/<target>_<source>.mp4
    manipulated_sequences/DeepFakeDetection/{...}/videos/<target>_<source>__<scene>__<8 characters>.mp4
    train.json val.json test.json        pairs of ids; a fake is in a split if both of its ids are
"""

import re
from pathlib import Path

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, json_of, media_below
from monitor.lab.datasets.record import SPLITS, Record

COMPRESSIONS = ("raw", "c0", "c23", "c40")
_EXPECTED = "original_sequences and manipulated_sequences, with <compression>/videos in their folders"
_TWO_IDS = re.compile(r"(\d+)_(\d+)")
_ACTED = re.compile(r"(\d+)__(.+)")
_ACTED_FAKE = re.compile(r"(\d+)_(\d+)__(.+)__[0-9A-Za-z]{8}")


def read_ffpp(root: Path) -> list[Record]:
    """The youtube and the actors' videos, in every available compression.

    Split files are in the root or in ``splits/``; without them no split is assigned. Actors have no published split.

    Raises:
        DatasetError: there is no video, a name has an unknown form, or a split file is malformed.
    """
    catalogue = Catalogue("ffpp", root)
    splits = _splits(root)
    for compression in COMPRESSIONS:
        for path in _videos(root / "original_sequences" / "youtube", compression):
            (one,) = _named(r"(\d+)", path)
            split = splits.get(one, "")
            catalogue.add(path, 0, split=split, compression=compression, **_people("ffpp", one, group=one))
        for path in _videos(root / "original_sequences" / "actors", compression):
            actor, scene = _named(_ACTED, path)
            group = f"actor {actor} {scene}"
            catalogue.add(path, 0, compression=compression, **_people("dfd", actor, group=group))
        for folder in _folders(root / "manipulated_sequences"):
            for path in _videos(folder, compression):
                _add_fake(catalogue, path, compression=compression, splits=splits)
    return catalogue.finish(_EXPECTED)


def _add_fake(catalogue: Catalogue, path: Path, *, compression: str, splits: dict[str, str]) -> None:
    method = path.parents[2].name
    if method == "DeepFakeDetection":
        target, source, scene = _named(_ACTED_FAKE, path)
        original, group = f"actors/{compression}/videos/{target}__{scene}", f"actor {target} {scene}"
        split, people = "", _people("dfd", target, source, group=group)
    else:
        target, source = _named(_TWO_IDS, path)
        original = f"youtube/{compression}/videos/{target}"
        of_both = {splits.get(target, ""), splits.get(source, "")}
        split = of_both.pop() if len(of_both) == 1 else ""
        people = _people("ffpp", target, source, group=target)
    catalogue.add(
        path,
        1,
        method=method,
        compression=compression,
        split=split,
        original=f"original_sequences/{original}",
        **people,
    )


def _people(collection: str, *ids: str, group: str) -> dict[str, object]:
    return {"identities": tuple(f"{collection}:{one}" for one in ids), "group": group}


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def _videos(folder: Path, compression: str) -> list[Path]:
    """Videos in ``<folder>/<compression>/videos``, without ``masks/videos``, which shows no faces."""
    return media_below(folder / compression / "videos")


def _named(pattern: str | re.Pattern[str], path: Path) -> tuple[str, ...]:
    found = re.fullmatch(pattern, path.stem)
    if found is None:
        raise DatasetError(
            f"{path}: the name is unlike those of FaceForensics++ in that folder; move the file elsewhere"
        )
    return found.groups()


def _splits(root: Path) -> dict[str, str]:
    """Split of each youtube id; empty if there is no split file."""
    folder = root / "splits" if (root / "splits").is_dir() else root
    if not any((folder / f"{split}.json").is_file() for split in SPLITS):
        return {}
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.json"
        pairs = json_of(path, holds="the pairs of ids of a split")
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise DatasetError(f'{path} is no list of pairs such as ["071", "054"]: fetch it again')
        for one in (str(one) for pair in pairs for one in pair):
            if splits.setdefault(one, split) != split:
                raise DatasetError(
                    f"{path} assigns {one}, which belongs to {splits[one]} already: fetch the split files again"
                )
    return splits
