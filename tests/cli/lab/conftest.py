"""What one small training needs, in the folder where the program is run."""

from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces

TOML = """
name = "small"
model = "meso4"
precision = "fp32"
[[data]]
name = "pairs"
[[stages]]
size = 256
images = 8
batch = 4
"""


@pytest.fixture
def small_experiment(tmp_path: Path) -> list[str]:
    """The arguments that name it: small.toml, and the folder of its sets."""
    write_faces(tmp_path / "sets" / "pairs", pair_rows(3, split="train") + pair_rows(2, split="val", start=3))
    (tmp_path / "small.toml").write_text(TOML)
    return ["small.toml", "--data", "sets"]
