"""Collects the records of a reader, with unique ids, and the listed entries without a file."""

import csv
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from monitor.errors import DatasetError
from monitor.lab.datasets.record import Record

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"])
IMAGE_SUFFIXES = frozenset([".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])


class Records(list[Record]):
    """The records of a data set, and the listed ones whose files are missing or cannot be opened."""

    def __init__(self, records: Iterable[Record] = (), *, missing: Iterable[Record] = ()) -> None:
        super().__init__(records)
        self.missing = tuple(missing)


class Catalogue:
    """The records of one data set in one root folder, in order of addition.

    Raises:
        DatasetError: the root is not a folder.
    """

    def __init__(self, dataset: str, root: Path) -> None:
        if not root.is_dir():
            raise DatasetError(f"{root} is not a folder: name the one that {dataset} was unpacked into")
        self.dataset = dataset
        self.root = root
        self._records: dict[str, Record] = {}
        self._missing: dict[str, Record] = {}
        self._why: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._records)

    def id_of(self, path: Path) -> str:
        """The path relative to the root, without suffix: ``Celeb-real/id0_0000``."""
        return path.relative_to(self.root).with_suffix("").as_posix()

    def add(self, path: Path, label: int, **facts: Any) -> None:  # noqa: ANN401 - Record's own fields
        """Add a record; ``facts`` are further fields of :class:`Record`.

        If two files differ only in the suffix, their ids include it.

        Raises:
            DatasetError: the file is already added, or a field is invalid.
        """
        video_id = facts.pop("video_id", None) or self.id_of(path)
        if video_id in self._records:
            if self._records[video_id].path == path or video_id + path.suffix in self._records:
                raise DatasetError(f"{path} is listed twice in {self.dataset}; remove one of the entries")
            video_id += path.suffix
        facts.setdefault("group", video_id)
        self._records[video_id] = Record(dataset=self.dataset, video_id=video_id, path=path, label=label, **facts)

    def miss(self, path: Path, label: int, *, why: str = "missing", **facts: Any) -> None:  # noqa: ANN401 - the same
        """Add a listed record without a usable file; ``why`` is the reason."""
        video_id = facts.pop("video_id", None)
        if video_id is None:
            video_id = self.id_of(path) if path.is_relative_to(self.root) else str(path)
        facts.setdefault("group", video_id)
        self._missing[video_id] = Record(dataset=self.dataset, video_id=video_id, path=path, label=label, **facts)
        self._why[why] += 1

    def add_listed(self, path: Path, label: int, **facts: Any) -> None:  # noqa: ANN401 - the same
        """Call ``add`` if the file exists, else ``miss``.

        Raises:
            DatasetError: the file name is invalid; or see ``add``.
        """
        try:
            there = path.is_file()
        except (OSError, ValueError):
            raise DatasetError(
                f"a list of {self.dataset} names {str(path)[:80]!r}..., and no file can be called so; mend the list"
            ) from None
        (self.add if there else self.miss)(path, label, **facts)

    def finish(self, expected: str, *, one_class: bool = False) -> Records:
        """Log warnings about the records, and return them.

        Args:
            expected: short description of the expected files.
            one_class: the data set may have only one class.

        Raises:
            DatasetError: there are no records.
        """
        if not self._records:
            lost = f", and none of the {len(self._missing)} listed files is there" if self._missing else ""
            raise DatasetError(f"{self.root} holds no record of {self.dataset}{lost}: expected {expected}")
        if self._missing:
            total, first = len(self._missing) + len(self._records), next(iter(self._missing.values())).path
            name = first.relative_to(self.root).as_posix() if first.is_relative_to(self.root) else str(first)
            logger.warning(
                "%s: %d of %d listed files are %s, the first is %s; they are left out",
                *(self.dataset, len(self._missing), total, " or ".join(sorted(self._why, reverse=True)), name),
            )
        found = {record.label for record in self._records.values()}
        if len(found) == 1 and not one_class:
            kind = "fake" if found == {1} else "real"
            logger.warning("%s: every one of the %d records is %s", self.dataset, len(self._records), kind)
        return Records(self._records.values(), missing=self._missing.values())


def media_below(folder: Path, suffixes: Iterable[str] = VIDEO_SUFFIXES) -> list[Path]:
    """Files with one of these suffixes in ``folder`` and its subfolders, without hidden ones, ordered by path."""
    wanted = frozenset(suffixes)
    found = [path for path in folder.rglob("*") if path.suffix.lower() in wanted and path.is_file()]
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def inside(folder: Path, name: str, where: str) -> Path:
    """The file ``name`` in ``folder`` or its subfolders.

    Raises:
        DatasetError: the name leaves the folder or is invalid; ``where`` is its origin, for the message.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or "\0" in name or path.is_absolute() or ".." in path.parts or path.parts[0][1:2] == ":":
        raise DatasetError(f"{where}: the path {name[:80]!r} leads out of the data set; fetch the list again")
    return folder / path


def lines_of(path: Path, *, holds: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each non-blank line.

    Raises:
        DatasetError: the file is missing or not text; ``holds`` describes its purpose.
    """
    for number, line in enumerate(_text(path, holds=holds).split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def table_of(path: Path, *, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and cells of each row of a CSV file; its header must contain ``columns``.

    Raises:
        DatasetError: the file is missing or not a table, a column is missing, or a row is too long.
    """
    reader = csv.DictReader(io.StringIO(_text(path, holds="a table"), newline=""), restval="")
    try:
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        if lacking:
            raise DatasetError(f"{path} has no column {lacking[0]!r}: its first line must name {', '.join(columns)}")
        for row in reader:
            if None in row:
                raise DatasetError(
                    f"{path}, line {reader.line_num}: more cells than columns; quote a cell that holds a comma"
                )
            yield reader.line_num, {name: cell.strip() for name, cell in row.items()}
    except csv.Error as error:
        raise DatasetError(
            f"{path}, line {reader.line_num}: no table of cells ({error}); is a quotation mark missing?"
        ) from None


def json_of(path: Path, *, holds: str) -> Any:  # noqa: ANN401 - any JSON value
    """A parsed JSON file.

    Raises:
        DatasetError: it is missing or not JSON; ``holds`` describes its purpose.
    """
    try:
        return json.loads(_text(path, holds=holds))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not valid JSON ({error}): fetch it again") from None


def _text(path: Path, *, holds: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg = f"{path} is missing: it holds {holds}; fetch it with the data set"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
    raise DatasetError(msg)
