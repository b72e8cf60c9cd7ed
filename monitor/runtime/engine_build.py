"""Builds a faster engine in a child process while frames are scored, and uses it if it passes the parity test."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Self

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError
from monitor.inference.backends import BackendSelection, Engine
from monitor.inference.cache import default_cache_dir
from monitor.inference.engine_upgrade import upgrade_engines, with_reason
from monitor.inference.network import Network
from monitor.inference.tensorrt import Target, build
from monitor.runtime.background_worker import BackgroundWorker
from monitor.settings import Settings

_POLL_INTERVAL: Final = 0.5  # seconds between two checks of the child
_CLOSE_TIMEOUT: Final = 2.0  # seconds to wait for the thread to end
_NICENESS: Final = 10  # niceness of the child: frames have priority

_log = logging.getLogger(__name__)


class EngineBuild:
    """Builds the engine of ``Engines.choice.faster`` while the current engine scores the frames.

    Without a faster backend, it does nothing. ``Engines.choice.others`` holds the progress or the reason of a failure;
    when the new engine is in use, ``Engines.choice`` and the engine's name in the observations change. The partial
    result of an interrupted build is never used; the next start builds again.
    """

    def __init__(self, engines: Engines, settings: Settings) -> None:
        self._engines, self._threads = engines, settings.classifier.threads
        self._cache_dir = default_cache_dir(settings.cache_dir)
        self._stop = threading.Event()
        self._worker: BackgroundWorker | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the build in its own thread and process."""
        if self._engines.choice.faster is not None:
            self._worker = BackgroundWorker("engine build")
            self._worker.do(self._run)

    def wait(self) -> None:
        """Wait until the faster engine is in use or has failed."""
        if self._worker is not None:
            self._worker.wait()

    def close(self) -> None:
        """Cancel the build; returns within some seconds."""
        self._stop.set()
        if self._worker is not None:
            self._worker.close(timeout=_CLOSE_TIMEOUT)

    def _run(self) -> None:
        engines = self._engines
        before, faster = engines.choice, engines.choice.faster
        if faster is None:
            return
        try:
            networks = [scorer.classifier.network for scorer in engines.scorers]
            for network in networks:
                self._build(network, faster.name, faster.target())
                if self._stop.is_set():
                    return
            found, choice = upgrade_engines(before, networks, threads=self._threads, cache_dir=self._cache_dir)
            if self._stop.is_set():
                return
        except EngineError as error:
            _log.warning("%s goes on, %s is not used: %s", before.backend.name, faster.name, error)
            engines.choice = with_reason(before, faster.name, str(error))
        except Exception as error:
            why = f"building it failed unexpectedly: {error!r}; please report it"
            engines.choice = with_reason(before, faster.name, why)
            raise
        else:
            self._replace_engines(found, choice)

    def _replace_engines(self, found: Sequence[Engine], choice: BackendSelection) -> None:
        engines = self._engines
        if not found:
            if choice.faster is not None:
                choice = with_reason(
                    choice, choice.faster.name, "its engine was built but cannot be loaded: see the log"
                )
            engines.choice = choice
            return
        _log.info("%s scores from now on, instead of %s: %s", found[0].name, engines.scorer.engine.name, choice.reason)
        engines.replace_engines(found, choice)

    def _build(self, network: Network, name: str, target: Target) -> None:
        """Build the engine in a child process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        task = (network, target, self._cache_dir, theirs)
        child = context.Process(target=_build_in_child, args=task, name="engine build", daemon=True)
        child.start()
        theirs.close()
        with ours:
            try:
                self._wait_for_child(child, ours, name)
            finally:
                child.kill()
                child.join()

    def _wait_for_child(self, child: BaseProcess, messages: Connection[object, object], name: str) -> None:
        began, step = time.monotonic(), "a process is started"
        while not self._stop.is_set():
            progress = f"{step}, {time.monotonic() - began:.0f} s so far"
            self._engines.choice = with_reason(self._engines.choice, name, f"its engine is being built: {progress}")
            if not messages.poll(_POLL_INTERVAL):
                continue
            try:
                message = messages.recv()
            except EOFError:
                child.join()
                raise EngineError(
                    f"the process that built the {name} engine died (exit code {child.exitcode}), perhaps for lack of "
                    "memory: it is built again at the next start"
                ) from None
            if message is None:
                _log.info("the %s engine was built in %.0f s", name, time.monotonic() - began)
                return
            if isinstance(message, EngineError):
                raise message
            step = str(message)
            _log.info("building the %s engine: %s", name, step)


def _build_in_child(network: Network, target: Target, cache_dir: Path, messages: Connection[object, object]) -> None:
    """Build the engine; send each step as text, then None or the error. Library output goes to the standard error."""
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which ends this process
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICENESS)
    try:
        build(network, target, cache_dir=cache_dir, on_step=messages.send)
    except EngineError as error:
        messages.send(error)
    else:
        messages.send(None)
