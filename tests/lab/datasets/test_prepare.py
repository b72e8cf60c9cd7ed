import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.dataset_trees import encoded, face, faceless, film, picture, shards, text
from support.footage import FACE, portrait, posed

from monitor.classifiers.crops import crop_faces
from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets import read
from monitor.lab.datasets.face_cropper import CropRecipe
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.datasets.prepare import PreparationPlan, existing_recipe, prepare
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.resume_log import ResumeLog
from monitor.lab.datasets.splits import split_records
from monitor.settings import Settings
from monitor.system.files import alone_in

RECIPE = CropRecipe(frames=2, size=64)


def films(root: Path, *, videos: int = 2, pictures: int = 6) -> Path:
    for number in range(videos):
        film(root / "real" / f"v{number}.mp4", [face(shift=step + 5 * number) for step in range(10)])
        film(root / "fake" / "swap" / f"v{number}.mp4", [face(shift=step + 5 * number) // 2 + 40 for step in range(9)])
    for number in range(pictures):
        picture(root / "real" / f"p{number}.png", face(shift=number))
    return root


def plan(root: Path, settings: Settings, **changes: object) -> PreparationPlan:
    """What ``lab prepare folder`` would do; a fake film knows its original."""
    records = [
        replace(record, original=f"real/{record.path.stem}") if record.label else record
        for record in split_records(read("folder", root))
    ]
    return replace(PreparationPlan(records, root, RECIPE, settings, {"seed": 0}), **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_crops_rows_and_facts(settings: Settings, tmp_path: Path) -> None:
    root = films(tmp_path / "set")
    faceless(root / "real" / "nobody.mp4")
    (root / "fake" / "broken.mp4").write_bytes(b"nonsense")
    facts = prepare(plan(root, settings), tmp_path / "out")
    faces = FaceSet.open(tmp_path / "out")
    assert len(faces) == 2 * 2 * 2 + 6
    assert all(faces.pixels(row).shape == (64, 64, 3) for row in range(len(faces)))
    assert faces.side_over_box_height == 1.0
    fakes = {row.name: row for row in faces.rows if row.label}
    assert fakes["fake__swap__v0-00002"].original == "real__v0-00002", "the same moment of the same face"
    assert all(row.split and row.method == "swap" and row.landmarks is not None for row in fakes.values())
    skipped = (tmp_path / "out" / "skipped.csv").read_text().splitlines()
    assert skipped[0] == "video_id,path,label,split,reason"
    assert [line.split(",")[:3] for line in skipped[1:]] == [
        ["fake/broken", "fake/broken.mp4", "1"],
        ["real/nobody", "real/nobody.mp4", "0"],
    ]
    assert facts == json.loads((tmp_path / "out" / "faces.json").read_bytes())
    assert sum(row["records"] for row in facts["counts"]) == 12
    assert sum(row["skipped"] for row in facts["counts"]) == 2
    assert sum(row["crops"] for row in facts["counts"]) == len(faces)
    assert facts["frames_without_the_face"] == 2
    assert facts["leakage"]["groups"] == 0
    assert sorted(contents(tmp_path / "out"))[:3] == ["faces.json", "index.csv", "skipped.csv"]


def test_processes_and_repetitions_change_no_byte(settings: Settings, tmp_path: Path) -> None:
    todo = plan(films(tmp_path / "set"), settings)
    prepare(todo, tmp_path / "one")
    prepare(todo, tmp_path / "two", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    before = (tmp_path / "one" / "index.csv").stat().st_mtime_ns
    again = prepare(todo, tmp_path / "one")
    assert again["plan"] == todo.digest
    assert (tmp_path / "one" / "index.csv").stat().st_mtime_ns == before, "what is done is not done again"


_RUN = """
import pickle, sys
from pathlib import Path
from monitor.lab.datasets.prepare import prepare
if __name__ == "__main__":
    prepare(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), jobs=int(sys.argv[3]))
"""


def _killed(program: Path, arguments: list[str], journal: Path, *, after: int) -> None:
    """Run until so many records are committed, kill -9, and see that its processes follow."""
    with subprocess.Popen([sys.executable, str(program), *arguments]) as process:
        while sum(1 for path in journal.glob("[0-9]*/[0-9]*")) < after:
            assert process.poll() is None, "it was done before it could be killed"
            time.sleep(0.002)
        task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        children = [Path("/proc") / child for child in task.read_text().split()] if task.is_file() else []
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 60
    while any(_lives(child) for child in children):
        assert time.monotonic() < deadline, "a process outlived its parent"
        time.sleep(0.02)


def _lives(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("jobs", "kills"), [(1, (3, 9)), (2, (4,))])
def test_a_killed_run_goes_on_to_the_same_bytes(
    settings: Settings, tmp_path: Path, jobs: int, kills: tuple[int, ...]
) -> None:
    todo = plan(films(tmp_path / "set", videos=2, pictures=24), settings)
    prepare(todo, tmp_path / "undisturbed")
    stored, program, out = tmp_path / "plan.pickle", tmp_path / "run.py", tmp_path / "killed"
    stored.write_bytes(pickle.dumps(todo))
    program.write_text(_RUN)
    arguments = [str(stored), str(out), str(jobs)]
    journal = out / ".unfinished"
    for after in kills:
        _killed(program, arguments, journal, after=after)
        assert not (out / "faces.json").exists()
    assert kills[-1] <= sum(1 for path in journal.glob("[0-9]*/[0-9]*")) < len(todo.records)
    done: list[None] = []
    prepare(todo, out, jobs=jobs, on_done=lambda: done.append(None))
    assert len(done) == len(todo.records)
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_a_run_that_was_killed_while_it_moved_the_shards_goes_on_too(settings: Settings, tmp_path: Path) -> None:
    todo = plan(films(tmp_path / "set"), settings)
    prepare(todo, tmp_path / "undisturbed")
    out = tmp_path / "out"

    class KilledError(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:
        moves = iter(range(3))

        def replace_some(self: Path, target: Path) -> Path:
            if self.parent.name == "ready" and next(moves, None) is None:
                raise KilledError
            return self.rename(target)

        patch.setattr(Path, "replace", replace_some)
        with pytest.raises(KilledError):
            prepare(todo, out)
    assert not (out / "faces.json").exists()
    prepare(todo, out)
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("lost", ["train-00.tar", "index.csv"])
def test_what_is_lost_is_prepared_again(
    settings: Settings, tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    todo = plan(films(tmp_path / "set", videos=0), settings)
    prepare(todo, tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    prepare(todo, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert "it is done again" in caplog.text


def test_a_flag_labels_the_face_that_was_flagged(settings: Settings, tmp_path: Path) -> None:
    both = posed((120, 120, 110), (360, 120, 80), width=480, height=240)
    root = tmp_path / "flags"
    lines = ["path,label,track_id,x1,y1,x2,y2"]
    for number in range(3):
        picture(root / f"{number}.png", both)
        lines += [f"{number}.png,real,1,78,65,162,175", f"{number}.png,fake,2,330,80,390,160"]
    text(root / "feedback.csv", *lines)
    prepare(PreparationPlan(split_records(read("feedback", root)), root, RECIPE, settings, {}), tmp_path / "out")
    with (tmp_path / "out" / "index.csv").open(newline="") as file:
        sizes = [(row["label"], int(row["source_width"])) for row in csv.DictReader(file)]
    assert len(sizes) == 6
    assert all((size > 97) == (label == "0") for label, size in sizes), "the large face is real, the small one fake"


def test_leaks_are_refused_unless_they_are_accepted(settings: Settings, tmp_path: Path) -> None:
    root = films(tmp_path / "set", videos=0)
    records = [
        replace(record, split=("train", "test")[number % 2], identities=("ann",))
        for number, record in enumerate(plan(root, settings).records)
    ]
    todo = replace(plan(root, settings), records=records)
    with pytest.raises(DatasetError, match="1 identity cross splits: identity 'ann' is in train"):
        prepare(todo, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert prepare(todo, tmp_path / "out", allow_leakage=True)["leakage"]["identities"] == 1


def test_equal_files_in_two_splits_are_refused_on_request(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split in ("train", "test"):
        picture(root / split / "real" / f"{split}.png")
    todo = plan(root, settings, compare_files=True)
    with pytest.raises(DatasetError, match="1 file cross splits"):
        prepare(todo, tmp_path / "out")


def test_other_crops_are_never_overwritten(settings: Settings, tmp_path: Path) -> None:
    root = films(tmp_path / "set", videos=0, pictures=2)
    prepare(plan(root, settings), tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(DatasetError, match="holds other face crops already"):
        prepare(plan(root, settings, recipe=CropRecipe(size=80)), tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_two_runs_do_not_share_a_folder(settings: Settings, tmp_path: Path) -> None:
    todo = plan(films(tmp_path / "set", videos=0, pictures=2), settings)
    working = ResumeLog(tmp_path / "out" / ".unfinished", plan=todo.digest).folder
    with alone_in(working), pytest.raises(UsageError, match="another process is at work"):
        prepare(todo, tmp_path / "out")
    prepare(todo, tmp_path / "out")


def test_a_data_set_without_a_single_face_is_an_error(settings: Settings, tmp_path: Path) -> None:
    faceless(tmp_path / "set" / "real" / "v.mp4")
    with pytest.raises(DatasetError, match="not one face was found in 1 records"):
        prepare(plan(tmp_path / "set", settings), tmp_path / "out")


def test_every_record_needs_a_split(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no split"):
        PreparationPlan([Record("d", "a", tmp_path / "a.png", 0)], tmp_path, RECIPE, settings, {})


def test_existing_crops_keep_their_bytes_and_sizes(settings: Settings, tmp_path: Path) -> None:
    policy = CropRecipe(side=0.85).policy
    (pixels,), _ = crop_faces(portrait(), np.array([FACE], np.float32), policy=policy, size=224)
    jpegs = {"r": encoded(pixels, ".jpg"), "f": encoded(pixels[:, ::-1], ".jpg")}
    columns = {"shard": "train-00.tar", "group": "r", "source_width": "107", "source_height": "108"}
    rows = [
        {"name": "r", "label": "0", "original": "", "split": "train", **columns},
        {"name": "f", "label": "1", "original": "r", "split": "train", **columns},
    ]
    root = shards(tmp_path / "crops", rows, jpegs)
    recipe = existing_recipe(root, CropRecipe())
    assert (recipe.existing, recipe.size, recipe.side, recipe.centre) == (True, 224, 0.85, 0.06)
    prepare(PreparationPlan(read("shards", root), root, recipe, settings, {}), tmp_path / "out")
    faces = FaceSet.open(tmp_path / "out")
    assert [faces.jpeg(row) for row in range(2)] == list(jpegs.values())
    assert [row.original for row in faces.rows] == ["", "r"]
    assert all(row.landmarks is not None for row in faces.rows)
    assert faces.side_over_box_height == 0.85
    assert ",107,108,crops," in (tmp_path / "out" / "index.csv").read_text()
