"""A new outlet is one module and one registration: every stream of the service feeds it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.waiting import until

from monitor.runtime import Observer
from monitor.server import notify
from monitor.server.notify import OutletContext, WatchedStream
from monitor.server.service import MonitorService
from monitor.settings import DashboardSettings, EvidenceSettings, Settings
from monitor.types.events import Event


class Diary:
    """An outlet that writes down its calls."""

    name = "diary"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: list[tuple[str, Event]] = []

    def start(self) -> None:
        self.calls.append("start")

    def watch(self, stream: WatchedStream) -> Observer:
        self.calls.append(f"watch {stream.name}")
        return lambda event: self.events.append((stream.id, event))

    def forget(self, stream: WatchedStream) -> None:
        self.calls.append(f"forget {stream.name}")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Diary]:
    module, one = ModuleType("diary_outlet"), Diary()
    vars(module)["open_outlet"] = lambda context: one if isinstance(context, OutletContext) else None
    vars(module)["open_nothing"] = lambda _: None
    monkeypatch.setitem(sys.modules, "diary_outlet", module)
    monkeypatch.setattr(notify, "_OUTLETS", {})
    notify.register("diary", module="diary_outlet")
    notify.register("absent", module="diary_outlet", attribute="open_nothing")
    return one


def test_an_outlet_receives_the_events_of_every_stream(diary: Diary, tmp_path: Path, settings: Settings) -> None:
    ours = settings.model_copy(
        update={"evidence": EvidenceSettings(folder=tmp_path), "dashboard": DashboardSettings(sources=())}
    )
    service = MonitorService.open(ours)
    service.begin()
    try:
        stream = service.add("rtsp://127.0.0.1:9/live", name="Door", trusted=True)
        until(lambda: diary.events)
        service.remove(stream.id)
    finally:
        service.close()
    assert diary.calls == ["start", "watch Door", "forget Door", "close"]
    assert {stream_id for stream_id, _ in diary.events} == {stream.id}
    assert diary.events[0][1].to_dict()["type"] == "stream_state_changed"
