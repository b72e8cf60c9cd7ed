"""Calls one function that reads untrusted media in a separate process."""

import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import TypeAdapter

from monitor.media.sources.address import Address
from monitor.media.worker.isolated_source import START_TIMEOUT, CaptureProcess, available, silence_timeout
from monitor.settings import SourceSettings

_MIN_DISK_SPEED: Final = 10_000_000  # bytes per second of a slow disk, while one call writes a whole file

Result = TypeVar("Result")


def run_isolated(function: Callable[..., Result], path: Path, *arguments: object, settings: SourceSettings) -> Result:
    """Call ``function(path, *arguments)`` in a process that may crash, hang or run out of memory.

    The function runs in this process if the settings or the system do not allow another one::

        clip = run_isolated(cut, Path("a.mp4"), Path("clip.mp4"), 1.0, 3.0, settings=settings.source)

    Args:
        function: a module-level function outside ``__main__`` that calls ``progress.report`` regularly. It returns a
            JSON value or a dataclass of JSON values, of its annotated return type.
        path: the local file of the task; used in error messages.
        arguments: pickled for the process. The result is never pickled.
        settings: isolation, memory limit, time-outs.

    Raises:
        SourceError: the process failed to start, died, hung, or sent an invalid message.
        MonitorError: any other error that the function raises.
    """
    if not settings.isolate or not available():
        return function(path, *arguments)
    process = CaptureProcess(Address.of(path), settings)
    try:
        request = {"url": path, "is_path": True, "settings": settings.model_dump(mode="json"), "task": True}
        with suppress(OSError):  # the process died; the next receive reports it
            process.channel.send(request, pickle.dumps((function, path, *arguments)), timeout=START_TIMEOUT)
        silence = silence_timeout(settings) + sum(map(_size, (path, *arguments))) / _MIN_DISK_SPEED
        head, _ = process.receive(START_TIMEOUT + silence)
        while "result" not in head:
            head, _ = process.receive(silence)
        answer: TypeAdapter[Result] = TypeAdapter(get_type_hints(function).get("return", Any))
        try:
            return answer.validate_python(head["result"])
        except ValueError as error:
            raise process.invalid_message_error(type(error).__name__) from None
    finally:
        process.end()
        process.close()


def _size(argument: object) -> int:
    """Bytes of a file; 0 if the argument is not a file."""
    try:
        return argument.stat().st_size if isinstance(argument, Path) else 0
    except OSError:
        return 0
