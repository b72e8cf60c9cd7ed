"""Disks that are full, locked or read-only, and ends that come amid a flag: nothing that was told is lost."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.events import analyse_frame, open_stream
from support.flag_writer import SUSPECT, provenance
from support.observations import observation

from monitor.errors import MonitorError, OutputError, StoreError
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import PictureRing
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.settings import Settings
from monitor.types import Frame

pytestmark = pytest.mark.fault

_HERE = Path(__file__).parent


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A real file system of three megabytes."""
    folder = tmp_path / "volume"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only, where the system allows it")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def flagger_of(archive: FlagArchive) -> FlagRecorder:
    made = FlagRecorder(archive, submit=lambda job: job())
    made.prepare(provenance(Settings()), clips=PictureRing(seconds=1, max_bytes=1 << 20))
    open_stream(made)
    return made


def flag(flagger: FlagRecorder, index: int) -> str:
    """Of a picture that compresses badly."""

    pixels = np.random.default_rng(index).integers(0, 256, (240, 320, 3), np.uint8)
    analyse_frame(
        flagger,
        Frame(pixels, index, index / 5, datetime.now(UTC), "cam"),
        observation((SUSPECT,), index=index, media_time=index / 5),
    )
    return flagger.flag(FlagRequest(connection=1, media_time=index / 5, frame_index=index, reporter="ada")).id


def whole(archive: FlagArchive, told: list[str]) -> None:
    """Every flag that was told is there with all its files, and there is nothing else."""
    assert archive.store.count() == len(told)
    assert archive.store.first_fault() is None
    for flag_id in told:
        assert archive.files.faults(archive.store.get(flag_id)) == []
    assert archive.files.repair(archive.store).orphans == 0


def test_a_full_disk_is_told_and_what_was_kept_stays(volume: Path) -> None:
    told: list[str] = []
    with FlagArchive(volume / "kept") as archive:
        flagger = flagger_of(archive)
        with pytest.raises((OutputError, StoreError), match=r"space|full"):  # noqa: PT012 - when, nobody knows
            while True:
                told.append(flag(flagger, len(told)))
        assert len(told) > 3
        refused = len(told)
        subprocess.run(["mount", "-o", "remount,size=8m", str(volume)], check=True)
        whole(archive, told)
        told.append(flag(flagger, refused + 1))
        whole(archive, told)
    with FlagArchive(volume / "kept") as archive:
        whole(archive, told)


def test_a_read_only_disk_is_told_and_what_was_kept_stays(volume: Path) -> None:
    with FlagArchive(volume / "kept") as archive:
        told = [flag(flagger_of(archive), 0)]
    subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
    with pytest.raises(MonitorError, match="cannot be read or written"), FlagArchive(volume / "kept") as archive:
        flag(flagger_of(archive), 1)
    subprocess.run(["mount", "-o", "remount,rw", str(volume)], check=True)
    with FlagArchive(volume / "kept") as archive:
        told.append(flag(flagger_of(archive), 2))
        whole(archive, told)


def test_a_locked_database_is_told_and_nothing_is_left_of_the_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.system.database._BUSY", 0.5)
    with FlagArchive(tmp_path / "kept") as archive:
        flagger = flagger_of(archive)
        told = [flag(flagger, 0)]
        database = next((tmp_path / "kept").rglob("*.db"))
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            flag(flagger, 1)
        other.execute("ROLLBACK")
        other.close()
        told.append(flag(flagger, 2))
        whole(archive, told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_end_amid_flags_loses_none_that_was_told(tmp_path: Path, number: signal.Signals) -> None:
    told: list[str] = []
    unfinished = 0
    for _ in range(int(os.environ.get("FAULTS", "4"))):
        command = [sys.executable, str(_HERE / "support" / "flag_writer.py"), str(tmp_path / "kept")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(_HERE), str(_HERE.parent)))}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0.05, 0.6))
            writer.send_signal(number)
            lines = writer.stdout.read().splitlines(keepends=True)
        told += [line.strip() for line in lines if line.endswith("\n")]
        with FlagArchive(tmp_path / "kept") as archive:
            unfinished += archive.files.repair(archive.store).orphans
            found = archive.store.ids()
            assert found.issuperset(told)
            told = sorted(found)  # one may be committed that nobody was told of
            whole(archive, told)
    assert len(told) > 3
    print(f"{len(told)} flags told and found, {unfinished} unfinished files removed")
