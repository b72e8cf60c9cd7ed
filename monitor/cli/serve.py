"""``deepfake-monitor serve``: the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.terminal import Set, SettingsFile, settings_from


def serve(
    sources: Annotated[
        list[str] | None, typer.Argument(help="What to watch from the start; default: as the settings say.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback are reachable from outside.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Watch sources and show them in a browser; Ctrl-C ends it."""
    named = [f"dashboard.sources={chr(10).join(sources)}"] if sources else []
    settings = settings_from(settings_file, [*(assignments or ()), *named])
    import streamlit as st

    from monitor.dashboard import station
    from monitor.dashboard.server import ROUTES, lifespan

    station.install(station.Station.open(settings))
    config = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
    }
    st.App(Path(station.__file__).with_name("page.py"), routes=ROUTES, lifespan=lifespan).run(config=config)
