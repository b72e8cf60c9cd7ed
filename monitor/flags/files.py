"""The files of the flags, in a folder or in an object store, see ``monitor.flags.file_stores``.

The order of writes makes them safe against a kill at any moment: the first files are durable before the commit of the
flag, and the clip is durable before its record. So files without a flag were never visible to a user, and a flag with a
pending clip after a restart has either a whole clip or none.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.errors import FlagChangedError, FlagNotFoundError, UsageError
from monitor.flags.database import FlagStore
from monitor.flags.file_stores import FileStore, FolderStore
from monitor.flags.queries import FlagQuery
from monitor.system.files import is_system_file
from monitor.types import ClipState, Flag, FlagFile

CLIP: Final = "clip.mp4"
FRAME: Final = "frame.jpg"  # the picture at the flagged moment, or the last scored one before it
OVERLAY: Final = "overlay.jpg"  # the same picture with boxes, labels and heat-map
FACES: Final = "faces.json"  # the positions of the faces in it
TRACE: Final = "trace.json"  # label changes and scored samples of the face
ABANDONED_AFTER: Final = timedelta(minutes=15)  # without a commit, or with a pending clip
_PARTIAL: Final = ".partial"
_CUT_SHORT: Final = "the program ended before the clip was complete"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The repairs after an unclean end of the program."""

    orphans: int  # removed folders and unfinished files without a flag
    found: int  # whole clips that were not recorded yet: recorded now
    lost: int  # flags with an incomplete clip: recorded as missing


class FlagFiles:
    """The files of one store.

    Args:
        files: a store, or a folder for one.
        abandoned_after: see :meth:`repair_abandoned`.
    """

    def __init__(self, files: FileStore | Path, *, abandoned_after: timedelta = ABANDONED_AFTER) -> None:
        self._files: FileStore = FolderStore(files) if isinstance(files, Path) else files
        self._abandoned_after = abandoned_after

    @property
    def address(self) -> str:
        """The place of the files for people, without secrets."""
        return self._files.address

    def folder(self, flag_id: str) -> Path:
        """The folder of a flag's files; to read a file, use :meth:`path`, which works with every store.

        Raises:
            UsageError: the files are in an object store.
        """
        if not isinstance(self._files, FolderStore):
            raise UsageError(f"the files of flag {flag_id} are in {self.address}: they have no folder")
        return self._files.folder(flag_id)

    def locate(self, flag_id: str, name: str) -> str:
        """The path or URL of a file for people."""
        return self._files.locate(flag_id, name)

    def path(self, flag_id: str, name: str) -> Path:
        """A file to read at once: the stored one, or a local copy of what is stored now.

        Raises:
            FileMissingError: there is no such file.
            OutputError: the store cannot be read.
        """
        return self._files.path(flag_id, name)

    def names(self, flag_id: str) -> set[str]:
        """The names of a flag's files, recorded or not.

        Raises:
            OutputError: the store cannot be read.
        """
        return set(self._files.sizes(flag_id))

    def create(self, flag_id: str, files: Mapping[str, bytes]) -> tuple[FlagFile, ...]:
        """Writes a new flag's first files; on return they survive a crash of the machine.

        Raises:
            OutputError: the files cannot be written; none was written.
        """
        self._files.create(flag_id, files)
        return tuple(
            FlagFile(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
        )

    def open_new(self, flag_id: str, name: str) -> AbstractContextManager[Path]:
        """Yields the path of one more file; after the block it is stored, after an error it is deleted.

        Raises:
            OutputError: the file cannot be written.
            FlagNotFoundError: the flag has been deleted.
        """
        return self._files.open_new(flag_id, name)

    def hash_file(self, flag_id: str, name: str) -> FlagFile:
        """The current hash and size of a flag's stored file.

        Raises:
            OutputError: the file cannot be read.
        """
        return self._files.hash_file(flag_id, name)

    def size(self, flag_id: str) -> int:
        """Bytes of a flag's files, recorded or not; files deleted during the call do not count."""
        return sum(self._files.sizes(flag_id).values())

    def usage(self, flags: Sequence[Flag]) -> dict[str, int]:
        """Bytes of the files of these flags, by id; of an object store, the recorded files only."""
        return self._files.usage(flags)

    def remove(self, flag_id: str) -> None:
        """Deletes a flag's files, if there are any.

        Raises:
            OutputError: some files cannot be deleted.
        """
        self._files.remove(flag_id)

    def require_writable(self) -> None:
        """Checks that a file can be written, without a lasting change.

        Raises:
            OutputError: the store cannot be written.
        """
        self._files.require_writable()

    def close(self) -> None:
        """Ends the use of the store: another process that repairs it need not be careful with this one."""
        self._files.close()

    def faults(self, flag: Flag) -> list[str]:
        """The changed, missing and unrecorded files of a flag, one clause each; a pending clip does not count."""
        existing = {name for name in self.names(flag.id) if not is_system_file(name)}
        if flag.clip is ClipState.PENDING:
            existing = {name for name in existing if name != CLIP and not name.endswith(_PARTIAL)}
        recorded = {exhibit.name: exhibit for exhibit in flag.exhibits}
        faults = [f"{flag.id}/{name} is missing" for name in sorted(recorded.keys() - existing)]
        faults += [f"{flag.id}/{name} was added" for name in sorted(existing - recorded.keys())]
        common = sorted(existing & recorded.keys())
        changed = (name for name in common if self.hash_file(flag.id, name) != recorded[name])
        return faults + [f"{flag.id}/{name} was changed" for name in changed]

    def repair(self, store: FlagStore) -> RepairReport:
        """Removes unfinished files and completes records after a kill; call it before this process stores a flag.

        If no other process writes flags into the folder, everything unfinished was left by a killed process. Otherwise,
        and always in an object store, this does the same as :meth:`repair_abandoned`.

        Raises:
            StoreError: the database does not answer.
            OutputError: the files cannot be read.
        """
        with self._files.alone() as is_alone:
            return self._repair(store, min_age=timedelta() if is_alone else self._abandoned_after)

    def repair_abandoned(self, store: FlagStore) -> RepairReport:
        """As :meth:`repair`, for files and clips that nobody has completed for 15 minutes; at any time.

        Safe beside other processes and machines that use the store, without a record of who they are. A process commits
        a flag within seconds after its first files, and a clip within a minute or two after the flag. A clip of a
        slower process is recorded as missing for a while; that process records it when it is complete.

        Raises:
            StoreError: the database does not answer.
            OutputError: the files cannot be read.
        """
        return self._repair(store, min_age=self._abandoned_after)

    def _repair(self, store: FlagStore, *, min_age: timedelta) -> RepairReport:
        known = store.ids()
        orphans = self._files.remove_abandoned(known, min_age=min_age)
        now = datetime.now(UTC)
        pending = store.find(FlagQuery(clip=ClipState.PENDING), limit=max(len(known), 1))
        states = [self._settle(store, flag) for flag in pending if not min_age or now - flag.created_at >= min_age]
        return RepairReport(orphans=orphans, found=states.count(ClipState.KEPT), lost=states.count(ClipState.MISSING))

    def _settle(self, store: FlagStore, flag: Flag) -> ClipState | None:
        """Records what is there of a pending clip; None if another process has changed the flag meanwhile."""
        try:
            if CLIP in self.names(flag.id):
                exhibits = (*flag.exhibits, self.hash_file(flag.id, CLIP))
                return store.attach(flag.id, exhibits, clip=ClipState.KEPT, expected=flag.sha256).clip
            missing = ClipState.MISSING
            return store.attach(flag.id, flag.exhibits, clip=missing, why=_CUT_SHORT, expected=flag.sha256).clip
        except (FlagChangedError, FlagNotFoundError):
            return None
