"""Two real processes flag into one bucket and one PostgreSQL database, and one of them is killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from support.flag_storage import BucketStorage
from support.waiting import until

from monitor.flags.files import CLIP, FlagFiles
from monitor.flags.queries import FlagQuery
from monitor.types import ClipState

_HERE = Path(__file__).parent


class Writer:
    """A process that flags moments, and tells each flag when it is committed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: list[str] = []

    def flag(self, count: int) -> None:
        """Waits for so many more flags."""
        assert self.process.stdout is not None
        self.told += [self.process.stdout.readline().strip() for _ in range(count)]

    def kill(self) -> None:
        self.process.kill()
        assert self.process.stdout is not None
        rest = self.process.stdout.read().splitlines(keepends=True)
        self.told += [line.strip() for line in rest if line.endswith("\n")]


@contextmanager
def writing(bucket: BucketStorage, folder: Path) -> Iterator[Writer]:
    """A writer on a machine with this folder."""
    evidence = bucket.settings
    place = {"database": evidence.database.get_secret_value(), "files": evidence.files}
    place |= {"files_endpoint": evidence.files_endpoint}
    command = [sys.executable, str(_HERE / "support" / "flag_writer.py"), str(folder), json.dumps(place)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(_HERE), str(_HERE.parent)))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Writer(process)
        finally:
            process.kill()


def test_a_killed_process_loses_no_flag_and_another_one_is_not_disturbed(bucket: BucketStorage, tmp_path: Path) -> None:
    with writing(bucket, tmp_path / "one") as one, writing(bucket, tmp_path / "other") as other:
        one.flag(6)
        other.flag(2)
        one.kill()
        with bucket.archive() as archive:
            report = archive.files.repair(archive.store)
            assert (report.orphans, report.lost) == (0, 0), "everything is young: it may belong to a live process"
            assert archive.store.ids().issuperset(one.told)
            before = archive.store.count(FlagQuery(clip=ClipState.KEPT))
            other.flag(4)
            until(lambda: archive.store.count(FlagQuery(clip=ClipState.KEPT)) > before)
        other.kill()
    with bucket.archive() as archive:
        told, found = [*one.told, *other.told], archive.store.ids()
        assert found.issuperset(told)
        assert len(found) <= len(told) + 2, "each may have committed one that it did not tell"
        left = FlagFiles(bucket.file_store(), abandoned_after=timedelta())
        left.repair(archive.store)
        assert bucket.names() == archive.store.ids() == found
        flags = list(archive.iterate(FlagQuery()))
        assert {flag.clip for flag in flags} == {ClipState.KEPT, ClipState.MISSING}
        assert [fault for flag in flags for fault in left.faults(flag)] == []
        assert all((CLIP in bucket.names(flag.id)) == (flag.clip is ClipState.KEPT) for flag in flags)
        assert archive.store.first_fault() is None
