"""The dashboard as ``make run`` starts it, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class Dashboard:
    """The server as ``make run`` starts it, with its own folder of flags.

    Args:
        folder: of the flags.
        sources: addresses that are opened at the start, one per line.
        demo_seconds: length of ``demo:``.
        base_path: of the server, without slashes; "" for none.
        app: the program, relative to the root of the repository.
        environment: more variables.
        settings: more settings, by the names of their environment variables without the prefix.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sources: str = "demo:",
        demo_seconds: int = 10,
        base_path: str = "",
        app: str = "streamlit_app.py",
        environment: Mapping[str, str] | None = None,
        **settings: str,
    ) -> None:
        self.folder, self._sources, self._demo_seconds = folder, sources, demo_seconds
        self._base_path = base_path
        self._app = app
        self._more = dict(environment or {}) | {f"DEEPFAKE_MONITOR_{name}": value for name, value in settings.items()}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = (
            os.environ
            | self._more
            | {
                "DEEPFAKE_MONITOR_EVIDENCE__FOLDER": str(self.folder),
                "DEEPFAKE_MONITOR_EVIDENCE__POST_ROLL": "1",
                "DEEPFAKE_MONITOR_EVIDENCE__PRE_ROLL": "1",
                "DEEPFAKE_MONITOR_DASHBOARD__SOURCES": self._sources,
                "DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS": str(self._demo_seconds),
            }
        )
        command = [sys.executable, "-m", "streamlit", "run", self._app, "--server.port", str(self.port)]
        command += ["--server.baseUrlPath", self._base_path] if self._base_path else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=log, stderr=log)
        health = "/".join(filter(None, [self.url, self._base_path, "_stcore/health"]))  # two slashes are refused
        for _ in range(600):
            try:
                with urllib.request.urlopen(health, timeout=1):  # noqa: S310
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(60)
