"""``fleet analyze`` under kills, its overhead against ``analyze``, and its throughput on one and two nodes.

    OMP_NUM_THREADS=1 PYTHONPATH=.:tests python tests/benchmarks/fleet_batch.py kills --files 200
    ... overhead --turns 3
    ... scaling --turns 3

Times are of the wall clock: Ray reaps its own processes, so their processor time is lost. Nothing else should run.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.archive_clips import assert_equal_results, results, write_archive
from support.ray_nodes import RayNodes
from support.waiting import until


def done(out: Path) -> int:
    return sum(1 for _ in out.glob("*/done.json"))


def survive_kills(nodes: RayNodes, folder: Path, *, files: int, frames: int) -> dict[str, float]:
    """Analyses files on two nodes, kills a worker, a node and the command, and compares every result.

    Returns:
        Seconds from each kill until two files were in progress again, or until the next result.
    """
    archive = folder / "archive"
    write_archive(archive, files=files, frames=frames)
    plain = plain_results(archive, folder / "plain")
    out, times = folder / "out", {}
    command = nodes.start(archive, "--out", out)
    until(lambda: done(out) >= files // 5, seconds=3600)
    victim = kill_any_worker(nodes)
    times["worker"] = seconds_until(lambda: len(set(nodes.workers()) - {victim}) >= 2)
    until(lambda: done(out) >= 2 * files // 5, seconds=3600)
    nodes.kill_newest()
    seen = done(out)
    times["node, until the next result"] = seconds_until(lambda: done(out) > seen)
    nodes.add()
    # of a few short files, the old node may have done most before the new one works
    times["new node"] = seconds_until(lambda: len(nodes.workers()) >= 2 or done(out) >= 3 * files // 4)
    until(lambda: done(out) >= 3 * files // 5, seconds=3600)
    command.kill()
    command.communicate()
    before = done(out)
    command = nodes.start(archive, "--out", out)
    times["command, until the next result"] = seconds_until(lambda: done(out) > before)
    said, errors = command.communicate(timeout=3600)
    assert command.returncode == 0, said + errors
    assert f"{files} files (" in said, "some were done before"
    found = results(out)
    assert {name: len(folders) for name, folders in found.items()} == {path.name: 1 for path in plain.iterdir()}
    for name, (result,) in found.items():
        assert_equal_results(result, plain / name)
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == [".fleet"], "no unfinished work"
    return times


def plain_results(archive: Path, out: Path) -> Path:
    """The results of ``analyze``, each named after its file."""
    command = [sys.executable, "-m", "monitor", "analyze", str(archive), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def kill_any_worker(nodes: RayNodes) -> int:
    until(nodes.workers, seconds=600)
    return nodes.kill_worker_of(next(iter(nodes.workers().values())))


def seconds_until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    until(holds, seconds=600)
    return time.monotonic() - began


def seconds_of(command: Sequence[str]) -> float:
    """Seconds (wall clock) of a command."""
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


def compare_with_plain(folder: Path, *, turns: int, frames: int) -> None:
    """Alternating runs of ``analyze`` and ``fleet analyze --workers 1`` on a short and a long list of files."""
    counts = (2, 12)
    for count in counts:
        write_archive(folder / str(count), files=count, frames=frames)
    walls: dict[tuple[str, int], list[float]] = {}
    for _ in range(turns):
        for count in counts:
            for name, words in (("analyze", ["analyze"]), ("fleet", ["fleet", "analyze", "--workers", "1"])):
                shutil.rmtree(folder / "out", ignore_errors=True)
                command = [sys.executable, "-m", "monitor", *words, str(folder / str(count)), "--out"]
                wall = seconds_of([*command, str(folder / "out")])
                walls.setdefault((name, count), []).append(wall)
                print(f"{name} {count} files: {wall:.1f} s", flush=True)
    middle = {key: statistics.median(values) for key, values in walls.items()}
    slopes = {
        name: (middle[name, counts[1]] - middle[name, counts[0]]) / (counts[1] - counts[0])
        for name in ("analyze", "fleet")
    }
    print(f"seconds a file: {slopes}, ratio {slopes['fleet'] / slopes['analyze']:.3f}; medians {middle}")


def compare_nodes(folder: Path, *, turns: int, files: int, frames: int) -> None:
    """Files a minute on one and on two nodes of one CPU each, alternating; without the start of the command."""
    write_archive(folder / "archive", files=files, frames=frames)
    rates: dict[int, list[float]] = {1: [], 2: []}
    with RayNodes(1) as one, RayNodes(2) as two:
        for _ in range(turns):
            for count, nodes in ((1, one), (2, two)):
                out = folder / "out"
                shutil.rmtree(out, ignore_errors=True)
                command = nodes.start(folder / "archive", "--out", out, "--no-video")
                until(lambda out=out, count=count: done(out) >= count, seconds=600)
                began, seen = time.monotonic(), done(out)
                command.communicate()
                rates[count].append((files - seen) / (time.monotonic() - began) * 60)
                print(count, rates[count][-1], flush=True)
    for count, values in rates.items():
        print(f"{count} nodes: median {statistics.median(values):.1f} files/min ({min(values):.1f}-{max(values):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["kills", "overhead", "scaling"])
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--frames", type=int, default=15)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-batch-") as name:
        folder = Path(name)
        if given.part == "kills":
            began = time.monotonic()
            with RayNodes(2) as nodes:
                times = survive_kills(nodes, folder, files=given.files, frames=given.frames)
            print({what: round(seconds, 1) for what, seconds in times.items()})
            print(f"{given.files} files, each once, equal to those of analyze; {time.monotonic() - began:.0f} s in all")
        elif given.part == "overhead":
            compare_with_plain(folder, turns=given.turns, frames=given.frames)
        else:
            compare_nodes(folder, turns=given.turns, files=given.files, frames=given.frames)


if __name__ == "__main__":
    main()
