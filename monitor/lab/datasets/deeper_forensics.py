"""DeeperForensics-1.0 (Jiang et al., 2020).

::

    manipulated_videos/<variant>/<target>_<source>.mp4     target: a FaceForensics++ id, source: an actor
    lists/splits/{train,val,test}.txt                      a file name per line, no header
    original_sequences/youtube/c23/videos/<target>.mp4     the reals: FaceForensics++ c23, copied or linked here

``source_videos`` shows the actors in a studio. It is *not* the real class, and is not read.
"""

import re
from pathlib import Path

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, lines_of, media_below
from monitor.lab.datasets.record import SPLITS, Record

REALS = "original_sequences/youtube/c23/videos"
_NAME = re.compile(r"(\d+)_([A-Za-z]\w*)")


def read_deeper_forensics(root: Path) -> list[Record]:
    """The manipulated videos of every variant, and the real targets if FaceForensics++ is present.

    A target belongs to the split of its fakes. Missing reals are logged, as fakes alone allow no evaluation.

    Raises:
        DatasetError: a split list is missing, a name has an unknown form, or there is no fake.
    """
    catalogue = Catalogue("deeperforensics-1.0", root)
    splits = _splits(root)
    split_of_target: dict[str, str] = {}
    listed = set(splits)
    for path in media_below(root / "manipulated_videos"):
        target, source = _named(path.stem, str(path))
        listed.discard(path.stem)
        split = splits.get(path.stem, "")
        split_of_target.setdefault(target, split)
        catalogue.add(
            path,
            1,
            method=path.relative_to(root / "manipulated_videos").parts[0],
            split=split,
            identities=(f"ffpp:{target}", f"deeperforensics:{source}"),
            group=target,
            original=f"{REALS}/{target}",
        )
    if not len(catalogue):
        return catalogue.finish("manipulated_videos/<variant>/<target>_<source>.mp4")
    for name in sorted(listed):
        path = root / "manipulated_videos" / f"{name}.mp4"
        catalogue.miss(path, 1, split=splits[name], group=_named(name, name)[0])
    for path in media_below(root / REALS):
        split = split_of_target.get(path.stem, "")
        catalogue.add(path, 0, compression="c23", split=split, identities=(f"ffpp:{path.stem}",), group=path.stem)
    return catalogue.finish(f"manipulated_videos, and the real targets in {REALS}")


def _splits(root: Path) -> dict[str, str]:
    """Split by file name without suffix."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        path = root / "lists" / "splits" / f"{split}.txt"
        for number, line in lines_of(path, holds=f"the file names of the {split} split"):
            name = line.split("/")[-1].removesuffix(".mp4")
            _named(name, f"{path}, line {number}")
            if splits.setdefault(name, split) != split:
                raise DatasetError(
                    f"{path}, line {number}: {name} belongs to {splits[name]} already; fetch the lists again"
                )
    return splits


def _named(name: str, where: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise DatasetError(f"{where}: {name!r} is no <target>_<source> of DeeperForensics-1.0")
    return found[1], found[2]
