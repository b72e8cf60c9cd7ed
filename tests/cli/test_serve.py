"""``serve`` as a process: it shows the page of the installed package and ends when told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_it_serves_what_it_is_told_and_ends_cleanly(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "monitor", "serve", "demo:", "--port", str(port)]
    command += ["--set", f"evidence.folder={tmp_path / 'kept'}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
                    assert b"<html" in answer.read()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        else:
            raise AssertionError((tmp_path / "log").read_text())
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert (tmp_path / "kept" / "flags.db").is_file()
