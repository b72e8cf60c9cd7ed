"""Unfinished work on a node's disk."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitor.fleet.scratch_folder import remove_abandoned, scratch_folder


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_folder_is_removed_at_the_end(tmp_path: Path) -> None:
    with scratch_folder() as folder:
        (folder / "a").write_text("work")
        assert folder.parent == tmp_path
    assert not folder.exists()


def test_folders_of_killed_processes_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned = tmp_path / f"deepfake-monitor-fleet-{ended.pid}-x"
    others = [tmp_path / f"deepfake-monitor-fleet-{os.getppid()}-x", tmp_path / "deepfake-monitor-fleet-me-x"]
    for path in (abandoned, *others):
        path.mkdir()
    with scratch_folder() as own:
        remove_abandoned()
        assert own.exists()
    assert not abandoned.exists()
    assert all(path.exists() for path in others)
