"""FakeAVCeleb (Khalid et al., 2021).

The header of ``meta_data.csv`` is ``source,target1,target2,method,category,type,race,gender,path,``. The trailing
comma adds an unnamed tenth column, which holds the folder; ``path`` holds the file name. File names are not unique
across folders. A *RealVideo-FakeAudio* clip shows a real face, so its label is real.
"""

from pathlib import Path, PurePosixPath

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, inside, table_of
from monitor.lab.datasets.record import Record

LIST = "meta_data.csv"
LABELS = {"RealVideo-RealAudio": 0, "RealVideo-FakeAudio": 0, "FakeVideo-RealAudio": 1, "FakeVideo-FakeAudio": 1}
_COLUMNS = ("source", "target1", "target2", "method", "type", "path", "")


def read_fake_av_celeb(root: Path) -> list[Record]:
    """The videos in ``meta_data.csv``; there is no published split.

    Raises:
        DatasetError: the list is missing or malformed, a type is unknown, or no listed video is there.
    """
    catalogue = Catalogue("fakeavceleb", root)
    for number, row in table_of(root / LIST, columns=_COLUMNS):
        kind, where = row["type"], f"{root / LIST}, line {number}"
        if kind not in LABELS:
            raise DatasetError(f"{where}: the type is {kind!r}, and must be one of {', '.join(LABELS)}")
        label = LABELS[kind]
        people = [row[column] for column in ("source", "target1", "target2")]
        catalogue.add_listed(
            inside(root, _placed(row[""], row["path"]), where),
            label,
            method=row["method"] if label else "",
            identities=tuple(dict.fromkeys(f"voxceleb2:{person}" for person in people if person not in ("", "-"))),
            group=row["source"],
        )
    return catalogue.finish("the folders that meta_data.csv names")


def _placed(folder: str, name: str) -> str:
    """Path without the data set's name, with which listed folders start: ``FakeAVCeleb/RealVideo-RealAudio/...``."""
    parts = PurePosixPath(folder).parts
    below = [index for index, part in enumerate(parts) if part in LABELS]
    return "/".join((*parts[below[0] if below else 0 :], name))
