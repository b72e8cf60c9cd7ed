"""Everything that can go wrong on purpose, as one tree.

    MonitorError
    ├── UsageError                 a setting, flag or argument makes no sense
    │   └── ExperimentError        an experiment's configuration makes no sense
    ├── SourceError
    │   ├── SourceNotFoundError    there is nothing at that path or address
    │   ├── SourceUnavailableError it exists (or should) but does not answer
    │   │   └── SourceRefusedError it answers, and refuses: user name, password, permission
    │   └── SourceUnreadableError  it answered, and what it sent is no video or image
    ├── ModelError
    │   ├── WeightsMissingError    no weights: the program never scores with random ones
    │   └── ModelCardError         the card does not belong to the weights, or is malformed
    ├── DatasetError               a data set, an index or a record is not what it should be
    ├── CheckpointError            a checkpoint belongs to another experiment, or is damaged
    ├── EngineError                a backend cannot be had, or failed while running
    ├── OutputError                a result cannot be written
    ├── SignInError                a name and password were not accepted
    ├── BundleError                a bundle of flags cannot be read
    └── StoreError                 the flags' database cannot be opened, read or written
        └── FlagNotFoundError      there is no such flag

A message says what failed, with what, and what to do; it is one sentence that a person can act on,
and it never contains a password.
"""


class MonitorError(Exception):
    """The root: the CLI prints its message as one line and exits with ``exit_code``."""

    exit_code = 1


class UsageError(MonitorError):
    """A setting, a flag or an argument makes no sense."""

    exit_code = 2


class SourceError(MonitorError):
    """A source of frames could not be read."""

    exit_code = 3


class SourceNotFoundError(SourceError):
    """There is nothing at that path or address."""


class SourceUnavailableError(SourceError):
    """The device or server does not answer, is busy, or refuses."""


class SourceRefusedError(SourceUnavailableError):
    """It is there and will not be read by us: asking again and again helps nobody."""


class SourceUnreadableError(SourceError):
    """Something answered, but it holds no picture that can be decoded."""


class ModelError(MonitorError):
    """A classifier cannot be loaded."""


class WeightsMissingError(ModelError):
    """No weights were found; the program never scores with random ones."""


class ModelCardError(ModelError):
    """A model card is malformed or does not match its weights' hash."""


class DatasetError(MonitorError):
    """A data set, an index or a record is not what it should be."""

    exit_code = 3


class ExperimentError(UsageError):
    """An experiment's configuration makes no sense."""


class CheckpointError(MonitorError):
    """A checkpoint belongs to another experiment, or is damaged."""


class EngineError(MonitorError):
    """An inference engine is not available, or failed while it ran."""


class OutputError(MonitorError):
    """A result cannot be written: no permission, no space, no such folder."""


class SignInError(MonitorError):
    """A name and password were not accepted, or not looked at yet."""


class BundleError(MonitorError):
    """A file is no bundle of flags, or too damaged to be read."""

    exit_code = 3


class StoreError(MonitorError):
    """The database of flags cannot be opened, read or written."""


class FlagNotFoundError(StoreError):
    """There is no flag of that id."""

    exit_code = 3
