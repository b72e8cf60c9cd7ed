"""WildDeepfake (Zi et al., 2020): face pictures in archives, one archive for each video.

``{real,fake}_{train,test}/<n>.tar.gz`` hold ``./<n>/{real|fake}/<sequence>/<frame>.png``; some are plain
tar files despite their name. Nothing is unpacked; a record's path leads into the archive.
"""

from pathlib import Path, PurePosixPath

from monitor.errors import DatasetError
from monitor.lab.datasets.archive import TarArchive, natural
from monitor.lab.datasets.catalogue import IMAGE_SUFFIXES, Catalogue
from monitor.lab.datasets.record import Record

FOLDERS = {
    f"{kind}_{split}": (label, split) for label, kind in enumerate(("real", "fake")) for split in ("train", "test")
}


def read_wild_deepfake(root: Path) -> list[Record]:
    """A record for each sequence of faces; all sequences of an archive are one group. There is no ``val``.

    Raises:
        DatasetError: there is no archive, one is damaged, or a member contradicts its folder's label.
    """
    catalogue = Catalogue("wilddeepfake", root)
    for folder, (label, split) in FOLDERS.items():
        archives = [path for path in (root / folder).glob("*") if path.name.endswith((".tar.gz", ".tar", ".tgz"))]
        for path in sorted(archives, key=lambda one: natural(one.name)):
            number = path.name.split(".")[0]
            for sequence in _sequences(path, kind=("real", "fake")[label]):
                catalogue.add(
                    path / sequence,
                    label,
                    video_id=f"{folder}/{number}/{PurePosixPath(sequence).name}",
                    split=split,
                    method="wild" if label else "",
                    group=f"{folder}/{number}",
                )
    return catalogue.finish("real_train, fake_train, real_test and fake_test with <n>.tar.gz")


def _sequences(path: Path, *, kind: str) -> list[str]:
    """The folders of pictures in an archive; all must be of the given kind."""
    names = [PurePosixPath(name) for name in TarArchive(path).names]
    folders = {name.parent: None for name in names if name.suffix.lower() in IMAGE_SUFFIXES}
    for folder in folders:
        if kind not in folder.parts:
            raise DatasetError(f"{path} holds {folder}, where its folder promises only {kind} faces; fetch it again")
    return [folder.as_posix() for folder in folders]
