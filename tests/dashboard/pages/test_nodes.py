"""The section of the page System for the machines of a fleet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from monitor.server import service
from monitor.server.service import MonitorService
from monitor.server.stream_run import NodeSummary
from monitor.settings import EvidenceSettings, Settings

PAGE = "from monitor.dashboard.pages import system\nsystem.show()"
NODES = [
    NodeSummary("studio", "ready", 3, 14, "all is analysed", 0, clips_waiting=1, lost={"frames": 4}),
    NodeSummary("attic", "its process has ended", 0, 7, "", 0, clips_waiting=0, lost={}),
]


class Nodes:
    """A fleet whose nodes are known."""

    nodes = NODES

    def begin(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Any]:
    opened: list[MonitorService] = []

    def show(placement: Any) -> AppTest:
        settings = Settings(evidence=EvidenceSettings(folder=tmp_path))
        opened.append(MonitorService.open(settings, placement=placement))
        service.install(opened[-1])
        return AppTest.from_string(PAGE, default_timeout=60).run()

    yield show
    service.install(None)
    for one in opened:
        one.close()


def test_each_node_has_its_line(shown: Any) -> None:
    app = shown(lambda _: Nodes())
    assert not app.exception
    assert "Nodes" in [header.value for header in app.subheader]
    (table,) = (one.value for one in app.table if "node" in one.value.columns)
    assert list(table["node"]) == ["studio", "attic"]
    assert list(table["state"]) == ["ready", "its process has ended"]
    assert list(table["streams"]) == ["3", "0"]
    assert any("4 frames" in caption.value for caption in app.caption)


def test_without_a_fleet_there_is_no_such_section(shown: Any) -> None:
    assert "Nodes" not in [header.value for header in shown(None).subheader]
