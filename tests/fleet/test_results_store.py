"""One result per file, whole or not there, in a folder and in a store of objects."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from monitor.errors import OutputError
from monitor.fleet import results_store
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.file_outcome import MARKER_FILE, DoneMarker, FileOutcome, Recipe
from monitor.fleet.results_store import ResultsStore, open_results_store
from monitor.settings import Settings

SOURCE = ArchiveSource("/archive/a.mp4", size=3, version="1")
RECIPE = Recipe.of(Settings(), weights_sha256="w", video=True)
KEY = SOURCE.key


def marker(*, weights: str = "w", node: str = "one") -> DoneMarker:
    recipe = replace(RECIPE, weights_sha256=weights)
    return DoneMarker.of(SOURCE, recipe, FileOutcome(SOURCE.name, label="LIKELY_REAL", folder=KEY, node=node))


@pytest.fixture(params=["folder", "objects"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "out" / "deep") if request.param == "folder" else f"memory://results{tmp_path}"


@pytest.fixture
def store(root: str) -> ResultsStore:
    return open_results_store(root)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the folder of a new result."""

    def made(content: str) -> Path:
        folder = tmp_path / f"scratch-{content}"
        folder.mkdir()
        (folder / "report.json").write_text(content)
        (folder / "timeline.csv").write_text(content)
        return folder

    return made


def read(root: str) -> dict[str, str]:
    """All files below the root by their path in it."""
    filesystem, path = fsspec.core.url_to_fs(root)
    found = filesystem.find(path)
    return {name.removeprefix(path).strip("/"): filesystem.cat_file(name).decode() for name in found}


def result(root: str, present: DoneMarker) -> dict[str, str]:
    prefix = f"{present.outcome.folder}/"
    return {name.removeprefix(prefix): text for name, text in read(root).items() if name.startswith(prefix)}


def test_a_published_result_is_found(store: ResultsStore, root: str, make: Callable[[str], Path]) -> None:
    assert store.markers([KEY]) == {}
    published, is_new = store.publish(make("first"), marker(), key=KEY)
    assert is_new
    assert store.markers([KEY, "other"]) == {KEY: published}
    files = result(root, published)
    files.pop(MARKER_FILE, None)
    assert files == {"report.json": "first", "timeline.csv": "first"}


def test_an_equal_result_that_came_first_stays(store: ResultsStore, root: str, make: Callable[[str], Path]) -> None:
    first, _ = store.publish(make("first"), marker(), key=KEY)
    before = read(root)
    assert store.publish(make("second"), marker(node="two"), key=KEY) == (first, False)
    assert read(root) == before, "nothing else is left"


def test_a_result_of_another_recipe_is_replaced(store: ResultsStore, root: str, make: Callable[[str], Path]) -> None:
    store.publish(make("first"), marker(), key=KEY)
    second, is_new = store.publish(make("second"), marker(weights="new"), key=KEY)
    assert is_new
    assert store.markers([KEY]) == {KEY: second}
    files = read(root)
    assert len(files) == 3
    assert "first" not in files.values()


def test_a_result_without_its_marker_does_not_count(
    store: ResultsStore, root: str, make: Callable[[str], Path]
) -> None:
    store.publish(make("first"), marker(), key=KEY)
    filesystem, path = fsspec.core.url_to_fs(root)
    filesystem.pipe_file(f"{path}/{KEY}/{MARKER_FILE}", b'{"format": 1')
    assert store.markers([KEY]) == {}
    _, is_new = store.publish(make("second"), marker(), key=KEY)
    assert is_new
    assert "second" in read(root).values()


def test_texts_beside_the_results(store: ResultsStore, root: str) -> None:
    assert store.read_text("results.csv") is None
    store.write_text("results.csv", "one")
    store.write_text("results.csv", "zwei\n")
    assert store.read_text("results.csv") == "zwei\n"
    assert read(root) == {"results.csv": "zwei\n"}


def test_two_workers_at_once_leave_one_result(
    root: str, make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other one publishes between the first look and the last step."""
    one, other = open_results_store(root), open_results_store(root)
    if root.startswith("memory"):
        read_markers = one.markers

        def markers(keys: list[str]) -> Any:
            seen = read_markers(keys)
            other.publish(make("other"), marker(node="two"), key=KEY)
            return seen

        monkeypatch.setattr(one, "markers", markers)
    else:
        move = results_store._move

        def move_late(folder: Path, partial: Path) -> None:
            monkeypatch.setattr(results_store, "_move", move)
            other.publish(make("other"), marker(node="two"), key=KEY)
            move(folder, partial)

        monkeypatch.setattr(results_store, "_move", move_late)
    one.publish(make("mine"), marker(), key=KEY)
    (present,) = open_results_store(root).markers([KEY]).values()
    files = result(root, present)
    files.pop(MARKER_FILE, None)
    assert sorted(files) == ["report.json", "timeline.csv"]
    assert len(set(files.values())) == 1, "no mixture"


def test_another_file_system_is_copied_to(tmp_path: Path, make: Callable[[str], Path]) -> None:
    folder = make("first")

    class Elsewhere(type(folder)):  # type: ignore[misc]
        def rename(self, target: Path) -> Path:
            raise OSError(18, "Invalid cross-device link")

    results_store._move(Elsewhere(folder), tmp_path / "moved")
    assert (tmp_path / "moved" / "report.json").read_text() == "first"


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, make: Callable[[str], Path]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        open_results_store(str(tmp_path / "file" / "out")).publish(make("first"), marker(), key=KEY)
    with pytest.raises(OutputError, match="cannot be written"):
        open_results_store(str(tmp_path / "file" / "out")).write_text("results.csv", "")


def test_a_store_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Path]) -> None:
    store = open_results_store("memory://failing")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    for name in ("put_file", "pipe_file", "cat"):
        monkeypatch.setattr(type(fsspec.filesystem("memory")), name, refuse)
    with pytest.raises(OutputError, match=r"memory://failing cannot be written: access is refused"):
        store.publish(make("first"), marker(), key=KEY)
    with pytest.raises(OutputError, match=r"memory://failing cannot be read: access is refused"):
        store.markers([KEY])
    with pytest.raises(OutputError, match="cannot be written"):
        store.write_text("results.csv", "")
