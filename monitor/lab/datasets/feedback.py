"""Flagged faces as a data set.

A feedback folder holds ``feedback.csv`` (UTF-8, with a header row) and the pictures or clips that it names::

    path,label,track_id,start,end,x1,y1,x2,y2,note,user,created_at,model_id,probability

- ``path``: a picture or clip inside the folder, relative, with forward slashes. Files of one source share a
  folder (``clips/<source>/<name>.mp4``), which is a group that stays in one split.
- ``label``: ``real``, ``fake``, or ``unsure``. Unsure answers are kept and counted, but not used.
- ``track_id``: the monitor's id of the face; ``x1 y1 x2 y2``: its box, pixels of the file's own frame.
- ``start,end``: the labelled span of the clip, seconds of media time; empty: the whole clip.
- ``created_at``: ISO 8601 with a time zone. ``model_id, probability``: the monitor's model and P(fake).

``path`` and ``label`` are required, the other columns may be absent or empty. Only a person's newest answer about the
same file, face and span counts. Files with contradictory answers of different people are *disputed*: counted and left
out. There is one record per flagged face. Answers without ``track_id`` are about the same face if their boxes overlap.
If several faces of a file were flagged, answers without a box are ambiguous: counted and left out. Text that a
spreadsheet would run as a formula is written with a leading apostrophe, which is removed on reading.
"""

import csv
import io
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, get_args

from monitor.errors import DatasetError
from monitor.lab.datasets.answers import FeedbackLabel, FeedbackRow, contradictory, faces_in, newest
from monitor.lab.datasets.record import FakeSpan, FlaggedFace, Record
from monitor.system.files import write_whole

logger = logging.getLogger(__name__)

FILE_NAME: Final = "feedback.csv"
MAX_ROWS: Final = 200_000
MAX_TEXT: Final = 4000  # characters of one cell
_FORMULA = ("=", "+", "-", "@")
_GROUP_DEPTH = 2  # folders above a file, from which on the innermost one is its source
_LONGEST_SIDE = 65_536  # pixels


@dataclass(frozen=True, slots=True)
class Feedback:
    """The contents of a feedback folder, and the answers that were left out."""

    records: tuple[Record, ...]  # one per flagged face
    rows: tuple[FeedbackRow, ...]  # the answers used in the records
    unsure: int  # answers
    superseded: int  # answers replaced later by the same person
    disputed: tuple[str, ...]  # files with contradictory answers or spans
    unplaced: int = 0  # answers without a box about a file with several faces

    @property
    def in_words(self) -> str:
        """Summary, for example ``12 faces (5 fake), 3 unsure answers left out``."""
        fakes = sum(record.label for record in self.records)
        parts = [f"{len(self.records)} faces ({fakes} fake)"]
        if self.unsure:
            parts.append(f"{self.unsure} unsure answers left out")
        if self.superseded:
            parts.append(f"{self.superseded} replaced by a newer answer")
        if self.unplaced:
            parts.append(f"{self.unplaced} answers left out that name one of several faces without its box")
        if self.disputed:
            parts.append(f"{len(self.disputed)} files disputed and left out, such as {self.disputed[0]}")
        return ", ".join(parts)


COLUMNS: Final = tuple(
    name
    for field in fields(FeedbackRow)
    for name in (("x1", "y1", "x2", "y2") if field.name == "box" else (field.name,))
)


def read_feedback(root: Path) -> list[Record]:
    """The records of a feedback folder; left-out answers are logged.

    Raises:
        DatasetError: see :func:`open_feedback`, or no usable answer is left.
    """
    feedback = open_feedback(root)
    if not feedback.records:
        raise DatasetError(f"{root / FILE_NAME} teaches nothing: {feedback.in_words}; label some files real or fake")
    if feedback.unsure or feedback.superseded or feedback.disputed or feedback.unplaced:
        logger.warning("%s: %s", root / FILE_NAME, feedback.in_words)
    return list(feedback.records)


def open_feedback(root: Path) -> Feedback:
    """Read a feedback folder.

    Raises:
        DatasetError: ``feedback.csv`` is missing or malformed, or a row is malformed or names a file that is
            missing or outside the folder.
    """
    rows = read_rows(root)
    current, superseded = newest(rows)
    by_path: dict[PurePosixPath, list[FeedbackRow]] = defaultdict(list)
    for row in current:
        if row.label != "unsure":
            by_path[row.path].append(row)
    disputed = [path for path, answers in by_path.items() if contradictory(answers)]
    for path in disputed:
        del by_path[path]
    ids = _video_ids(by_path)
    records: list[Record] = []
    taught: list[FeedbackRow] = []
    unplaced = 0
    for path, answers in by_path.items():
        faces = faces_in(answers)
        for number, face in enumerate(faces, 1):
            if len(faces) > 1 and not any(row.box for row in face):
                unplaced += len(face)
                continue
            records.append(_record(root, ids[path], face, number=number if len(faces) > 1 else None))
            taught += (row for row in face if row not in taught)
    return Feedback(
        records=tuple(records),
        rows=tuple(taught),
        unsure=sum(row.label == "unsure" for row in current),
        superseded=superseded,
        disputed=tuple(str(path) for path in disputed),
        unplaced=unplaced,
    )


def read_rows(root: Path) -> list[FeedbackRow]:
    """Every row of ``feedback.csv`` in ``root``, validated, in order.

    Raises:
        DatasetError: see :func:`open_feedback`.
    """
    table = root / FILE_NAME
    rows = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            for number, cells in _cells(csv.reader(file, strict=True), table):
                rows.append(_parsed(cells, f"{table} row {number}", root=root.resolve()))
                if len(rows) > MAX_ROWS:
                    raise DatasetError(f"{table} has more than {MAX_ROWS} rows: split it into several folders")
    except FileNotFoundError:
        raise DatasetError(
            f"{table} does not exist: a feedback folder holds {FILE_NAME} and the files that it names"
        ) from None
    except OSError as error:
        raise DatasetError(f"{table} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} is no CSV table in UTF-8: {error}") from None
    return rows


def write_rows(root: Path, rows: Iterable[FeedbackRow]) -> Path:
    """Write ``feedback.csv`` in ``root`` atomically; the caller writes the files that it names.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_written(row) for row in rows)
    table = root / FILE_NAME
    write_whole(table, text.getvalue())
    return table


def _cells(lines: Iterator[list[str]], table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and cells by column of every non-empty row."""
    header = [name.strip() for name in next(lines, [])]
    missing = [name for name in ("path", "label") if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        wrong = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(map(repr, unknown)) or 'a column twice'}"
        raise DatasetError(
            f"the header of {table} {wrong[:200]}: its columns are {','.join(COLUMNS)}, of which path and label must be"
        )
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != len(header):
            raise DatasetError(
                f"{table} row {number} has {len(line)} cells, its header has {len(header)}: quote cells with commas"
            )
        yield number, dict(zip(header, (cell.strip() for cell in line), strict=True))


def _parsed(cells: dict[str, str], where: str, *, root: Path) -> FeedbackRow:
    for name, cell in cells.items():
        if len(cell) > MAX_TEXT or "\0" in cell:
            raise DatasetError(f"{where}: {name} holds more than {MAX_TEXT} characters, or a NUL: shorten it")
    label = cells["label"].lower()
    if label not in get_args(FeedbackLabel):
        raise DatasetError(f"{where}: the label is {cells['label'][:40]!r}, and must be real, fake or unsure")
    start, end = _numbers(cells, ("start", "end"), where, limit=1e9) or (None, None)
    box = _numbers(cells, ("x1", "y1", "x2", "y2"), where, limit=_LONGEST_SIDE)
    if start is not None and end is not None and not 0 <= start < end:
        raise DatasetError(f"{where}: the span runs from {start:g} to {end:g} s, and must have 0 <= start < end")
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise DatasetError(
            f"{where}: the box is {', '.join(f'{edge:g}' for edge in box)}, and must have x1 < x2 and y1 < y2"
        )
    (probability,) = _numbers(cells, ("probability",), where, limit=1.0) or (None,)
    if probability is not None and probability < 0:
        raise DatasetError(f"{where}: the probability is {probability:g}, and must lie within 0 and 1")
    return FeedbackRow(
        path=_inside(_plain(cells["path"]), where, root=root),
        label=label,  # type: ignore[arg-type] # checked above
        track_id=_track(cells.get("track_id", ""), where),
        start=start,
        end=end,
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        note=_plain(cells.get("note", "")),
        user=_plain(cells.get("user", "")),
        created_at=_time(cells.get("created_at", ""), where),
        model_id=_plain(cells.get("model_id", "")),
        probability=probability,
    )


def _inside(text: str, where: str, *, root: Path) -> PurePosixPath:
    """The path of a file, checked to be inside the folder."""
    path = PurePosixPath(text.replace("\\", "/"))
    try:
        whole = (root / path).resolve()
        there = whole.is_file()
    except (OSError, ValueError, RuntimeError):  # an invalid name, or a cycle of links
        whole, there = root, False
    if not text or path.is_absolute() or ".." in path.parts or not whole.is_relative_to(root):
        raise DatasetError(
            f"{where}: the path {text[:80]!r} leads out of the folder: name a file inside it, relative to it"
        )
    if not there:
        raise DatasetError(f"{where}: there is no file {text[:80]!r} in the folder: copy it there, or remove the row")
    return path


def _numbers(cells: dict[str, str], names: Sequence[str], where: str, *, limit: float) -> tuple[float, ...] | None:
    """Finite numbers of at most ``limit``; None if all cells are empty."""
    texts = [cells.get(name, "") for name in names]
    if not any(texts):
        return None
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        numbers = (math.nan,)
    if not all(math.isfinite(number) and abs(number) <= limit for number in numbers):
        wanted = "a finite number" if len(names) == 1 else "finite numbers, all of them or none"
        raise DatasetError(
            f"{where}: {','.join(names)} is {','.join(texts)[:60]!r}, and must be {wanted}, {limit:g} at most"
        )
    return numbers


def _track(text: str, where: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 18 and int(text) > 0):
        raise DatasetError(f"{where}: the track id is {text[:40]!r}, and must be a whole number above 0")
    return int(text)


def _time(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise DatasetError(
            f"{where}: created_at is {text[:40]!r}, and must be ISO 8601 with a time zone, as 2026-01-31T12:00:00+00:00"
        )
    return moment


def _video_ids(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Relative paths without suffix, or with it if two files differ only in the suffix."""
    stems = {path: str(path.with_suffix("")) for path in paths}
    counts = Counter(stems.values())
    return {path: stem if counts[stem] == 1 else str(path) for path, stem in stems.items()}


def _record(root: Path, file_id: str, answers: Sequence[FeedbackRow], *, number: int | None) -> Record:
    """The record of one face: fake if any answer says so, in the spans of those answers.

    Args:
        root: the feedback folder.
        file_id: id of the file, and of the record if ``number`` is None.
        answers: about that face.
        number: of the face among the flagged faces of this file.
    """
    path = answers[0].path
    fakes = [row for row in answers if row.label == "fake"]
    spans = [FakeSpan(row.start, row.end) for row in fakes if row.start is not None and row.end is not None]
    folders = path.parts[:-1]
    return Record(
        dataset="feedback",
        video_id=file_id if number is None else f"{file_id}/face-{number}",
        path=root / path,
        label=int(bool(fakes)),
        method="flagged" if fakes else "",
        group="/".join(folders) if len(folders) >= _GROUP_DEPTH else file_id,
        spans=tuple(sorted(spans, key=lambda span: span.start)) if spans and len(spans) == len(fakes) else None,
        flagged=_flagged(fakes or answers),
    )


def _flagged(answers: Sequence[FeedbackRow]) -> tuple[FlaggedFace, ...]:
    """Boxes and times of the face, from the answers with a box if there are any."""
    told = [row for row in answers if row.box is not None] or answers
    if all(row.box is None and row.start is None for row in told):
        return ()
    return tuple(
        FlaggedFace(row.box) if row.start is None or row.end is None else FlaggedFace(row.box, row.start, row.end)
        for row in told
    )


def _written(row: FeedbackRow) -> list[str]:
    created = "" if row.created_at is None else row.created_at.isoformat()
    numbers = [row.track_id, row.start, row.end, *(row.box or (None,) * 4)]
    return [
        _quoted(str(row.path)),
        row.label,
        *("" if number is None else repr(number) for number in numbers),
        *(_quoted(text.replace("\0", "").strip()[: MAX_TEXT - 1]) for text in (row.note, row.user)),
        created,
        _quoted(row.model_id.strip()),
        "" if row.probability is None else repr(row.probability),
    ]


def _quoted(text: str) -> str:
    """Text that a spreadsheet does not run as a formula."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "'")) else text
