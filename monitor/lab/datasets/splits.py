"""Divides records into train, val and test without leakage.

Records that share a group or an identity are *connected* and stay in one split. In some data sets all people are
connected, as each actor was swapped with others. Then one split gets all records, with a warning.
"""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.archive import inside_archive, open_archive
from monitor.lab.datasets.record import SPLITS, Record

logger = logging.getLogger(__name__)

Stratum = tuple[int, str]  # label, method


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of the records of each split.

    Raises:
        UsageError: one is negative, or they do not add up to 1.
    """

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 0 or abs(self.train + self.val + self.test - 1) > 1e-6:
            raise UsageError(
                f"the split shares {self.train:g},{self.val:g},{self.test:g} must not be negative and must add up to 1"
            )

    def of(self, split: str) -> float:
        """The share of one split."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]

    @classmethod
    def parse(cls, text: str) -> "Shares":
        """``0.8,0.1,0.1``: train, val, test.

        Raises:
            UsageError: the text is malformed.
        """
        try:
            train, val, test = (float(part) for part in text.split(","))
        except ValueError:
            raise UsageError(
                f"the split shares are {text!r}, and must be three numbers such as 0.8,0.1,0.1 (train, val, test)"
            ) from None
        return cls(train, val, test)


@dataclass(frozen=True, slots=True)
class SplitOverlap:
    """A group, identity or file in several splits."""

    name: str  # of the group or identity; for equal files, the shorter id
    splits: tuple[str, ...]
    examples: tuple[str, ...]  # a video id from each split


@dataclass(frozen=True, slots=True)
class Leakage:
    """Groups, identities and files in several splits. Records without a split are ignored."""

    groups: tuple[SplitOverlap, ...]
    identities: tuple[SplitOverlap, ...]
    files: tuple[SplitOverlap, ...] | None  # files with equal bytes; None: not compared

    def __bool__(self) -> bool:
        return bool(self.groups or self.identities or self.files)

    @property
    def in_words(self) -> str:
        """One sentence with an example."""
        counts = [
            f"{len(crossings)} {noun if len(crossings) == 1 else plural}"
            for noun, plural, crossings in self._kinds()
            if crossings
        ]
        if not counts:
            files = "files were not compared" if self.files is None else "no file is in two splits"
            return f"no group and no identity crosses splits; {files}"
        noun, _, (first, *_) = next(kind for kind in self._kinds() if kind[2])
        places = " and in ".join(
            f"{split} ({video})" for split, video in zip(first.splits, first.examples, strict=True)
        )
        return f"{' and '.join(counts)} cross splits: {noun} {first.name!r} is in {places}"

    def refuse(self) -> None:
        """Raise if anything leaks.

        Raises:
            DatasetError: a group, identity or file is in several splits.
        """
        if self:
            raise DatasetError(
                f"{self.in_words}; split anew (--resplit), or accept figures that flatter (--allow-leakage)"
            )

    def _kinds(self) -> Iterable[tuple[str, str, tuple[SplitOverlap, ...]]]:
        yield "group", "groups", self.groups
        yield "identity", "identities", self.identities
        yield "file", "files", self.files or ()


def split_records(
    records: Sequence[Record], shares: Shares | None = None, *, seed: int = 0, anew: bool = False
) -> list[Record]:
    """The same records, in the same order, each with a split.

    Published splits are kept; records that are connected to them join the same split. The rest is divided by
    connected components, the largest first, so that each (label, method) is as close to ``shares`` as possible.
    Methods with too few records for every split are pooled. The result is deterministic for a seed.

    Args:
        records: of one data set or several.
        shares: of train, val and test; default 0.8, 0.1, 0.1.
        seed: of the order of equally large components.
        anew: ignore the published splits.
    """
    shares = shares or Shares()
    records = [replace(record, split="") for record in records] if anew else list(records)
    strata = _strata(records, shares)
    totals = Counter(strata)
    filled = {split: Counter[Stratum]() for split in SPLITS}
    for record, stratum in zip(records, strata, strict=True):
        if record.split:
            filled[record.split][stratum] += 1
    loose: list[list[int]] = []
    assigned: dict[int, str] = {}
    for rows in components(records):
        published = Counter(records[row].split for row in rows if records[row].split)
        if not published:
            loose.append(rows)
            continue
        split = max(SPLITS, key=lambda name: published[name])
        for row in rows:
            if not records[row].split:
                assigned[row] = split
                filled[split][strata[row]] += 1
    order = np.random.default_rng(seed).permutation(len(loose)).tolist()
    for place in sorted(order, key=lambda place: -len(loose[place])):
        content = Counter(strata[row] for row in loose[place])
        split = _emptiest(content, filled, totals, shares=shares)
        filled[split] += content
        assigned.update(dict.fromkeys(loose[place], split))
    if records:
        _report_empty(filled, shares, loose=len(loose))
    return [replace(record, split=assigned.get(row, record.split)) for row, record in enumerate(records)]


def val_from_train(records: Sequence[Record], share: float, *, seed: int = 0) -> list[Record]:
    """The same records, with about ``share`` of the train records moved to val, in whole components.

    Raises:
        UsageError: the share is not between 0 and 1, or there is a val already.
    """
    if not 0 < share < 1:
        raise UsageError(f"--val-from-train {share:g}: it must lie between 0 and 1, such as 0.1")
    if any(record.split == "val" for record in records):
        raise UsageError(
            "--val-from-train: there is a val already; leave the option out, or split all anew with --resplit"
        )
    train = [record for record in records if record.split == "train"]
    divided = iter(split_records(train, Shares(1 - share, share, 0.0), seed=seed, anew=True))
    return [next(divided) if record.split == "train" else record for record in records]


def components(records: Sequence[Record]) -> list[list[int]]:
    """Connected components of ``records``, as lists of rows, ordered by their first row.

    Groups are compared within a data set, identities across all data sets.
    """
    parents = list(range(len(records)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    owners: dict[Hashable, int] = {}
    for row, record in enumerate(records):
        keys: list[Hashable] = [("identity", name) for name in record.identities]
        if record.group:
            keys.append(("group", record.dataset, record.group))
        for key in keys:
            one, other = sorted((root(row), root(owners.setdefault(key, row))))
            parents[other] = one
    found: dict[int, list[int]] = defaultdict(list)
    for row in range(len(records)):
        found[root(row)].append(row)
    return list(found.values())


def leakage(records: Iterable[Record], *, compare_files: bool = False) -> Leakage:
    """Find groups, identities and files in more than one split.

    Args:
        records: with splits.
        compare_files: also look for equal files (SHA-256), which reads every byte of the data set.

    Raises:
        DatasetError: a file cannot be read for the comparison.
    """
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    identities: dict[str, dict[str, str]] = defaultdict(dict)
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for record in records:
        if not record.split:
            continue
        names = [(groups, f"{record.dataset}:{record.group}")] if record.group else []
        names += [(identities, name) for name in record.identities]
        if compare_files:
            names.append((files, _digest(record)))
        for table, name in names:
            table[name].setdefault(record.split, record.video_id)
    same = [SplitOverlap(min(one.examples), one.splits, one.examples) for one in _crossings(files)]
    return Leakage(_crossings(groups), _crossings(identities), tuple(same) if compare_files else None)


def _strata(records: Sequence[Record], shares: Shares) -> list[Stratum]:
    """Stratum of each record: (label, method), or only the label if a method cannot fill the smallest split."""
    counts = Counter((record.label, record.method) for record in records)
    least = min(share for split in SPLITS if (share := shares.of(split)) > 0)
    fine = {stratum for stratum, count in counts.items() if count * least >= 1}
    own = [(record.label, record.method) for record in records]
    return [stratum if stratum in fine else (stratum[0], "") for stratum in own]


def _emptiest(
    content: Counter[Stratum],
    filled: Mapping[str, Counter[Stratum]],
    totals: Counter[Stratum],
    *,
    shares: Shares,
) -> str:
    """The split for a component that minimises the squared deviation from the shares, over all strata."""

    def deviation(split: str, stratum: Stratum) -> float:
        lacking = filled[split][stratum] - shares.of(split) * totals[stratum]
        return ((lacking + content[stratum]) ** 2 - lacking**2) / totals[stratum]

    wanted = [split for split in SPLITS if shares.of(split) > 0]
    return min(wanted, key=lambda split: sum(deviation(split, stratum) for stratum in content))


def _report_empty(filled: Mapping[str, Counter[Stratum]], shares: Shares, *, loose: int) -> None:
    empty = [split for split in SPLITS if shares.of(split) > 0 and not filled[split].total()]
    if empty and loose:
        logger.warning(
            "no record is left for %s: the %d sets of connected people cannot be divided so", " and ".join(empty), loose
        )
    elif empty:
        way = "; --val-from-train 0.1 takes it out of train" if "val" in empty and filled["train"].total() else ""
        logger.warning("no record is in %s: the published splits have none%s", " and ".join(empty), way)


def _crossings(places: Mapping[str, Mapping[str, str]]) -> tuple[SplitOverlap, ...]:
    return tuple(
        SplitOverlap(
            name, splits := tuple(split for split in SPLITS if split in at), tuple(at[split] for split in splits)
        )
        for name, at in sorted(places.items())
        if len(at) > 1
    )


def _digest(record: Record) -> str:
    """SHA-256 of a record's file, or of all its members in an archive."""
    digest = hashlib.sha256()
    place = inside_archive(record.path)
    if place is not None:
        archive = open_archive(place[0])
        for name in archive.below(place[1]):
            digest.update(archive.read(name))
        return digest.hexdigest()
    try:
        with record.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{record.path} cannot be compared with the others: {error.strerror or error}") from None
