"""``deepfake-monitor serve``: the dashboard."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.markup import escape

from monitor import __version__
from monitor.cli.options import Set, SettingsFile, settings_from
from monitor.cli.terminal import console
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import streamlit as st

    from monitor.flags.archive import FlagArchive
    from monitor.server.stream_run import Placement
    from monitor.settings import Settings

_GRACE: Final = 1  # seconds for open connections (an upload, for example) when the server stops

_log = logging.getLogger(__name__)

LogFile = Annotated[Path | None, typer.Option(help="Rotating log.", show_default="logs/serve.log beside the flags")]
BasePath = Annotated[
    str | None, typer.Option(help="Path prefix at a proxy that passes it on, for example /faces; not if it strips it.")
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default="info")]


def serve(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources to monitor from the start; default: dashboard.sources.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; a non-loopback address needs access.mode=password or oidc.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    base_path: BasePath = None,
    log_file: LogFile = None,
    log_level: LogLevel = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Monitor sources and show them in a browser; Ctrl-C or SIGTERM stops within five seconds and saves the clips."""
    named = name_settings(sources=sources, log_file=log_file, log_level=log_level)
    run_server(settings_from(settings_file, [*(assignments or ()), *named]), host=host, port=port, base_path=base_path)


def name_settings(*, sources: Sequence[str] | None, log_file: Path | None, log_level: str | None) -> Sequence[str]:
    """The options of the command line as assignments of settings."""
    chosen = {
        "dashboard.sources": "\n".join(sources or ()) or None,
        "service.log_file": log_file,
        "service.log_level": log_level,
    }
    return [f"{name}={value}" for name, value in chosen.items() if value is not None]


def run_server(
    settings: Settings,
    *,
    host: str,
    port: int,
    base_path: str | None,
    placement: Callable[[FlagArchive], Placement] | None = None,
) -> None:
    """Serve until a signal arrives.

    Args:
        placement: opens the machines that run the streams; default: this process runs them.
    """
    import streamlit as st
    from streamlit.web.bootstrap import load_config_options

    from monitor import dashboard
    from monitor.server import service
    from monitor.server.app import MIDDLEWARE, ROUTES, lifespan, require_access
    from monitor.server.notify.event_feed import end_readers
    from monitor.system import logs

    require_access(settings.access, host=host)
    listening = _listen(host, port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)  # before the server installs its own handlers, and after it has stopped
    opened = service.MonitorService.open(settings, placement=placement)
    service.install(opened)
    page = Path(dashboard.__file__).parent / "script" / "page.py"
    app = st.App(page, routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan)
    load_config_options(_page_options(host, port, base_path))  # before the log opens: it creates Streamlit's loggers
    with logs.write_log(settings.service, folder=opened.archive.folder) as log:
        _log.info("deepfake-monitor %s starts on http://%s:%d", __version__, host, port)
        console.print(f"http://{host}:{port}; log: {escape(str(log))}; Ctrl-C stops the server")
        try:
            _serve(app, host=host, port=port, listening=listening, end=partial(end_readers, opened.outlets))
        finally:
            for child in multiprocessing.active_children():  # an engine build, for example, which nobody needs now
                child.kill()
            if opened.hanging:
                _exit_now(sys.exc_info()[1])


def _page_options(host: str, port: int, base_path: str | None) -> dict[str, str | int | bool]:
    """Streamlit's options; without a base path Streamlit's own configuration decides."""
    options: dict[str, str | int | bool] = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",  # they contain paths and addresses; the log contains the details
    }
    return options if base_path is None else options | {"server.baseUrlPath": base_path}


def _exit(*_: object) -> None:
    sys.exit(0)


def _exit_now(error: BaseException | None) -> NoReturn:
    """Exits without Python's shutdown, which aborts if a thread hangs in native code."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0 if error is None or isinstance(error, SystemExit) else 1)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {_describe_refusal(error, port)}") from None


def _describe_refusal(error: OSError, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return "this is no name or address of a machine; choose another with --host"
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else 8501
        return f"another program uses this port; stop it, or choose another with --port, for example --port {other}"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have the address; choose 127.0.0.1, 0.0.0.0 or its own with --host"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "ports below 1024 need administrator rights; choose another with --port"
    return f"the system refuses ({error.strerror or error}); choose another address with --host or --port"


def _serve(app: st.App, *, host: str, port: int, listening: socket.socket, end: Callable[[], None]) -> None:
    """Serves until a signal arrives. ``App.run`` is unsuitable: it waits for open uploads and downloads forever."""
    import streamlit as st
    import uvicorn

    from monitor.server.http_server import HttpServer

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,  # uvicorn uses the program's own log
        access_log=False,
        ssl_certfile=st.get_option("server.sslCertFile"),
        ssl_keyfile=st.get_option("server.sslKeyFile"),
        timeout_graceful_shutdown=_GRACE,
    )
    HttpServer(config, before_shutdown=end).run(sockets=[listening])
