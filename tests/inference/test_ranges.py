import json
from pathlib import Path

import pytest

from monitor.classifiers import engines_dir, load_classifier
from monitor.errors import ModelCardError
from monitor.inference.ranges import RangesTable, ranges_path, read_ranges

SHA = "a" * 64
TABLE = {"weights_sha256": SHA, "measured_on": "two crops", "sizes": {"160": {"conv/Relu": [0.0, 2.5]}}}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "net.ranges.json"
    path.write_text(json.dumps(TABLE | changes))
    return path


def test_the_table_gives_the_ranges_of_an_input_size(tmp_path: Path) -> None:
    assert read_ranges(written(tmp_path), weights_sha256=SHA, size=160) == {"conv/Relu": (0.0, 2.5)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights_sha256": "b" * 64}, r"was measured on other weights \(SHA-256 bbbbbbbbbbbb"),
        ({"sizes": {"96": {}, "128": {}}}, "has crops of 96 and 128 pixels, not of 160"),
        ({"sizes": {"160": {"conv": [1, 0]}}}, r"malformed at sizes\.160\.conv: .*the lower one first"),
        ({"sizes": {"160": {"conv": [0, "high"]}}}, r"malformed at sizes\.160\.conv"),
        ({"other": 1}, "malformed at other"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ModelCardError, match=words) as error:
        read_ranges(written(tmp_path, **changes), weights_sha256=SHA, size=160)
    assert "`deepfake-monitor lab ranges`" in str(error.value)


def test_a_missing_or_malformed_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelCardError, match="cannot be read"):
        read_ranges(tmp_path / "none.json", weights_sha256=SHA, size=160)
    (tmp_path / "none.json").write_bytes(b"\xff{")
    with pytest.raises(ModelCardError, match="malformed at the file"):
        read_ranges(tmp_path / "none.json", weights_sha256=SHA, size=160)


def test_the_shipped_table_belongs_to_the_shipped_weights() -> None:
    classifier = load_classifier("inception_resnet_v1")
    table = RangesTable.model_validate_json(ranges_path(engines_dir() / "inception_resnet_v1.safetensors").read_bytes())
    assert table.weights_sha256 == classifier.card.weights_sha256
    assert classifier.card.input.size in table.sizes
    ranges = classifier.network.ranges
    assert ranges is not None
    assert len(ranges()) > 250
