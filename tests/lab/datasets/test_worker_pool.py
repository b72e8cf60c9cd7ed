import sys
from pathlib import Path

import pytest
from support.dataset_trees import DeadlyJournal, face, picture

from monitor.errors import EngineError
from monitor.lab.datasets.face_cropper import CropRecipe
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.resume_log import ResumeLog
from monitor.lab.datasets.worker_pool import WorkerJob, cut_all
from monitor.settings import Settings

RECIPE = CropRecipe(size=64)


@pytest.fixture
def tasks(tmp_path: Path) -> list[tuple[int, Record]]:
    paths = [picture(tmp_path / f"{number}.png", face(shift=number)) for number in range(4)]
    return [(number, Record("d", str(number), path, 0)) for number, path in enumerate(paths)]


def test_processes_do_what_one_does(tasks: list[tuple[int, Record]], settings: Settings, tmp_path: Path) -> None:
    journals = [ResumeLog(tmp_path / f"j{jobs}", plan="p") for jobs in (1, 2)]
    for jobs, journal in enumerate(journals, 1):
        done: list[None] = []
        cut_all(tasks, WorkerJob(RECIPE, settings, journal), jobs=jobs, on_done=lambda done=done: done.append(None))
        assert len(done) == 4
    for number in range(4):
        one, other = (journal.read(number) for journal in journals)
        assert len(one.crops) == 1
        assert one.crops[0].jpeg == other.crops[0].jpeg


def test_a_process_that_dies_costs_its_record_and_no_other(
    tasks: list[tuple[int, Record]], settings: Settings, tmp_path: Path
) -> None:
    journal = DeadlyJournal(tmp_path / "j", deadly=1)
    cut_all(tasks, WorkerJob(RECIPE, settings, journal), jobs=2)
    assert [len(journal.read(number).crops) for number in range(4)] == [1, 0, 1, 1]
    assert journal.read(1).reason == "the process that read it died (exit code 7)"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_that_is_killed_blames_no_record(
    tasks: list[tuple[int, Record]], settings: Settings, tmp_path: Path
) -> None:
    journal = DeadlyJournal(tmp_path / "j", deadly=1, killed=True)
    with pytest.raises(EngineError, match=r"killed at .*1\.png"):
        cut_all(tasks, WorkerJob(RECIPE, settings, journal), jobs=2)
    assert 1 not in journal
    cut_all(
        [task for task in tasks if task[0] not in journal],
        WorkerJob(RECIPE, settings, ResumeLog(journal.folder, plan="deadly")),
        jobs=2,
    )
    assert all(len(journal.read(number).crops) == 1 for number in range(4))


def test_processes_that_cannot_even_begin_end_the_run(
    tasks: list[tuple[int, Record]], settings: Settings, tmp_path: Path
) -> None:
    journal = DeadlyJournal(tmp_path / "j", deadly=-1, at_once=True)
    with pytest.raises(EngineError, match="ended at once"):
        cut_all(tasks, WorkerJob(RECIPE, settings, journal), jobs=2)


def test_nothing_to_do_needs_no_detector(tmp_path: Path) -> None:
    broken = Settings(cache_dir=tmp_path / "empty")
    cut_all([], WorkerJob(RECIPE, broken, ResumeLog(tmp_path / "j", plan="p")), jobs=2)
    assert not (tmp_path / "empty").exists()
