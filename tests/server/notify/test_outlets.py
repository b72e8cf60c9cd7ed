"""Both outlets in a running service: from a stream that cannot be opened to the broker, to people, to /metrics."""

from pathlib import Path

from pydantic import SecretStr
from support.mosquitto import Broker, listening, needs_mosquitto, remembered, running
from support.notification_receiver import receiving
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.server.health import snapshot
from monitor.server.metrics import render
from monitor.server.notify.mqtt_topics import topic_id
from monitor.server.service import MonitorService
from monitor.settings import DashboardSettings, EvidenceSettings, MqttSettings, NotificationSettings, Settings

ADDRESS = "rtsp://ada:hush@127.0.0.1:9/live"  # nobody answers there
STATE = f"deepfake-monitor/{topic_id('rtsp://ada:***@127.0.0.1:9/live')}/state"


@needs_mosquitto
def test_a_lost_stream_reaches_programs_and_people(tmp_path: Path, settings: Settings, engines: Engines) -> None:
    with running(Broker(tmp_path)) as broker, receiving() as receiver, listening(broker) as listener:
        ours = settings.model_copy(
            update={
                "evidence": EvidenceSettings(folder=tmp_path / "kept"),
                "dashboard": DashboardSettings(sources=()),
                "mqtt": MqttSettings(host="127.0.0.1", port=broker.port),
                "notifications": NotificationSettings(targets=(SecretStr(f"json://{receiver.address}"),), lost_after=0),
            }
        )
        service = MonitorService.open(ours)
        service._engines = engines
        service.begin()
        try:
            stream = service.add(ADDRESS, name="Door", trusted=True)
            assert listener.wait(STATE, lambda one: one.json["state"] == "reconnecting").json["name"] == "Door"
            until(lambda: receiver.received)
            for line in (
                'deepfake_monitor_outlet_deliveries_total{outlet="notifications",target=""} 1.0',
                'deepfake_monitor_outlet_events_lost_total{outlet="mqtt",target=""} 0.0',
                'deepfake_monitor_outlet_waiting{outlet="mqtt",target=""} 0.0',
            ):
                until(lambda line=line: line in render(snapshot(service))[0].decode(), seconds=20)
            service.remove(stream.id)
            listener.wait(STATE, lambda one: not one.payload)
        finally:
            service.close()
        assert service.hanging == 0
        assert remembered(broker) == {"deepfake-monitor/availability": b"offline"}
    assert receiver.titles == ["Door: no picture"]
    everything = str(receiver.received) + "".join(str(one.payload) for one in listener.messages)
    assert "hush" not in everything
