"""What people said of flags, as a folder that the laboratory learns from (``monitor.lab.datasets.feedback``).

The key frame of a flag is what is taught: its box and its moment are known exactly. A flag without one gives its clip,
without a box. Frames of one source lie in one folder, which the laboratory keeps in one split.
"""

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from monitor.errors import UsageError
from monitor.flags.files import CLIP, FRAME, FlagFiles
from monitor.lab.datasets.answers import FeedbackRow
from monitor.lab.datasets.feedback import FILE_NAME, write_rows
from monitor.system.files import write_error
from monitor.types import Flag, Label, Opinion

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")
_SETTLED: Final = "real where the program was undecided"
_TAUGHT: Final = ("false alarms", "missed", "confirmed", _SETTLED)
_LEFT_OUT: Final = ("unsure", "not reviewed", "no picture")
_LONGEST: Final = 40  # characters of a folder's name


@dataclass(frozen=True, slots=True)
class FeedbackExport:
    """A feedback folder that was written, and what it holds."""

    table: Path
    counts: Counter[str]  # what each flag is, see :func:`lesson`; "no picture": its files are gone

    @property
    def in_words(self) -> str:
        """One line: ``2 false alarms, 1 missed, 4 confirmed; left out: 1 unsure``."""
        taught = [f"{self.counts[kind]} {kind}" for kind in _TAUGHT if self.counts[kind] or kind != _SETTLED]
        left = [f"{self.counts[kind]} {kind}" for kind in _LEFT_OUT if self.counts[kind]]
        return ", ".join(taught) + (f"; left out: {', '.join(left)}" if left else "")


def lesson(flag: Flag) -> str:
    """What a person's word about a flag teaches, or why nothing: a clause of :attr:`FeedbackExport.in_words`."""
    if flag.reviewed_at is None:
        return "not reviewed"
    if flag.opinion is Opinion.FAKE:
        return "confirmed" if flag.label.suspects else "missed"
    if flag.opinion is Opinion.REAL:
        if flag.label is Label.NOT_ENOUGH_EVIDENCE:
            return _SETTLED
        return "false alarms" if flag.label.suspects else "confirmed"
    return "unsure"


def write_feedback(flags: Iterable[Flag], out: Path, *, exhibits: FlagFiles) -> FeedbackExport:
    """Write the flags that somebody reviewed and called fake or real.

    Args:
        flags: others among them are counted.
        out: the folder; must not hold feedback yet.
        exhibits: where the flags' files lie.

    Raises:
        UsageError: there is feedback already, or no flag that teaches.
        OutputError: it cannot be written.
    """
    if (out / FILE_NAME).exists():
        raise UsageError(f"{out / FILE_NAME} is there already: name another folder with --out")
    counts: Counter[str] = Counter()
    rows: list[FeedbackRow] = []
    files: list[tuple[Path, PurePosixPath]] = []
    for flag in flags:
        kind, kept = lesson(flag), _file(flag, exhibits)
        if kind in _TAUGHT and kept is None:
            kind = "no picture"
        counts[kind] += 1
        if kind in _TAUGHT and kept is not None:
            rows.append(_row(flag, kept))
            files.append((kept, rows[-1].path))
    if not rows:
        raise UsageError(
            f"no flag teaches anything ({FeedbackExport(out, counts).in_words}): review some and call them fake or real"
        )
    try:
        for kept, path in files:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, out / path)
    except OSError as error:
        raise write_error(out, error) from error
    return FeedbackExport(write_rows(out, rows), counts)


def _file(flag: Flag, exhibits: FlagFiles) -> Path | None:
    """The key frame, or else the clip; None if neither is there."""
    paths = [exhibits.folder(flag.id) / name for name in (FRAME, CLIP)]
    return next((path for path in paths if path.is_file()), None)


def _row(flag: Flag, kept: Path) -> FeedbackRow:
    """The person's answer about a file that will be called ``<kind>/<source>/<flag id>``."""
    box = flag.box if kept.name == FRAME else None
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        box = None
    folder = "frames" if kept.name == FRAME else "clips"
    return FeedbackRow(
        path=PurePosixPath(folder, _source(flag), f"{flag.id}{kept.suffix}"),
        label="fake" if flag.opinion is Opinion.FAKE else "real",
        track_id=flag.track_id or None,
        box=box,
        note=": ".join(filter(None, (flag.category, flag.note))),
        user=flag.reviewed_by,
        created_at=flag.reviewed_at,
        model_id=flag.model,
        probability=flag.probability,
    )


def _source(flag: Flag) -> str:
    """A folder for each source; a file that was renamed meanwhile keeps its own."""
    if flag.source_sha256:
        return f"file-{flag.source_sha256[:16]}"
    name = _UNSAFE.sub("-", flag.source)[-_LONGEST:].strip("-")
    return f"{name}-{hashlib.sha256(flag.source.encode()).hexdigest()[:8]}".strip("-")
