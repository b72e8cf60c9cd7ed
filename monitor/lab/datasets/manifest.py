"""Manifest: a CSV file of videos and pictures, ``path,label[,split,method,identity,group,start,end]``.

Paths are relative to the manifest. Labels are ``real`` or ``fake``, ``0`` or ``1`` (1 = fake). A row with
``start,end`` (seconds) marks a fake span; several rows give several spans. Other rows may mark the rest of the file
as real, without overlap. A file without a fake row is entirely real, so its row has no ``start,end``. Several
identities are separated by semicolons.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, table_of
from monitor.lab.datasets.record import FakeSpan, Record

FILE_NAME = "manifest.csv"
_LABELS = {"real": 0, "0": 0, "fake": 1, "1": 1}
_KINDS = ("real", "fake")
_KNOWN = ("path", "label", "split", "method", "identity", "group", "start", "end")
_Row = dict[str, str]


def read_manifest(root: Path) -> list[Record]:
    """The records of a manifest, or of the ``manifest.csv`` in a folder.

    Raises:
        DatasetError: it is missing, a column or label is unknown, rows of one file contradict each other, or no
            listed file is there.
    """
    path = root / FILE_NAME if root.is_dir() else root
    rows: dict[str, list[tuple[int, _Row]]] = defaultdict(list)
    for number, row in table_of(path, columns=("path", "label")):
        unknown = [name for name in row if name not in _KNOWN]
        if unknown:
            raise DatasetError(f"{path} has an unknown column {unknown[0]!r}: the columns are {', '.join(_KNOWN)}")
        rows[row["path"]].append((number, row))
    folder = path.parent
    catalogue = Catalogue(folder.resolve().name if path.name == FILE_NAME else path.stem, folder)
    for name, entries in rows.items():
        _add(catalogue, name, entries, table=path)
    return catalogue.finish(f"the files that {path.name} names")


def _add(catalogue: Catalogue, name: str, entries: list[tuple[int, _Row]], *, table: Path) -> None:
    number, first = entries[0]
    where = f"{table}, line {number}"
    if not name:
        raise DatasetError(f"{where}: the path is empty")
    for column in ("split", "method", "identity", "group"):
        if len({row.get(column, "") for _, row in entries}) > 1:
            raise DatasetError(f"{where}: the rows of {name} differ in their {column}; make them agree")
    label, spans = _label(entries, name, table=table)
    facts = {key: first[key] for key in ("split", "group") if first.get(key)}
    facts["method"] = first.get("method", "") if label else ""
    people = tuple(one.strip() for one in first.get("identity", "").split(";") if one.strip())
    video_id = PurePosixPath(name).with_suffix("").as_posix()  # a manifest may list files outside its folder
    catalogue.add_listed(table.parent / name, label, video_id=video_id, identities=people, spans=spans, **facts)


def _label(entries: list[tuple[int, _Row]], name: str, *, table: Path) -> tuple[int, tuple[FakeSpan, ...] | None]:
    """The file's label and its fake spans, if every fake row has a span."""
    labels: list[int] = []
    spans: tuple[list[FakeSpan], list[FakeSpan]] = ([], [])  # real, fake
    for number, row in entries:
        where = f"{table}, line {number}"
        label = _LABELS.get(row["label"].lower())
        if label is None:
            raise DatasetError(f"{where}: the label is {row['label']!r}, and must be real, fake, 0 (real) or 1 (fake)")
        span = _span(row, where)
        if span is None and len(entries) > 1:
            raise DatasetError(f"{where}: {name} has several rows, so each needs start and end; or is it listed twice?")
        labels.append(label)
        if span is not None:
            spans[label].append(span)
    reals, fakes = spans
    where = f"{table}, line {entries[0][0]}"
    if reals and not fakes:
        raise DatasetError(
            f"{where}: {name} is called real in a part, which says nothing of the rest; leave start and end empty"
        )
    both = next(((r, f) for r in reals for f in fakes if r.start < f.end and f.start < r.end), None)
    if both:
        spoken = " and ".join(
            f"{kind} from {one.start:g} to {one.end:g} s" for kind, one in zip(_KINDS, both, strict=True)
        )
        raise DatasetError(f"{where}: {name} is called {spoken}, which overlap; make them agree")
    return max(labels), tuple(sorted(fakes, key=lambda one: one.start)) or None


def _span(row: _Row, where: str) -> FakeSpan | None:
    texts = row.get("start", ""), row.get("end", "")
    if not any(texts):
        return None
    try:
        return FakeSpan(float(texts[0]), float(texts[1]))
    except ValueError:
        raise DatasetError(
            f"{where}: start and end are {texts[0]!r} and {texts[1]!r}, and must both be seconds"
        ) from None
