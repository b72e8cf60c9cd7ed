import json
import logging
import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from monitor.inference import cache
from monitor.inference.cache import ArtefactKey, artefacts, default_cache_dir, discard, fetch, lookup, store

KEY = ArtefactKey("net-160", "ab" * 32, {"torch": "2.13"})


def never() -> bytes:
    raise AssertionError("built again")


def put(folder: Path, *, key: ArtefactKey = KEY, content: bytes = b"artefact") -> Path:
    path = fetch(key, lambda: content, folder=folder, suffix=".onnx")
    assert isinstance(path, Path)
    return path


def test_an_artefact_is_built_once_and_then_found(tmp_path: Path) -> None:
    path = put(tmp_path / "new" / "folder")
    assert path.read_bytes() == b"artefact"
    assert fetch(KEY, never, folder=path.parent, suffix=".onnx") == path
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.json"]


def test_the_sidecar_lists_the_inputs_of_the_artefact(tmp_path: Path) -> None:
    path = put(tmp_path)
    facts = json.loads(Path(f"{path}.json").read_text())
    assert facts["network"] == "net-160"
    assert facts["versions"] == {"torch": "2.13"}
    assert facts["bytes"] == len(b"artefact")


@pytest.mark.parametrize(
    "other",
    [
        ArtefactKey("net-96", "ab" * 32, {"torch": "2.13"}),
        ArtefactKey("net-160", "cd" * 32, {"torch": "2.13"}),
        ArtefactKey("net-160", "ab" * 32, {"torch": "2.12"}),
    ],
)
def test_another_network_weights_or_version_is_another_artefact(tmp_path: Path, other: ArtefactKey) -> None:
    assert put(tmp_path) != put(tmp_path, key=other, content=b"other")


def damage_content(path: Path) -> None:
    path.write_bytes(b"artefacT")


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def lose_sidecar(path: Path) -> None:
    Path(f"{path}.json").unlink()


def damage_sidecar(path: Path) -> None:
    Path(f"{path}.json").write_bytes(b"\xff{")


def hollow_sidecar(path: Path) -> None:
    Path(f"{path}.json").write_text("[]")


def change_a_fact(path: Path) -> None:
    facts = json.loads(Path(f"{path}.json").read_text())
    Path(f"{path}.json").write_text(json.dumps(facts | {"versions": {"torch": "2.12"}}))


def take_anothers_sidecar(path: Path) -> None:
    other = put(path.parent, key=ArtefactKey("net-160", "cd" * 32, {}), content=b"other")
    Path(f"{path}.json").write_bytes(Path(f"{other}.json").read_bytes())


HARMS = [
    damage_content, truncate, lose_sidecar, damage_sidecar, hollow_sidecar, change_a_fact, take_anothers_sidecar
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_an_artefact_that_does_not_match_is_built_again(tmp_path: Path, harm, caplog: pytest.LogCaptureFixture) -> None:
    path = put(tmp_path)
    harm(path)
    assert put(tmp_path).read_bytes() == b"artefact"
    assert "building it again" in caplog.text
    assert fetch(KEY, never, folder=tmp_path, suffix=".onnx") == path


def test_the_newest_two_artefacts_of_a_network_stay(tmp_path: Path) -> None:
    keys = [ArtefactKey("net-160", digit * 64, {}) for digit in "123"]
    neighbour = put(tmp_path, key=ArtefactKey("net-160-wide", "1" * 64, {}))
    paths = [put(tmp_path, key=key) for key in keys[:2]]
    os.utime(paths[1], (1, 1))  # the first one was used last
    paths.append(put(tmp_path, key=keys[2]))
    assert [path.exists() for path in paths] == [True, False, True]
    assert not Path(f"{paths[1]}.json").exists()
    assert neighbour.exists()


def test_artefacts_of_another_kind_stay(tmp_path: Path) -> None:
    kinds = (".onnx", ".int8.onnx", ".pt2")
    paths = [store(KEY, lambda path: path.write_bytes(b"kind"), folder=tmp_path, suffix=suffix) for suffix in kinds]
    for digit in "123":
        store(
            ArtefactKey("net-160", digit * 64, {}), lambda path: path.write_bytes(b""), folder=tmp_path, suffix=".pt2"
        )
    assert [path.exists() for path in paths] == [True, True, False]


def test_a_discarded_artefact_is_deleted(tmp_path: Path) -> None:
    path = put(tmp_path)
    discard(path)
    assert lookup(KEY, folder=tmp_path, suffix=".onnx") is None
    assert list(tmp_path.iterdir()) == []


def test_a_failed_writer_keeps_the_old_artefact(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        assert path.suffix == ".onnx"  # some writers check the suffix
        path.write_bytes(b"hal")
        raise OSError(28, "No space left on device")

    path = put(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        store(KEY, half, folder=tmp_path, suffix=".onnx")
    assert lookup(KEY, folder=tmp_path, suffix=".onnx") == path
    assert len(list(tmp_path.iterdir())) == 2


def _write_for_ever(folder: Path, started) -> None:
    def write(path: Path) -> None:
        block = os.urandom(65_536)  # never the same twice
        with path.open("wb") as file:
            for _ in range(16):
                file.write(block)
                file.flush()

    while True:
        store(KEY, write, folder=folder, suffix=".pt2")
        started.set()


def test_a_killed_writer_never_leaves_a_wrong_artefact(tmp_path: Path) -> None:
    """Kills a real process with SIGKILL, repeatedly: a found artefact is complete."""
    context = multiprocessing.get_context("fork")  # a child that imports nothing and is killed before it ends
    found = 0
    for kill in range(40):
        started = context.Event()
        writer = context.Process(target=_write_for_ever, args=(tmp_path, started))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
            writer.start()
        assert started.wait(30)
        time.sleep((kill * 0.618 % 1) * 0.02)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join(30)
        assert writer.exitcode == -signal.SIGKILL
        content = (tmp_path / f"{KEY.stem}.pt2").read_bytes()
        assert content == content[:65_536] * 16  # complete, with or without its sidecar
        found += lookup(KEY, folder=tmp_path, suffix=".pt2") is not None
    leftovers = [file for file in tmp_path.iterdir() if ".tmp" in file.name]
    assert found > 0
    assert leftovers != []  # some processes were killed while writing
    for file in leftovers:
        os.utime(file, (1, 1))
    put(tmp_path, key=ArtefactKey("net-160", "cd" * 32, {}))
    assert not any(".tmp" in file.name for file in tmp_path.iterdir())


def test_using_an_artefact_updates_its_time(tmp_path: Path) -> None:
    path = put(tmp_path)
    os.utime(path, (1, 1))
    fetch(KEY, never, folder=tmp_path, suffix=".onnx")
    assert path.stat().st_mtime > 1


def test_temporary_files_of_dead_writers_are_removed(tmp_path: Path) -> None:
    path = put(tmp_path)
    dead, alive = (path.with_name(f"{path.name}.{name}.tmp") for name in ("dead", "alive"))
    dead.touch()
    alive.touch()
    os.utime(dead, (1, 1))
    put(tmp_path, key=ArtefactKey("net-160", "cd" * 32, {}))
    assert (dead.exists(), alive.exists()) == (False, True)


def test_a_folder_that_cannot_be_created_disables_only_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    found = fetch(KEY, lambda: b"artefact", folder=tmp_path / "file", suffix=".onnx")
    assert found == b"artefact"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be cached" in caplog.text


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", full)
    assert fetch(KEY, lambda: b"artefact", folder=tmp_path, suffix=".onnx") == b"artefact"
    assert list(tmp_path.iterdir()) == []


def _build_in_a_process(folder: Path, barrier, results) -> None:
    def build() -> bytes:
        barrier.wait(20)  # both are building before either writes
        return b"artefact" * 100_000

    cache.PATIENCE = 0
    path = fetch(KEY, build, folder=folder, suffix=".onnx")
    results.put(path)


def _find_in_a_process(folder: Path, barrier, results) -> None:
    def build() -> bytes:
        (folder / f"built by {os.getpid()}").touch()
        time.sleep(1)
        return b"artefact" * 100_000

    barrier.wait(20)
    results.put(fetch(KEY, build, folder=folder, suffix=".onnx"))


@pytest.mark.parametrize(("act", "builds"), [(_build_in_a_process, 0), (_find_in_a_process, 1)], ids=["both", "one"])
def test_two_processes_build_once_or_after_some_patience_both(tmp_path: Path, act: Any, builds: int) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    writers = [context.Process(target=act, args=(tmp_path, barrier, results)) for _ in range(2)]
    for writer in writers:
        writer.start()
    paths = [results.get(timeout=30) for _ in writers]
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert paths[0] == paths[1]
    assert fetch(KEY, never, folder=tmp_path, suffix=".onnx") == paths[0]
    assert len(list(tmp_path.glob("built by *"))) == builds
    assert not list(tmp_path.glob("*.lock"))


def test_the_default_folder_is_in_the_users_cache(tmp_path: Path) -> None:
    assert default_cache_dir().name == "deepfake-monitor"
    assert default_cache_dir(tmp_path) == tmp_path


def test_artefacts_lists_only_compiled_files(tmp_path: Path) -> None:
    path = put(tmp_path)
    blob = tmp_path / "openvino" / path.stem / "123.blob"
    blob.parent.mkdir(parents=True)
    blob.touch()
    dead = path.with_name(f"{path.stem}.dead.tmp.onnx")
    for other in (dead, tmp_path / "notes.txt", tmp_path / "openvino" / "own.blob", tmp_path / "net-160-short.onnx"):
        other.touch()
    assert artefacts(tmp_path) == sorted([path, Path(f"{path}.json"), dead, blob])
    assert artefacts(tmp_path / "none") == []
