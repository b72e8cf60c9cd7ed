"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of labelled clips, which only the project's own machines have."""
    folder = Path(os.environ.get("DEEPFAKE_TEST_MEDIA", ROOT.parent / "shared" / "media"))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"needs the labelled clips (set DEEPFAKE_TEST_MEDIA): no {folder}/manifest.csv")
    return folder
