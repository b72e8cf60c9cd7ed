"""The expected errors of the program, as one tree.

    MonitorError
    ├── UsageError                 a setting, flag or argument is invalid
    │   ├── ExperimentError        an experiment's configuration is invalid
    │   ├── ConflictError          it contradicts the current state: it exists already, or a limit is reached
    │   └── WebhookNotFoundError   the webhook does not exist
    ├── SourceError
    │   ├── SourceNotFoundError    the path or address does not exist
    │   ├── SourceUnavailableError the source exists (or should) but does not answer
    │   │   └── SourceRefusedError the source refuses: user name, password, permission
    │   └── SourceUnreadableError  the source answers, but without a readable video or image
    ├── ModelError
    │   ├── WeightsMissingError    no weights: the program never scores with random ones
    │   └── ModelCardError         the card does not belong to the weights, or is malformed
    ├── DatasetError               a data set, an index or a record is invalid
    ├── CheckpointError            a checkpoint belongs to another experiment, or is damaged
    ├── EngineError                a backend is not available, or failed while running
    │   └── UnknownEngineError     no backend has this name; also a UsageError
    ├── OutputError                a result cannot be written
    ├── SignInError                a name and password were not accepted
    ├── BundleError                a bundle of flags cannot be read
    ├── StoreError                 the flags' database cannot be opened, read or written
    │   ├── FlagNotFoundError      the flag does not exist
    │   └── FlagChangedError       another person changed the flag meanwhile
    ├── ClusterError               a Ray cluster cannot be joined, or its nodes cannot do the work
    └── RemoteError                a remote server did not do what the client asked
        ├── ServerUnavailableError the server does not answer, or is too busy
        ├── AccessDeniedError      the key is missing, wrong or expired, or its role is too low
        ├── ResourceNotFoundError  the server has no such stream, analysis or flag
        ├── RemoteConflictError    the state of the resource does not allow the request now
        └── RequestRefusedError    the request or its content is invalid

A message is one sentence for the user: what failed, with what, and what to do. It never contains a password.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_URN: Final = "urn:deepfake-monitor:"


class MonitorError(Exception):
    """The base class: the CLI prints its message as one line and exits with ``exit_code``."""

    exit_code = 1


class UsageError(MonitorError):
    """A setting, a flag or an argument is invalid."""

    exit_code = 2


class SourceError(MonitorError):
    """A source of frames could not be read."""

    exit_code = 3


class SourceNotFoundError(SourceError):
    """The path or address does not exist."""


class SourceUnavailableError(SourceError):
    """The device or server does not answer, is busy, or refuses."""


class SourceRefusedError(SourceUnavailableError):
    """The source refuses access; a retry does not help."""


class SourceUnreadableError(SourceError):
    """The source answers, but holds no picture that can be decoded."""


class ModelError(MonitorError):
    """A classifier cannot be loaded."""


class WeightsMissingError(ModelError):
    """No weights were found; the program never scores with random ones."""


class ModelCardError(ModelError):
    """A model card is malformed or does not match its weights' hash."""


class DatasetError(MonitorError):
    """A data set, an index or a record is invalid."""

    exit_code = 3


class ExperimentError(UsageError):
    """An experiment's configuration is invalid."""


class ConflictError(UsageError):
    """A request contradicts the current state: the thing exists already, or a limit is reached.

    Args:
        message: one sentence.
        retry_after: seconds after which the same request may succeed; None: not before the state changes.
    """

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WebhookNotFoundError(UsageError):
    """The webhook does not exist."""


class CheckpointError(MonitorError):
    """A checkpoint belongs to another experiment, or is damaged."""


class EngineError(MonitorError):
    """An inference engine is not available, or failed while running."""


class UnknownEngineError(EngineError, UsageError):
    """No inference engine has this name."""


class OutputError(MonitorError):
    """A result cannot be written: no permission, no space, or a missing folder."""


class SignInError(MonitorError):
    """A name and password were not accepted, or not checked yet."""


class BundleError(MonitorError):
    """A file is not a bundle of flags, or is too damaged to be read."""

    exit_code = 3


class StoreError(MonitorError):
    """The database of flags cannot be opened, read or written."""


class FlagNotFoundError(StoreError):
    """The flag does not exist."""

    exit_code = 3


class FlagChangedError(StoreError):
    """Another person changed the flag meanwhile."""


class ClusterError(MonitorError):
    """A Ray cluster cannot be joined, or its nodes cannot do the work."""


class RemoteError(MonitorError):
    """A remote server did not do what the client asked.

    Args:
        message: one sentence, without the key.
        status: of the HTTP answer; None: there was no answer.
        problem: the members of the answer's problem details (RFC 9457); empty without them.
        retry_after: seconds after which the server allows another request; None: not stated.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.problem, self.retry_after = status, dict(problem or {}), retry_after


class ServerUnavailableError(RemoteError):
    """The server does not answer, or is too busy; a later request may succeed."""


class AccessDeniedError(RemoteError):
    """The key is missing, wrong or expired, or its role or scope is too low."""


class ResourceNotFoundError(RemoteError):
    """The server has no such stream, analysis or flag."""

    exit_code = 3


class RemoteConflictError(RemoteError):
    """The state of the resource does not allow the request now."""


class RequestRefusedError(RemoteError):
    """The request or its content is invalid."""

    exit_code = 2


def kind_of(error: MonitorError) -> str:
    """The URI of an error's class, e.g. ``urn:deepfake-monitor:flag-not-found``, for other programs."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()
    return f"{_URN}{name}"


def class_of(kind: str) -> type[MonitorError] | None:
    """The class of :func:`kind_of`; None if this program has no such error."""
    words = kind.removeprefix(_URN).split("-")
    found = globals().get("".join(word.capitalize() for word in words) + "Error") if kind.startswith(_URN) else None
    return found if isinstance(found, type) and issubclass(found, MonitorError) else None
