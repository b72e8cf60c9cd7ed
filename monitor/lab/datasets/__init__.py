"""Data sets: records, readers, splits, prepared face crops.

Each data set has a reader, which turns the published layout into :class:`~monitor.lab.datasets.record.Record` values.
``splits`` divides the records so that no person is in two splits. ``prepare`` cuts the faces into shards, which
``faceset`` reads. Importing this package needs neither torch nor FFmpeg.
"""

from collections.abc import Callable
from pathlib import Path

from monitor.errors import UsageError
from monitor.lab.datasets.catalogue import Records
from monitor.lab.datasets.celeb_df import read_celeb_df
from monitor.lab.datasets.deeper_forensics import read_deeper_forensics
from monitor.lab.datasets.dfdc import read_dfdc, read_dfdc_preview
from monitor.lab.datasets.fake_av_celeb import read_fake_av_celeb
from monitor.lab.datasets.feedback import read_feedback
from monitor.lab.datasets.ffpp import read_ffpp
from monitor.lab.datasets.folder import LABELS, read_folder
from monitor.lab.datasets.forgery_net import read_forgery_net
from monitor.lab.datasets.manifest import read_manifest
from monitor.lab.datasets.record import FakeSpan, Record
from monitor.lab.datasets.shards import read_shards
from monitor.lab.datasets.wild_deepfake import read_wild_deepfake

Reader = Callable[[Path], list[Record]]

__all__ = ["READERS", "FakeSpan", "Record", "Records", "read"]

READERS: dict[str, Reader] = {
    "ffpp": read_ffpp,
    "celeb-df-v2": read_celeb_df,
    "dfdc": read_dfdc,
    "dfdc-preview": read_dfdc_preview,
    "deeperforensics-1.0": read_deeper_forensics,
    "fakeavceleb": read_fake_av_celeb,
    "wilddeepfake": read_wild_deepfake,
    "forgerynet": read_forgery_net,
    "folder": read_folder,
    "manifest": read_manifest,
    "shards": read_shards,
    "feedback": read_feedback,
}


def read(name: str, root: Path, *, label: str = "") -> Records:
    """The records of the data set ``name`` in ``root``, and the listed ones without a file.

    Args:
        name: a key of ``READERS``.
        root: the unpacked data set; for a manifest, the file or its folder.
        label: "real" or "fake", for a ``folder`` without class folders.

    Raises:
        UsageError: the name or label is unknown, or the data set has labels of its own.
        DatasetError: the data set is malformed.
    """
    if name not in READERS:
        raise UsageError(f"there is no reader for {name!r}: choose one of {', '.join(READERS)}")
    if not label:
        return _whole(READERS[name](root))
    if name != "folder" or label not in LABELS:
        raise UsageError(f"--label {label}: only 'folder' takes a label, and it is real or fake")
    return _whole(read_folder(root, label=label))


def _whole(found: list[Record]) -> Records:
    return found if isinstance(found, Records) else Records(found)
