"""``deepfake-monitor fleet serve``: the dashboard of streams that the nodes of a cluster watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import Set, SettingsFile, settings_from
from monitor.cli.serve import BasePath, LogFile, LogLevel, name_settings, run_server

if TYPE_CHECKING:
    from monitor.flags.archive import FlagArchive
    from monitor.fleet.stream_fleet import StreamFleet


def serve(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources to monitor from the start; default: dashboard.sources.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="Ray cluster: auto (this machine is a node), ray://HOST:10001, HOST:6379, or local.")
    ] = "auto",
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
    """Serve the dashboard here, and watch the sources on the nodes of a cluster; Ctrl-C ends both."""
    named = name_settings(sources=sources, log_file=log_file, log_level=log_level)
    settings = settings_from(settings_file, [*(assignments or ()), *named])
    from monitor.fleet.cluster import connect
    from monitor.fleet.ray_hosts import RayCluster
    from monitor.fleet.stream_fleet import StreamFleet

    def place(archive: FlagArchive) -> StreamFleet:
        return StreamFleet(RayCluster(settings), settings=settings.fleet, archive=archive)

    with connect(address, namespace=settings.fleet.namespace):
        run_server(settings, host=host, port=port, base_path=base_path, placement=place)
