"""The dashboard below a path of a real nginx or Caddy, which strips the prefix or passes it on."""

import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.dashboard_server import Dashboard
from support.live_page import browsing
from support.waiting import until

from monitor.flags.archive import FlagArchive
from monitor.media.sources.demo import DemoSource
from monitor.system import jpeg
from monitor.types import ClipState, Origin

DOCUMENTED = Path(__file__).parents[2] / "docs" / "deployment" / "README.md"
SECONDS = 90_000  # milliseconds that a busy machine may take
CONFIG = """
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; {block} }}
}}
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def documented(language: str) -> str:
    """The block of the documentation in a language."""
    block = re.search(rf"```{language}\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1]


def nginx(folder: Path, *, port: int, behind: int, strips: bool) -> list[str]:
    """The command of an nginx on ``port`` with the documented block."""
    block = documented("nginx").replace("127.0.0.1:8501/", f"127.0.0.1:{behind}{'/' if strips else ''}")
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, block=block))
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, *, port: int, behind: int, strips: bool) -> list[str]:
    """The command of a Caddy on ``port`` with the documented block, without certificates."""
    block = documented("caddy").replace("example.org", f"http://127.0.0.1:{port}").replace("8501", str(behind))
    block = block if strips else block.replace("handle_path", "handle")
    (folder / "Caddyfile").write_text("{\n    admin off\n    auto_https off\n}\n" + block)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def accepts(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def proxied(command: Callable[..., list[str]], folder: Path, dashboard: Dashboard, *, strips: bool) -> Iterator[str]:
    """Runs a proxy; yields the address of the dashboard below its path."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}  # of Caddy
    proxy = subprocess.Popen(command(folder, port=port, behind=dashboard.port, strips=strips), env=own)
    try:
        until(lambda: accepts(port), seconds=90)
        yield f"http://127.0.0.1:{port}/faces"
    finally:
        proxy.terminate()
        proxy.wait(20)


def picture(path: Path) -> Path:
    with DemoSource(1.0) as source:
        path.write_bytes(jpeg.encode(next(iter(source)).pixels, quality=90))
    return path


@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "passed on"])
@pytest.mark.parametrize("command", [nginx, caddy])
def test_page_picture_flag_clip_upload_and_health_work_below_a_path(
    tmp_path: Path, command: Callable[..., list[str]], *, strips: bool
) -> None:
    if shutil.which(command.__name__) is None:
        pytest.skip(f"{command.__name__} is not installed")
    dashboard = Dashboard(
        tmp_path / "evidence",
        base_path="" if strips else "faces",
        ACCESS__OPEN_TO_NETWORK="true",
        DASHBOARD__METRICS_FROM="127.0.0.1/32",
    )
    dashboard.start()
    try:
        with proxied(command, tmp_path, dashboard, strips=strips) as url, browsing() as browser:
            with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:  # noqa: S310
                assert answer.read() == b"ok\n"
            page = browser.new_page(viewport={"width": 1400, "height": 1100})
            page.set_default_timeout(SECONDS)
            page.goto(f"{url}/")
            page.wait_for_selector(".viewer[data-state=live]")
            page.locator(".flag").click()
            page.get_by_text("Flagged Demo at").wait_for()
            with FlagArchive(dashboard.folder) as archive:
                (flag,) = [flag for flag in archive.store.find() if flag.origin is Origin.PERSON]
                until(lambda: archive.store.get(flag.id).clip is ClipState.KEPT, seconds=90)
            page.get_by_role("link", name="Review", exact=True).click()
            clip = page.locator("video")
            clip.wait_for()
            until(lambda: clip.evaluate("video => video.readyState >= 1 && video.duration > 0.5"), seconds=90)
            page.goto(f"{url}/analyse")
            chooser = page.locator("input[type=file]")
            chooser.wait_for(state="attached")
            chooser.set_input_files(picture(tmp_path / "still.jpg"))
            page.get_by_text("still.jpg").first.wait_for()
            link = page.get_by_role("link", name="Download report.json")
            link.wait_for()
            with page.expect_download() as saved:
                link.click()
            assert saved.value.suggested_filename == "report.json"
    finally:
        dashboard.end(signal.SIGTERM)
