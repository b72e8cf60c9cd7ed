"""The files of the flags in a bucket of an S3-compatible object store, through fsspec.

An object store has no rename and no fsync: an object is there, whole and durable, when the store has answered, or it is
not there. A clip is made in a local file and then sent. Keys come from the environment or from the machine, as for
AWS's own tools; a URL with keys is refused.
"""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from monitor.errors import FileMissingError, FlagNotFoundError, OutputError, UsageError
from monitor.flags.file_stores.copies import LocalCopies, StoredVersion
from monitor.settings import EvidenceSettings
from monitor.system.masking import mask
from monitor.types import Flag, FlagFile

_CONNECT_TIMEOUT: Final = 3.0  # seconds (wall clock)
_READ_TIMEOUT: Final = 20.0  # seconds (wall clock) without an answer
_ATTEMPTS: Final = 3
_PROBE: Final = ".writable"  # object that tests the store; no id of a flag begins with a dot
_LONGEST_REASON: Final = 200  # characters


class ObjectSystem(Protocol):
    """The methods of an fsspec file system that are used here; each raises OSError or an error of its library."""

    def pipe(self, path: Mapping[str, bytes]) -> object: ...
    def put_file(self, lpath: str, rpath: str) -> object: ...
    def get_file(self, rpath: str, lpath: str) -> object: ...
    def info(self, path: str) -> dict[str, Any]: ...
    def ls(self, path: str, *, detail: bool) -> list[dict[str, Any]]: ...
    def find(self, path: str, *, detail: bool) -> dict[str, dict[str, Any]]: ...
    def open(self, path: str, mode: str) -> Any: ...  # noqa: ANN401 - fsspec has no types
    def rm(self, path: list[str]) -> object: ...


def open_s3(settings: EvidenceSettings, copies: Path) -> "ObjectStore":
    """Opens the bucket of ``evidence.files``, without a connection to it yet.

    Raises:
        UsageError: s3fs is not installed, or the URL names no bucket.
    """
    root = settings.files.partition("://")[2].strip("/")
    if not root:
        raise UsageError(f"evidence.files {settings.files} names no bucket: write s3://bucket/prefix")
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # an extra, and slow to import
        from s3fs import S3FileSystem
    except ImportError:
        raise UsageError("evidence.files s3:// needs s3fs: install deepfake-monitor[fleet]") from None
    system = S3FileSystem(
        endpoint_url=settings.files_endpoint or None,
        config_kwargs={
            "connect_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _READ_TIMEOUT,
            "retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        },
        use_listings_cache=False,  # other machines write, too
        skip_instance_cache=True,
    )
    system.retries = _ATTEMPTS  # of s3fs itself, for answers that are cut off
    return ObjectStore(system, root, scheme="s3", copies=LocalCopies(copies), errors=(BotoCoreError, ClientError))


class ObjectStore:
    """Objects ``<root>/<flag id>/<name>``.

    Args:
        root: bucket and prefix, without a slash at its end.
        errors: of the file system's library, beside OSError.
    """

    def __init__(
        self,
        system: ObjectSystem,
        root: str,
        *,
        scheme: str,
        copies: LocalCopies,
        errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._system, self._root, self._scheme, self._copies = system, root, scheme, copies
        self._known_errors: tuple[type[Exception], ...] = (OSError, *errors)

    @property
    def address(self) -> str:
        """The URL of the root."""
        return f"{self._scheme}://{self._root}"

    def create(self, flag_id: str, files: Mapping[str, bytes]) -> None:
        """Sends all files at once."""
        try:
            with self._errors("written", flag_id):
                self._system.pipe({self._key(flag_id, name): content for name, content in files.items()})
        except OutputError:
            with suppress(OutputError):  # what is left is removed by a repair
                self.remove(flag_id)
            raise

    @contextmanager
    def open_new(self, flag_id: str, name: str) -> Iterator[Path]:
        """Yields a local path, and sends the file after the block."""
        if not self.sizes(flag_id):
            raise FlagNotFoundError(f"the files of flag {flag_id} do not exist: the flag was deleted")
        path = self._copies.new_path(flag_id, name)
        try:
            yield path
            with self._errors("written", flag_id, name):
                self._system.put_file(str(path), self._key(flag_id, name))
        finally:
            self._copies.drop(path)

    def sizes(self, flag_id: str) -> dict[str, int]:
        """One request."""
        with self._errors("read", flag_id):
            found = self._system.find(self._key(flag_id), detail=True)
        return {key.rpartition("/")[2]: int(facts["size"]) for key, facts in found.items()}

    def usage(self, flags: Sequence[Flag]) -> dict[str, int]:
        """The recorded files only: no request."""
        return {flag.id: sum(exhibit.size for exhibit in flag.exhibits) for flag in flags}

    def locate(self, flag_id: str, name: str) -> str:
        """The file's URL."""
        return f"{self.address}/{flag_id}/{name}"

    def path(self, flag_id: str, name: str) -> Path:
        """A local copy of the object that is stored now."""
        key = self._key(flag_id, name)
        with self._errors("read", flag_id, name):
            facts = self._system.info(key)
        return self._copies.get(flag_id, name, _version(facts), fetch=partial(self._fetch, flag_id, name))

    def hash_file(self, flag_id: str, name: str) -> FlagFile:
        """Reads the whole object."""
        with self._errors("read", flag_id, name), self._system.open(self._key(flag_id, name), "rb") as file:
            return FlagFile(name, hashlib.file_digest(file, "sha256").hexdigest(), int(file.size))

    def remove(self, flag_id: str) -> None:
        """Deletes the objects, and their local copies on this machine."""
        self._copies.remove(flag_id)
        with self._errors("deleted", flag_id):
            keys = list(self._system.find(self._key(flag_id), detail=True))
            if keys:
                self._system.rm(keys)

    def remove_abandoned(self, known: Container[str], *, min_age: timedelta) -> int:
        """Ages are those of the newest object of an id, by the clock of the store."""
        self._copies.trim()
        removed = 0
        for flag_id in self._ids():
            if flag_id in known:
                continue
            with self._errors("read", flag_id):
                found = self._system.find(self._key(flag_id), detail=True).values()
            newest = max((_version(facts).changed_at for facts in found), default=None)
            if newest is not None and (not min_age or datetime.now(UTC) - newest >= min_age):
                self.remove(flag_id)
                removed += 1
        return removed

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Never known: other machines may use the bucket."""
        yield False

    def require_writable(self) -> None:
        """Writes an object and deletes it."""
        key = self._key(_PROBE)
        with self._errors("written", _PROBE):
            self._system.pipe({key: b"x"})
            self._system.rm([key])

    def close(self) -> None:
        """Connections end with the process."""

    def _fetch(self, flag_id: str, name: str, path: Path) -> None:
        with self._errors("read", flag_id, name):
            self._system.get_file(self._key(flag_id, name), str(path))

    def _ids(self) -> list[str]:
        """The ids below the root; one request for 1000."""
        with self._errors("read"):
            try:
                names = [entry["name"].rpartition("/")[2] for entry in self._system.ls(self._root, detail=True)]
            except FileNotFoundError:  # no flag was ever stored
                self._system.ls(self._root.partition("/")[0], detail=True)  # fails without the bucket
                return []
        return sorted(name for name in names if name and not name.startswith("."))

    def _key(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    @contextmanager
    def _errors(self, verb: str, *parts: str) -> Iterator[None]:
        """Translates an error of the store into an OutputError."""
        try:
            yield
        except self._known_errors as error:
            shown = "/".join((self.address, *parts))
            kind = FileMissingError if isinstance(error, FileNotFoundError) and verb == "read" else OutputError
            raise kind(f"{shown} cannot be {verb}: {_reason(error)}") from error


def _version(facts: Mapping[str, Any]) -> StoredVersion:
    changed_at = facts["LastModified"]
    tag = hashlib.sha256(f"{facts.get('ETag')} {facts['size']} {changed_at}".encode()).hexdigest()[:16]
    return StoredVersion(tag=tag, size=int(facts["size"]), changed_at=changed_at.astimezone(UTC))


_REASONS: Final[Mapping[str, str]] = {  # by the name of the error's class
    "NoCredentialsError": "there are no keys for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "its keys are incomplete; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "EndpointConnectionError": "the store does not answer; check evidence.files_endpoint and the network",
    "ConnectTimeoutError": "the store does not answer; check evidence.files_endpoint and the network",
    "ReadTimeoutError": "the store does not answer in time; check it and the network",
    "PermissionError": "the store refuses these keys; check them, and their rights in this bucket",
    "FileNotFoundError": "no such file or bucket",
}


def _reason(error: Exception) -> str:
    """The cause of an error in words; the library's own message only without a better one, masked and in one line."""
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _REASONS), "")
    if name:
        return _REASONS[name]
    words = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
    return " ".join(map(mask, words.split(" ")))
