"""Exports reviewed flags as training data for the laboratory (``monitor.lab.datasets.feedback``).

A flag contributes its key frame, with an exact box and moment. A flag without a key frame contributes its clip, without
a box. The frames of one source are in one folder, which the laboratory assigns to one split.
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
_REAL_BUT_UNDECIDED: Final = "real where the program was undecided"
_USED: Final = ("false alarms", "missed", "confirmed", _REAL_BUT_UNDECIDED)
_SKIPPED: Final = ("unsure", "not reviewed", "no picture")
_LONGEST: Final = 40  # characters of a folder's name


@dataclass(frozen=True, slots=True)
class FeedbackExport:
    """A written feedback folder."""

    table: Path
    counts: Counter[str]  # flags by kind, see :func:`classify_flag`; "no picture": the files no longer exist

    @property
    def in_words(self) -> str:
        """One line: ``2 false alarms, 1 missed, 4 confirmed; left out: 1 unsure``."""
        used = [f"{self.counts[kind]} {kind}" for kind in _USED if self.counts[kind] or kind != _REAL_BUT_UNDECIDED]
        skipped = [f"{self.counts[kind]} {kind}" for kind in _SKIPPED if self.counts[kind]]
        return ", ".join(used) + (f"; left out: {', '.join(skipped)}" if skipped else "")


def classify_flag(flag: Flag) -> str:
    """The kind of a flag, by its label and the person's opinion: a clause of :attr:`FeedbackExport.in_words`."""
    if flag.reviewed_at is None:
        return "not reviewed"
    if flag.opinion is Opinion.FAKE:
        return "confirmed" if flag.label.suspects else "missed"
    if flag.opinion is Opinion.REAL:
        if flag.label is Label.NOT_ENOUGH_EVIDENCE:
            return _REAL_BUT_UNDECIDED
        return "false alarms" if flag.label.suspects else "confirmed"
    return "unsure"


def write_feedback(flags: Iterable[Flag], out: Path, *, exhibits: FlagFiles) -> FeedbackExport:
    """Writes the flags that a person called fake or real.

    Args:
        flags: all flags; the others are only counted.
        out: the folder; must not contain feedback yet.

    Raises:
        UsageError: the folder contains feedback already, or no flag is usable.
        OutputError: the folder cannot be written, or the files of the flags cannot be read.
    """
    if (out / FILE_NAME).exists():
        raise UsageError(f"{out / FILE_NAME} exists already: choose another folder with --out")
    counts: Counter[str] = Counter()
    rows: list[FeedbackRow] = []
    files: list[tuple[str, str, PurePosixPath]] = []
    for flag in flags:
        kind = classify_flag(flag)
        name = _find_file(flag, exhibits) if kind in _USED else None
        if kind in _USED and name is None:
            kind = "no picture"
        counts[kind] += 1
        if name is not None:
            rows.append(_row(flag, name))
            files.append((flag.id, name, rows[-1].path))
    if not rows:
        raise UsageError(
            f"no flag is usable as feedback ({FeedbackExport(out, counts).in_words}): review some as fake or real"
        )
    try:
        for flag_id, name, path in files:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(exhibits.path(flag_id, name), out / path)
    except OSError as error:
        raise write_error(out, error) from error
    return FeedbackExport(write_rows(out, rows), counts)


def _find_file(flag: Flag, exhibits: FlagFiles) -> str | None:
    """The name of the key frame, or else of the clip; None if neither exists."""
    existing = exhibits.names(flag.id)
    return next((name for name in (FRAME, CLIP) if name in existing), None)


def _row(flag: Flag, name: str) -> FeedbackRow:
    """The person's answer about a file, to be copied to ``<kind>/<source>/<flag id>``."""
    box = flag.box if name == FRAME else None
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        box = None
    folder = "frames" if name == FRAME else "clips"
    return FeedbackRow(
        path=PurePosixPath(folder, _source(flag), f"{flag.id}{Path(name).suffix}"),
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
    """The folder name of a source; it stays the same after a file was renamed."""
    if flag.source_sha256:
        return f"file-{flag.source_sha256[:16]}"
    name = _UNSAFE.sub("-", flag.source)[-_LONGEST:].strip("-")
    return f"{name}-{hashlib.sha256(flag.source.encode()).hexdigest()[:8]}".strip("-")
