"""One function that reads what comes from outside, called in a process of its own."""

import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import TypeAdapter

from monitor.media.sources.address import Address
from monitor.media.worker.isolated_source import START, CaptureProcess, available, patience
from monitor.settings import SourceSettings

_SLOWEST: Final = 10_000_000  # bytes a second of a slow disk, while a whole file is written in one call

Result = TypeVar("Result")


def run_isolated(function: Callable[..., Result], path: Path, *arguments: object, settings: SourceSettings) -> Result:
    """Call ``function(path, *arguments)`` in a process that may crash, hang or run out of memory.

    It is called in this process where settings or system do not allow another one::

        clip = run_isolated(cut, Path("a.mp4"), Path("clip.mp4"), 1.0, 3.0, settings=settings.source)

    Args:
        function: of a module, not of a script; calls ``progress.report`` as it goes on. It returns a value of JSON
            or a dataclass of such values, of the type in its annotation.
        path: of the local file that the work is about; errors name it.
        arguments: are pickled for the process. What comes back never is.
        settings: whether to isolate, memory, time-outs.

    Raises:
        SourceError: the process cannot be started, died, hung, or sent nonsense.
        MonitorError: whatever else the function raises.
    """
    if not settings.isolate or not available():
        return function(path, *arguments)
    process = CaptureProcess(Address.of(path), settings)
    try:
        request = {"url": path, "is_path": True, "settings": settings.model_dump(mode="json"), "task": True}
        with suppress(OSError):  # it died: the next message says so
            process.wire.send(request, pickle.dumps((function, path, *arguments)), timeout=START)
        silence = patience(settings) + sum(map(_size, (path, *arguments))) / _SLOWEST
        head, _ = process.hear(START + silence)
        while "result" not in head:
            head, _ = process.hear(silence)
        answer: TypeAdapter[Result] = TypeAdapter(get_type_hints(function).get("return", Any))
        try:
            return answer.validate_python(head["result"])
        except ValueError as error:
            raise process.nonsense(type(error).__name__) from None
    finally:
        process.end()
        process.close()


def _size(argument: object) -> int:
    """Bytes of a file; 0 if it is none."""
    try:
        return argument.stat().st_size if isinstance(argument, Path) else 0
    except OSError:
        return 0
