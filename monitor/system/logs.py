"""The program's log: one line per event, in a rotating file.

No line contains a password or a token: all addresses in messages, also in those of libraries (FFmpeg's too), and in
tracebacks, are masked.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor.errors import OutputError
from monitor.system.masking import mask

if TYPE_CHECKING:  # `--help` does not wait for pydantic
    from monitor.settings import ServiceSettings

FILE: Final = "logs/serve.log"  # in the folder of the flags, unless the settings name another file
_BYTES: Final = 10_000_000  # of one file
_FILES: Final = 5  # number of older files
# a password may contain spaces
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://(?:[^\s/@:]*:[^\n/@]*@)?\S+", re.IGNORECASE)
_QUERY: Final = re.compile(r"(?<!\S)\S*[?&]\S+=\S+")  # a path without a host, as servers log it
_TRAILING: Final = "\"')>]},.;:"  # punctuation after an address
_HOST: Final = "xx://x"
# loggers limited to warnings
_VERBOSE: Final = ("PIL", "fontTools", "fpdf", "alembic", "matplotlib", "watchdog", "asyncio", "httpx", "urllib3")


def mask_text(text: str) -> str:
    """Mask the secrets of all addresses in a text."""
    return _QUERY.sub(_masked_query, _ADDRESS.sub(_masked_address, text))


def _masked_address(found: re.Match[str]) -> str:
    address = found[0].rstrip(_TRAILING)
    return mask(address) + found[0][len(address) :]


def _masked_query(found: re.Match[str]) -> str:
    return found[0] if "://" in found[0] else mask(f"{_HOST}{found[0]}").removeprefix(_HOST)


class MaskingFilter(logging.Filter):
    """Masks the messages of handlers with a foreign format."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask_text(record.getMessage()), ()
        return True


class TextFormatter(logging.Formatter):
    """A text line for people: time (UTC), level, logger, message."""

    def __init__(self, form: str = "%(asctime)s %(levelname)-7s %(name)s: %(message)s") -> None:
        super().__init__(form)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        return _time_text(record)

    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))


class JsonFormatter(logging.Formatter):
    """A JSON object per line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {
            "time": _time_text(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": mask_text(record.getMessage()),
        }
        if record.exc_info:
            facts["error"] = mask_text(self.formatException(record.exc_info))
        return json.dumps(facts, ensure_ascii=False)


def _time_text(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


@contextmanager
def write_log(settings: ServiceSettings, *, folder: Path) -> Iterator[Path]:
    """Write the log of this program and its libraries to a file while the block runs.

    Args:
        settings: file, level and format.
        folder: of the flags; the default file is ``logs/serve.log`` in it.

    Raises:
        OutputError: the file cannot be written.
    """
    path = settings.log_file or folder / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the log {path} cannot be written ({error.strerror or error}): name another with service.log_file"
        ) from error
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root, level = logging.getLogger(), settings.log_level.upper()
    handler.setLevel(level)
    before = root.level
    root.setLevel(level)
    noisy = {logger: logger.level for logger in map(logging.getLogger, _VERBOSE)}
    for logger in noisy:
        logger.setLevel(max(logging.WARNING, handler.level))
    apart, masking = _separate_loggers(), MaskingFilter()
    others = [other for logger in apart for other in logger.handlers]
    for other in others:
        other.addFilter(masking)
    for logger in (root, *apart):
        logger.addHandler(handler)
    try:
        yield path
    finally:
        for logger in (root, *apart):
            logger.removeHandler(handler)
        for other in others:
            other.removeFilter(masking)
        for logger, earlier in noisy.items():
            logger.setLevel(earlier)
        root.setLevel(before)
        handler.close()


def _separate_loggers() -> list[logging.Logger]:
    """Loggers that do not propagate to the root, such as Streamlit's."""
    known = logging.getLogger().manager.loggerDict.values()
    return [logger for logger in known if isinstance(logger, logging.Logger) and not logger.propagate]
