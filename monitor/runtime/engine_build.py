"""Builds the faster engine beside the frames: in a child process, with progress; it serves once it agrees."""

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

_TICK: Final = 0.5  # seconds between two looks at the child
_PATIENCE: Final = 2.0  # seconds for the thread to end
_NICE: Final = 10  # frames first

_log = logging.getLogger(__name__)


class EngineBuild:
    """Builds what ``Engines.choice.faster`` names, while the engine that is there serves.

    Where nothing is faster, nothing happens. How far it is, and why it failed, is said by ``Engines.choice.others``;
    when the new engine serves, ``Engines.choice`` and the engine's name in the observations change. What a build leaves
    that is cut short is never used; the next start begins anew.

    Args:
        engines: what scores.
        settings: threads and cache_dir.
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
        """Begin, on a thread and in a process of its own."""
        if self._engines.choice.faster is not None:
            self._worker = BackgroundWorker("engine build")
            self._worker.do(self._run)

    def wait(self) -> None:
        """Until the faster engine serves, or it is known why not."""
        if self._worker is not None:
            self._worker.wait()

    def close(self) -> None:
        """Build no more; returns within some seconds."""
        self._stop.set()
        if self._worker is not None:
            self._worker.close(patience=_PATIENCE)

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
            why = f"building it failed in a way that should not happen: {error!r}; please report it"
            engines.choice = with_reason(before, faster.name, why)
            raise
        else:
            self._serve(found, choice)

    def _serve(self, found: Sequence[Engine], choice: BackendSelection) -> None:
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
        """Have it built by a child process.

        Raises:
            EngineError: it cannot be built, or the child died.
        """
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        task = (network, target, self._cache_dir, theirs)
        child = context.Process(target=_build_in_child, args=task, name="engine build", daemon=True)
        child.start()
        theirs.close()
        with ours:
            try:
                self._follow(child, ours, name)
            finally:
                child.kill()
                child.join()

    def _follow(self, child: BaseProcess, answers: Connection[object, object], name: str) -> None:
        began, step = time.monotonic(), "a process is started"
        while not self._stop.is_set():
            so_far = f"{step}, {time.monotonic() - began:.0f} s so far"
            self._engines.choice = with_reason(self._engines.choice, name, f"its engine is being built: {so_far}")
            if not answers.poll(_TICK):
                continue
            try:
                answer = answers.recv()
            except EOFError:
                child.join()
                raise EngineError(
                    f"the process that built the {name} engine died (exit code {child.exitcode}), perhaps for want of "
                    "memory: it is built anew at the next start"
                ) from None
            if answer is None:
                _log.info("the %s engine was built in %.0f s", name, time.monotonic() - began)
                return
            if isinstance(answer, EngineError):
                raise answer
            step = str(answer)
            _log.info("building the %s engine: %s", name, step)


def _build_in_child(network: Network, target: Target, cache_dir: Path, answers: Connection[object, object]) -> None:
    """Build; send each step as a text, then None, or the error. The library prints: that goes to the standard error."""
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)
    try:
        build(network, target, cache_dir=cache_dir, on_step=answers.send)
    except EngineError as error:
        answers.send(error)
    else:
        answers.send(None)
