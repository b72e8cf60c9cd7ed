from pathlib import Path

import pytest
from support.dataset_trees import shards

from monitor.errors import DatasetError
from monitor.lab.datasets.shards import read_shards

ROWS = [
    {"name": "r", "label": "0", "original": "", "group": "r", "split": "train", "shard": "train-00.tar"},
    {"name": "f", "label": "1", "original": "r", "group": "r", "split": "train", "shard": "train-00.tar"},
]
CROPS = {"r": b"r", "f": b"f"}


def test_a_record_per_crop_that_leads_into_its_shard(tmp_path: Path) -> None:
    real, fake = read_shards(shards(tmp_path, ROWS, CROPS))
    assert fake.path == tmp_path / "train-00.tar" / "f.jpg"
    assert (fake.label, fake.original, fake.group, fake.split) == (1, "r", "r", "train")
    assert (real.label, real.dataset, real.identities) == (0, tmp_path.name, ())


def test_methods_and_identities_are_kept_where_the_index_has_them(tmp_path: Path) -> None:
    rows = [{**row, "method": "m" * int(row["label"]), "identity": "ann;bob"} for row in ROWS]
    records = read_shards(shards(tmp_path, rows, CROPS))
    assert [record.method for record in records] == ["", "m"]
    assert records[0].identities == ("ann", "bob")


def test_rows_of_a_missing_shard_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*ROWS, {**ROWS[0], "name": "x", "shard": "train-01.tar"}]
    assert len(read_shards(shards(tmp_path, rows, CROPS))) == 2
    assert "train-01.tar/x" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"label": "fake"}, "line 2: the label is 'fake'"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"shard": "../x.tar"}, "lies beside the index"),
        ({"name": "f"}, "listed twice"),
    ],
)
def test_wrong_rows_are_refused(tmp_path: Path, wrong: dict[str, str], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        read_shards(shards(tmp_path, [{**ROWS[0], **wrong}, ROWS[1]], CROPS))


def test_the_real_shards_are_read_without_leaks() -> None:
    from monitor.lab.datasets.splits import leakage

    root = Path(__file__).parents[4] / "shared" / "data" / "dfdc-faces"
    if not root.is_dir():
        pytest.skip(f"needs the training material: no {root}")
    records = read_shards(root)
    assert len(records) == 29_939
    assert sum(record.label for record in records) == 15_061
    assert not leakage(records)
