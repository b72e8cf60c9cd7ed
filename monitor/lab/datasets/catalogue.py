"""What a reader has found so far: records with unique ids, and the entries that had no file."""

from __future__ import annotations

import csv
import io
import json
import logging
from typing import TYPE_CHECKING, Any

from monitor.errors import DatasetError
from monitor.lab.datasets.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"])
IMAGE_SUFFIXES = frozenset([".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])


class Catalogue:
    """The records of one data set under one root, in the order in which they were added.

    Raises:
        DatasetError: the root is not a folder.
    """

    def __init__(self, dataset: str, root: Path) -> None:
        if not root.is_dir():
            msg = f"{root} is not a folder: name the one that {dataset} was unpacked into"
            raise DatasetError(msg)
        self.dataset = dataset
        self.root = root
        self._records: dict[str, Record] = {}
        self._missing: list[str] = []

    def __len__(self) -> int:
        return len(self._records)

    def id_of(self, path: Path) -> str:
        """The path below the root, without suffix: ``Celeb-real/id0_0000``."""
        return path.relative_to(self.root).with_suffix("").as_posix()

    def add(self, path: Path, label: int, **facts: Any) -> None:  # noqa: ANN401 - Record's own fields
        """One more record; ``facts`` are further fields of :class:`Record`.

        Two files that differ in their suffix only keep it in their ids.

        Raises:
            DatasetError: the id is taken by the same file, or a field is wrong.
        """
        video_id = facts.pop("video_id", None) or self.id_of(path)
        if video_id in self._records:
            if self._records[video_id].path == path or video_id + path.suffix in self._records:
                msg = f"{path} is listed twice in {self.dataset}; remove one of the entries"
                raise DatasetError(msg)
            video_id += path.suffix
        facts.setdefault("group", video_id)
        self._records[video_id] = Record(dataset=self.dataset, video_id=video_id, path=path, label=label, **facts)

    def miss(self, entry: str) -> None:
        """A list names this, and there is no such file."""
        self._missing.append(entry)

    def add_listed(self, path: Path, label: int, **facts: Any) -> None:  # noqa: ANN401 - the same
        """``add`` if the file is there, else ``miss``."""
        if path.is_file():
            self.add(path, label, **facts)
        else:
            self.miss(path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path))

    def finish(self, expected: str, *, one_class: bool = False) -> list[Record]:
        """All records, once what is odd about them has been logged.

        Args:
            expected: what should lie under the root, in a few words.
            one_class: the data set is meant to hold only real or only fake material.

        Raises:
            DatasetError: there are none.
        """
        if not self._records:
            lost = f", and none of the {len(self._missing)} listed files is there" if self._missing else ""
            msg = f"{self.root} holds no record of {self.dataset}{lost}: expected {expected}"
            raise DatasetError(msg)
        if self._missing:
            logger.warning(
                "%s: %d of %d listed files are missing, the first is %s; they are left out",
                *(self.dataset, len(self._missing), len(self._missing) + len(self._records), self._missing[0]),
            )
        found = {record.label for record in self._records.values()}
        if len(found) == 1 and not one_class:
            kind = "fake" if found == {1} else "real"
            logger.warning("%s: every one of the %d records is %s", self.dataset, len(self._records), kind)
        return list(self._records.values())


def media_below(folder: Path, suffixes: Iterable[str] = VIDEO_SUFFIXES) -> list[Path]:
    """Files with one of these suffixes in ``folder`` and below it, hidden ones apart, in order of their paths."""
    wanted = frozenset(suffixes)
    found = [path for path in folder.rglob("*") if path.suffix.lower() in wanted and path.is_file()]
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def lines_of(path: Path, *, holds: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank.

    Raises:
        DatasetError: the file is missing or no text; ``holds`` says what it should have listed.
    """
    for number, line in enumerate(_text(path, holds=holds).split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def table_of(path: Path, *, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row of a CSV file, whose first line must name ``columns``.

    Raises:
        DatasetError: the file is missing, a column is, or a row has more cells than there are columns.
    """
    reader = csv.DictReader(io.StringIO(_text(path, holds="a table"), newline=""), restval="")
    lacking = [name for name in columns if name not in (reader.fieldnames or ())]
    if lacking:
        msg = f"{path} has no column {lacking[0]!r}: its first line must name {', '.join(columns)}"
        raise DatasetError(msg)
    for row in reader:
        if None in row:
            msg = f"{path}, line {reader.line_num}: more cells than columns; quote a cell that holds a comma"
            raise DatasetError(msg)
        yield reader.line_num, {name: cell.strip() for name, cell in row.items()}


def json_of(path: Path, *, holds: str) -> Any:  # noqa: ANN401 - whatever was written
    """A parsed JSON file.

    Raises:
        DatasetError: it is missing or no JSON; ``holds`` says what it should have held.
    """
    try:
        return json.loads(_text(path, holds=holds))
    except json.JSONDecodeError as error:
        msg = f"{path} is not valid JSON ({error}): fetch it again"
        raise DatasetError(msg) from None


def _text(path: Path, *, holds: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg = f"{path} is missing: it holds {holds}; fetch it with the data set"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
    raise DatasetError(msg)
