"""The flags: the database and the store of the files, and the operations on both."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from monitor.errors import FlagNotFoundError, MonitorError, OutputError
from monitor.flags import bundle
from monitor.flags.bundle import ExportedBundle
from monitor.flags.clip_check import BATCH, StatedClip, clip_faults
from monitor.flags.database import FlagStore
from monitor.flags.file_stores import FileStore, hash_content, open_file_store
from monitor.flags.files import CLIP, FlagFiles
from monitor.flags.queries import FlagQuery
from monitor.flags.retention import RetentionClass, RetentionPlan, plan_deletions
from monitor.media.clip import Clip
from monitor.settings import CredentialSettings, EvidenceSettings
from monitor.system.files import write_error
from monitor.system.user import data_folder
from monitor.types import ClipState, Flag

_PAGE = 500  # flags read at a time
_UNSIGNED: Final = CredentialSettings()


def default_folder() -> Path:
    """The default folder of the flags, in the user's data folder of this system."""
    return data_folder() / "evidence"


class FlagArchive:
    """The flags of one database and one store of files. Each method raises StoreError if the database does not answer.

    Args:
        folder: of this machine; contains ``files/`` and the database ``flags.db``, unless they are given.
        url: an SQLAlchemy URL of another database.
        files: another store of the files.

    Raises:
        StoreError: the database cannot be opened.
    """

    def __init__(self, folder: Path, *, url: str = "", files: FileStore | None = None) -> None:
        self.folder = folder
        self.files = FlagFiles(folder / "files" if files is None else files)
        self.store = FlagStore.open(url or f"sqlite:///{folder / 'flags.db'}")

    @classmethod
    def open(cls, settings: EvidenceSettings) -> Self:
        """Opens the archive of the settings.

        Raises:
            UsageError: ``evidence.files`` names no store that this program knows.
        """
        folder = settings.folder or default_folder()
        files = open_file_store(settings, folder=folder)
        return cls(folder, url=settings.database.get_secret_value(), files=files)

    def close(self) -> None:
        """Closes the database and the store of the files."""
        self.store.close()
        self.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def iterate(self, query: FlagQuery) -> Iterator[Flag]:
        """Iterates over all flags of a query, in its order."""
        offset = 0
        while page := self.store.find(query, limit=_PAGE, offset=offset):
            yield from page
            offset += len(page)

    def add(self, flag: Flag, files: Mapping[str, bytes]) -> Flag:
        """Stores a new flag with its first files; on return both survive a crash of the machine.

        Returns:
            The flag with the list of its files.

        Raises:
            OutputError: the files cannot be written; nothing was stored.
            StoreError: the flag cannot be written; nothing was stored.
        """
        flag = replace(flag, exhibits=self.files.create(flag.id, files))
        try:
            self.store.add(flag, actor=flag.reporter)
        except MonitorError:
            with suppress(OutputError):  # a repair removes them
                self.files.remove(flag.id)
            raise
        return flag

    def add_clip(self, flag_id: str, write: Callable[[Path], Clip]) -> Flag:
        """Stores the clip of a flag with its real span, or the reason for its absence.

        Args:
            flag_id: of a flag with a pending clip.
            write: writes the clip to a path; the message of a MonitorError becomes the reason.

        Raises:
            FlagNotFoundError: the flag has been deleted.
        """
        flag = self.store.get(flag_id)
        try:
            with self.files.open_new(flag_id, CLIP) as path:
                clip = write(path)
                file = hash_content(path, name=CLIP)
        except FlagNotFoundError:
            raise
        except MonitorError as error:
            return self.store.attach(flag_id, flag.exhibits, clip=ClipState.MISSING, why=str(error))
        span = clip.start, clip.end
        try:
            return self.store.attach(flag_id, (*flag.exhibits, file), clip=ClipState.KEPT, span=span)
        except FlagNotFoundError:  # deleted while the clip was stored
            self.files.remove(flag_id)
            raise

    def give_up_clip(self, flag_id: str, *, why: str) -> Flag:
        """Settles a pending clip whose process has ended: a whole clip is recorded, else the reason of its absence.

        Raises:
            FlagNotFoundError: the flag has been deleted.
            FlagChangedError: another process has changed the flag meanwhile.
            OutputError: the store of the files cannot be read.
        """
        flag = self.store.get(flag_id)
        if flag.clip is not ClipState.PENDING:
            return flag
        if CLIP not in self.files.names(flag_id):
            return self.store.attach(flag_id, flag.exhibits, clip=ClipState.MISSING, why=why, expected=flag.sha256)
        file = self.files.hash_file(flag_id, CLIP)
        return self.store.attach(flag_id, (*flag.exhibits, file), clip=ClipState.KEPT, expected=flag.sha256)

    def delete(self, flag_id: str, *, actor: str, why: str = "", expected: str | None = None) -> None:
        """Deletes a flag and its files.

        Args:
            expected: SHA-256 of the flag; None: any.

        Raises:
            FlagNotFoundError: no flag has this id.
            FlagChangedError: the flag has another SHA-256 than expected; nothing was deleted.
            StoreError: the flag cannot be deleted; nothing was deleted.
            OutputError: the flag was deleted, but some of its files remain.
        """
        self.store.delete(flag_id, actor=actor, why=why, expected=expected)
        self.files.remove(flag_id)

    def export(
        self,
        flags: Sequence[Flag],
        path: Path,
        *,
        actor: str,
        blur: bool = False,
        credentials: CredentialSettings = _UNSIGNED,
    ) -> ExportedBundle:
        """Exports flags as a bundle, see ``monitor.flags.bundle``.

        Args:
            blur: hide all faces but the flagged ones.
            credentials: sign the files, if they name a certificate.

        Raises:
            OutputError: the bundle cannot be written.
            UsageError: the certificate or the key cannot be used.
        """
        return bundle.export(
            path, flags, store=self.store, exhibits=self.files, actor=actor, blur=blur, credentials=credentials
        )

    def plan(self, settings: EvidenceSettings, *, now: datetime) -> RetentionPlan:
        """The deletions that :meth:`tidy` would make, see ``monitor.flags.retention``."""
        flags = list(self.iterate(FlagQuery(order="oldest")))
        return plan_deletions(flags, self.files.usage(flags), now=now, settings=settings)

    def tidy(self, settings: EvidenceSettings, *, now: datetime) -> RetentionPlan:
        """Deletes the flags beyond the age limits and quotas of the settings; the log contains the reasons.

        A flag stays if a review has just moved it into another class.

        Returns:
            The plan, reduced to the deletions that were made.

        Raises:
            StoreError: the database does not answer; earlier deletions stay.
            OutputError: a flag was deleted, but some of its files remain.
        """
        plan = self.plan(settings, now=now)
        done = []
        for deletion in plan.deletions:
            try:
                if RetentionClass.of(self.store.get(deletion.flag_id)) is not deletion.retention_class:
                    continue
                self.delete(deletion.flag_id, actor="", why=deletion.why)
            except FlagNotFoundError:  # another thread or process deleted it
                continue
            done.append(deletion)
        return replace(plan, deletions=tuple(done))

    @property
    def size(self) -> int:
        """Bytes of all files in the folder of this machine: database, flags, analyses, logs, local copies."""
        total = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):  # deleted meanwhile
                    total += Path(parent, name).lstat().st_size
        return total

    @property
    def free(self) -> int:
        """Free bytes on the folder's disk."""
        return shutil.disk_usage(next(path for path in (self.folder, *self.folder.parents) if path.is_dir())).free

    def require_writable(self) -> None:
        """Checks that database, folder and store can be written, without a lasting change.

        Raises:
            StoreError: the database cannot be written.
            OutputError: the folder or the store of the files cannot be written.
        """
        self.store.require_writable()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"x" * 4096)
                file.flush()
        except OSError as error:
            raise write_error(self.folder, error) from error
        self.files.require_writable()

    def faults(self) -> list[str]:
        """All changes to database and files that bypassed this program, and all clips that contradict their flags.

        Returns:
            One clause for each fault.
        """
        fault = self.store.first_fault()
        faults = [] if fault is None else [fault]
        clips = []
        for flag in self.iterate(FlagQuery(order="oldest")):
            changes = self.files.faults(flag)
            faults += changes
            if not changes and any(file.name == CLIP for file in flag.exhibits):
                clips.append(StatedClip.of(flag, self.files.path(flag.id, CLIP)))
            if len(clips) == BATCH:
                faults += clip_faults(clips)
                clips = []
        return faults + clip_faults(clips)
