"""An archive of short clips with a face, and the comparison of a fleet's results with those of ``analyze``."""

import json
from pathlib import Path
from typing import Any

import av
from support.footage import posed

SIZE = (320, 240)


def write_archive(folder: Path, *, files: int, frames: int) -> list[Path]:
    """Clips ``clip000.mp4``, ... of 25 frames per second in which the portrait's face moves; each one differs."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_clip(folder / f"clip{number:03}.mp4", frames=frames, seed=number) for number in range(files)]


def write_clip(path: Path, *, frames: int, seed: int = 0) -> Path:
    """A face that moves to the right, a pixel a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(frames):
            face = (90 + seed % 20 + index % 120, 110 + seed // 20 % 20, 85 + seed % 13)
            picture = av.VideoFrame.from_ndarray(posed(face, width=SIZE[0], height=SIZE[1]), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def read_report(folder: Path) -> dict[str, Any]:
    """A report without the time at which it was made."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    del report["created_at"]
    return report


def assert_equal_results(fleet: Path, plain: Path) -> None:
    """Two result folders hold the same files, equal byte by byte but for the time of the report and the marker."""
    assert sorted(path.name for path in fleet.iterdir()) == sorted([*(p.name for p in plain.iterdir()), "done.json"])
    assert read_report(fleet) == read_report(plain)
    for name in ("timeline.csv", "annotated.mp4"):
        if (plain / name).exists():
            assert (fleet / name).read_bytes() == (plain / name).read_bytes(), name
    moved = [(folder / "report.json").read_text(encoding="utf-8").splitlines() for folder in (fleet, plain)]
    assert [pair for pair in zip(*moved, strict=True) if pair[0] != pair[1] and "created_at" not in pair[0]] == []


def results(out: Path) -> dict[str, list[Path]]:
    """The result folders by the stem of their file; hidden folders would be unfinished work."""
    found: dict[str, list[Path]] = {}
    for folder in out.iterdir():
        if folder.is_dir():
            found.setdefault(folder.name.rpartition("-")[0], []).append(folder)
    return found
