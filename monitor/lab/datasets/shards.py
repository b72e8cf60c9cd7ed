"""Reader of existing face crops: ``index.csv`` and tar shards, see :mod:`monitor.lab.datasets.faceset`."""

from pathlib import Path

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, table_of
from monitor.lab.datasets.faceset import INDEX, REQUIRED
from monitor.lab.datasets.record import Record


def read_shards(root: Path) -> list[Record]:
    """A record for each crop; its path leads into its shard: ``train-00.tar/<name>.jpg``.

    Raises:
        DatasetError: the index is missing or lacks a column, a label or split is unknown, or no shard is there.
    """
    catalogue = Catalogue(root.resolve().name, root)
    there: dict[str, bool] = {}
    for number, row in table_of(root / INDEX, columns=REQUIRED):
        where, shard = f"{root / INDEX}, line {number}", row["shard"]
        if row["label"] not in ("0", "1"):
            raise DatasetError(f"{where}: the label is {row['label']!r}, and must be 0 (real) or 1 (fake)")
        if not row["name"] or not shard or "/" in shard or "\\" in shard:
            raise DatasetError(f"{where}: name and shard must not be empty, and a shard lies beside the index")
        people = row.get("identity", "")
        take = catalogue.add if there.setdefault(shard, (root / shard).is_file()) else catalogue.miss
        take(
            root / shard / f"{row['name']}.jpg",
            int(row["label"]),
            video_id=row["name"],
            split=row["split"],
            method=row.get("method", ""),
            identities=tuple(people.split(";")) if people else (),
            group=row.get("group", "") or row["name"],
            original=row.get("original", ""),
        )
    return catalogue.finish("the shards that index.csv names")
