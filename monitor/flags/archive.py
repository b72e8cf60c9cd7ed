"""All that is kept of flags in one place: the database and the folders of files, and what is done to both together."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import platformdirs

from monitor.errors import FlagNotFoundError, MonitorError
from monitor.flags import bundle
from monitor.flags.bundle import ExportedBundle
from monitor.flags.database import FlagStore
from monitor.flags.files import CLIP, FlagFiles
from monitor.flags.queries import FlagQuery
from monitor.flags.retention import RetentionClass, RetentionPlan, planned
from monitor.system.files import write_error
from monitor.types import ClipState, Flag, FlagFile

if TYPE_CHECKING:
    from monitor.settings import EvidenceSettings

_PAGE = 500  # flags read at a time


def default_folder() -> Path:
    """Where flags are kept unless the settings say otherwise: the user's data folder on this system."""
    return platformdirs.user_data_path("deepfake-monitor", appauthor=False) / "evidence"


class FlagArchive:
    """The flags of one folder, and of the database that belongs to it.

    Args:
        folder: ``files/`` in it belongs to the flags; ``flags.db`` is the database, unless ``url`` names another.
        url: SQLAlchemy's.

    Raises:
        StoreError: the database cannot be opened.
    """

    def __init__(self, folder: Path, *, url: str = "") -> None:
        self.folder = folder
        self.store = FlagStore.open(url or f"sqlite:///{folder / 'flags.db'}")
        self.exhibits = FlagFiles(folder / "files")

    @classmethod
    def open(cls, settings: EvidenceSettings) -> Self:
        """The archive that the settings name.

        Raises:
            StoreError: the database cannot be opened.
        """
        return cls(settings.folder or default_folder(), url=settings.database.get_secret_value())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def every(self, query: FlagQuery) -> Iterator[Flag]:
        """The flags that a query is about, in its order, however many."""
        offset = 0
        while page := self.store.find(query, limit=_PAGE, offset=offset):
            yield from page
            offset += len(page)

    def add(self, flag: Flag, files: Mapping[str, bytes]) -> Flag:
        """Keep a new flag with its first files; on return both survive the process and the machine.

        Returns:
            The flag, its files recorded.

        Raises:
            OutputError: the files cannot be written; nothing was kept.
            StoreError: the flag cannot be written; nothing was kept.
        """
        flag = replace(flag, exhibits=self.exhibits.keep(flag.id, files))
        try:
            self.store.add(flag, actor=flag.reporter)
        except MonitorError:
            self.exhibits.remove(flag.id)
            raise
        return flag

    def add_clip(self, flag_id: str, write: Callable[[Path], object]) -> Flag:
        """Keep the clip of a flag, or why there is none.

        Args:
            flag_id: of a flag whose clip is pending.
            write: writes it to a path; what it raises of this program's errors is the reason.

        Raises:
            FlagNotFoundError: the flag was deleted meanwhile.
            StoreError: the database does not answer.
        """
        flag = self.store.get(flag_id)
        clip: tuple[FlagFile, ...] = ()
        why = ""
        try:
            with self.exhibits.adding(flag_id, CLIP) as path:
                write(path)
            clip = (self.exhibits.exhibit(flag_id, CLIP),)
        except FlagNotFoundError:
            raise
        except MonitorError as error:
            why = str(error)
        state = ClipState.KEPT if clip else ClipState.MISSING
        return self.store.attach(flag_id, (*flag.exhibits, *clip), clip=state, why=why)

    def delete(self, flag_id: str, *, actor: str, why: str = "") -> None:
        """Forget a flag and its files.

        Raises:
            FlagNotFoundError: there is none of that id.
            StoreError: it cannot be deleted; nothing was.
            OutputError: the flag is gone, some of its files are not.
        """
        self.store.delete(flag_id, actor=actor, why=why)
        self.exhibits.remove(flag_id)

    def export(self, flags: Sequence[Flag], path: Path, *, actor: str, blur: bool = False) -> ExportedBundle:
        """Write flags as a bundle, see ``monitor.flags.bundle``; ``blur`` hides the faces they are not about.

        Raises:
            OutputError: it cannot be written.
            StoreError: the database does not answer.
        """
        return bundle.export(path, flags, store=self.store, exhibits=self.exhibits, actor=actor, blur=blur)

    def plan(self, settings: EvidenceSettings, *, now: datetime) -> RetentionPlan:
        """What :meth:`tidy` would delete, see ``monitor.flags.retention``.

        Raises:
            StoreError: the database does not answer.
        """
        flags, sizes = self._sized()
        return planned(flags, sizes, now=now, settings=settings)

    def tidy(self, settings: EvidenceSettings, *, now: datetime) -> RetentionPlan:
        """Delete what the settings say is kept long enough; the log says why.

        A flag that somebody judged meanwhile, so that it is of another class, stays.

        Returns:
            What was deleted, and what could not be.

        Raises:
            StoreError: the database does not answer; what was deleted so far is.
            OutputError: a flag is gone, some of its files are not.
        """
        plan = self.plan(settings, now=now)
        done = []
        for deletion in plan.deletions:
            try:
                if RetentionClass.of(self.store.get(deletion.flag_id)) is not deletion.keeping:
                    continue
                self.delete(deletion.flag_id, actor="", why=deletion.why)
            except FlagNotFoundError:  # somebody deleted it meanwhile
                continue
            done.append(deletion)
        return plan.only(done)

    def _sized(self) -> tuple[list[Flag], dict[str, int]]:
        """All flags, the oldest first, and the bytes of their files by id."""
        flags = list(self.every(FlagQuery(order="oldest")))
        return flags, {flag.id: self.exhibits.size(flag.id) for flag in flags}

    @property
    def size(self) -> int:
        """Bytes of all that lies in the folder: database, files, analyses, logs."""
        found, folders = 0, [self.folder]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as entries:  # of what is deleted meanwhile
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                        continue
                    with suppress(OSError):
                        found += entry.stat(follow_symlinks=False).st_size
        return found

    @property
    def free(self) -> int:
        """Bytes that are free on the folder's disk."""
        return shutil.disk_usage(next(path for path in (self.folder, *self.folder.parents) if path.is_dir())).free

    def require_writable(self) -> None:
        """Write something into the folder, and open a transaction that writes; nothing of either stays.

        Raises:
            StoreError: the database cannot be written.
            OutputError: the folder cannot.
        """
        self.store.require_writable()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"x" * 4096)
                file.flush()
        except OSError as error:
            raise write_error(self.folder, error) from error

    def faults(self) -> list[str]:
        """What is not as it was written, in the database and among the files: a clause each."""
        broken = self.store.first_fault()
        found = [] if broken is None else [broken]
        for flag in self.every(FlagQuery(order="oldest")):
            found += self.exhibits.faults(flag)
        return found
