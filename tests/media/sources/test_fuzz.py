"""Damaged files must give frames or a SourceError: no hang, no other error, no crash of the caller.

Real files of several containers have bytes of their headers changed, a hundred times, from a fixed seed. They
are opened in a child process, so that a crash inside FFmpeg would be a finding and not the end of the tests.
By hand: ``python tests/media/sources/test_fuzz.py FILE...`` prints a line for each file.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

MUTATIONS = 100
SEED = 20
HEADER = 1500  # bytes at the start that are changed
FRAMES = 100  # read at most from one file
TIMEOUT = 60.0  # seconds for all files, after which the one at work counts as hanging


def outcome(path: str) -> str:
    """The outcome of opening and reading a file, in one line."""
    from monitor.errors import SourceError
    from monitor.media.sources import open_source

    try:
        with open_source(path) as source:
            frames = sum(1 for _ in islice(source, FRAMES))
            return f"{frames} frames, lost {sum(source.drops.values())}"
    except SourceError as error:
        return f"SourceError {error}"


def originals(folder: Path) -> list[Path]:
    from PIL import Image
    from support import clips

    pictures = [Image.fromarray(clips.picture(number, (48, 32))) for number in range(5)]
    small = {"frames": 8, "size": (48, 32)}
    files = [
        clips.video(folder / "a.mp4", muxing={"movflags": "faststart"}, sound=True, **small),
        clips.video(folder / "f.mp4", muxing={"movflags": "frag_keyframe+empty_moov"}, **small),
        clips.video(
            folder / "a.mov", codec="libx265", pixel_format="yuv420p10le", frames=8
        ),  # any smaller, x265 crashes
        clips.video(folder / "a.mkv", **small),
        clips.video(folder / "a.webm", codec="libvpx-vp9", **small),
        clips.video(folder / "a.avi", codec="mpeg4", **small),
        clips.video(folder / "a.ts", codec="mpeg2video", **small),
        clips.video(folder / "a.mpg", codec="mpeg1video", **small),
        clips.video(folder / "a.flv", **small),
    ]
    for suffix in ("png", "jpg", "gif", "webp", "tif", "bmp"):
        pictures[0].save(folder / f"a.{suffix}")
        files.append(folder / f"a.{suffix}")
    for suffix in ("gif", "webp"):
        pictures[0].save(folder / f"moving.{suffix}", save_all=True, append_images=pictures[1:])
        files.append(folder / f"moving.{suffix}")
    return files


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A copy with some bytes of its header changed: noise, or a field of extreme value."""
    changed = bytearray(data)
    reach = min(HEADER, len(data))
    for _ in range(random.integers(1, 9)):
        at = int(random.integers(reach))
        if random.random() < 0.5:
            changed[at] = int(random.integers(256))
        else:
            extreme = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\xff\xff")[random.integers(4)]
            changed[at : at + 4] = extreme
    return bytes(changed[: len(data)])


def mutants(folder: Path, number: int, seed: int) -> Iterator[Path]:
    files = originals(folder)
    random = np.random.default_rng(seed)
    for index in range(number):
        original = files[index % len(files)]
        mutant = folder / f"{index:04} {original.name}"
        mutant.write_bytes(mutated(original.read_bytes(), random))
        yield mutant


def outcomes(files: list[Path]) -> dict[str, str]:
    """The outcome of each file from child processes, by name; "crash" or "hang" without an outcome."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        command = [sys.executable, __file__, *map(str, waiting)]
        try:
            child = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=TIMEOUT, check=False
            )
            output, end = child.stdout, f"crash ({child.returncode}) {child.stderr}"
        except subprocess.TimeoutExpired as error:
            output, end = (error.stdout or b"").decode(), "hang"
        lines = output.splitlines()
        found |= {path.name: line for path, line in zip(waiting, lines, strict=False)}
        if len(lines) < len(waiting):
            found[waiting[len(lines)].name] = end
        waiting = waiting[len(lines) + 1 :]
    return found


def test_a_hundred_damaged_files_give_frames_or_an_error_of_the_source(tmp_path: Path) -> None:
    found = outcomes(list(mutants(tmp_path, MUTATIONS, SEED)))
    assert len(found) == MUTATIONS
    read = [name for name, output in found.items() if "frames, lost" in output]
    refused = [name for name, output in found.items() if output.startswith("SourceError ")]
    assert {name: output for name, output in found.items() if name not in {*read, *refused}} == {}
    assert len(read) > MUTATIONS // 5, "too few files are readable for a useful test"
    assert len(refused) > MUTATIONS // 5, "too few files are refused for a useful test"


def test_the_fuzz_test_detects_crashes_and_hangs(tmp_path: Path) -> None:
    missing, fine = tmp_path / "nothing.mp4", originals(tmp_path)[0]
    found = outcomes([missing, fine])
    assert found[missing.name].startswith("SourceError ")
    assert found[fine.name] == "8 frames, lost 0"


if __name__ == "__main__":
    for file in sys.argv[1:]:
        sys.stdout.write(f"{outcome(file)}\n")
        sys.stdout.flush()
