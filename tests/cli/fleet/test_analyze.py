"""``deepfake-monitor fleet analyze`` at the terminal; the cluster is in ``tests/fleet/test_batch.py``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.clips import video

import monitor.cli.fleet.analyze as command
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.batch import BatchObserver
from monitor.fleet.file_outcome import FileOutcome

pytest.importorskip("ray", reason="needs the extra fleet")


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The batches that were run; a file called bad fails, the others are real."""
    seen: list[dict[str, Any]] = []

    @contextmanager
    def connect(address: str, **options: Any) -> Iterator[SimpleNamespace]:
        seen.append({"address": address, **options})
        yield SimpleNamespace()

    def run(
        _: object, sources: Sequence[ArchiveSource], *, observer: BatchObserver, **options: Any
    ) -> list[FileOutcome]:
        seen[-1] |= {"sources": [source.address for source in sources], **options}
        observer.warn("node two is not used")
        outcomes = []
        for source in sources:
            failed = "bad" in source.address
            error, code = ("bad.mp4: no video", 3) if failed else (None, 0)
            outcome = FileOutcome(source.name, label=None if failed else "LIKELY_REAL", error=error, exit_code=code)
            observer.on_outcome(outcome, source)
            outcomes.append(outcome)
        return outcomes

    monkeypatch.setattr(command, "connect", connect)
    monkeypatch.setattr(command, "run_batch", run)
    return seen


def test_the_summary_counts_labels(cli: Callable, batches: list[dict[str, Any]], tmp_path: Path) -> None:
    video(tmp_path / "in" / "a.mp4", frames=2) if (tmp_path / "in").mkdir() is None else None
    (tmp_path / "in" / "notes.txt").write_text("text")
    said = cli("fleet", "analyze", "in", "demo:", "--out", "kept", "--no-video", "--workers", "2", "--gpu", "0.5")
    assert said.code == 0, said.err
    assert said.out == "2 files: 2 likely real\n  kept/results.csv\n"
    assert "warning: node two is not used" in said.err
    assert "left out: in/notes.txt" in said.err
    (batch,) = batches
    assert (batch["address"], batch["cpus"]) == ("local", 2)
    assert batch["sources"] == [str(tmp_path / "in" / "a.mp4"), "demo:"]
    assert (batch["pool"].workers, batch["pool"].gpu_share) == (2, 0.5)
    assert (batch["plan"].out, batch["plan"].video) == (str(tmp_path / "kept"), False)


def test_a_failed_file_is_one_line_and_the_exit_code(
    cli: Callable, batches: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("bad.mp4\ngood.mp4\n")
    said = cli("fleet", "analyze", "--manifest", "list.txt", "--out", "s3://bucket/run", "--address", "auto")
    assert said.code == 3
    assert said.err.count("error: bad.mp4: no video") == 1
    assert "2 files: 1 likely real, 1 failed" in said.out
    assert "s3://bucket/run/results.csv" in said.out
    assert batches[0]["plan"].out == "s3://bucket/run"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no source is named"),
        (["@absent.txt"], 3, "the manifest absent.txt cannot be read"),
        (["demo:", "--set", "tracker.max_age"], 2, "STAGE.NAME=VALUE"),
        (["demo:", "--address", "nonsense"], 2, "use local, auto, ray://HOST:10001 or HOST:6379"),
        (["demo:", "--address", "127.0.0.1:1"], 1, "no Ray cluster answers there"),
    ],
)
def test_wrong_usage_is_one_sentence(cli: Callable, arguments: list[str], code: int, words: str) -> None:
    said = cli("fleet", "analyze", *arguments)
    assert said.code == code
    assert words in said.err
    assert said.out == ""


def test_an_interrupt_is_exit_code_130(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(command, "connect", interrupted)
    assert cli("fleet", "analyze", "demo:").code == 130
