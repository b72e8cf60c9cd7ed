"""The settings that travel to a node."""

from monitor.fleet.node_settings import for_node
from monitor.settings import EvidenceSettings, MqttSettings, Preset, Settings


def test_passwords_of_the_server_stay_there() -> None:
    given = Settings(
        mqtt=MqttSettings(host="broker", user="ada", password="hush"),  # type: ignore[arg-type]
        evidence=EvidenceSettings(database="postgresql://ada:shared@store/flags"),  # type: ignore[arg-type]
    )
    sent = for_node(given)
    assert sent.mqtt == MqttSettings()
    assert sent.evidence == given.evidence, "a node stores flags"
    assert sent.record() == given.record()


def test_the_thresholds_travel() -> None:
    given = Settings()
    given = given.model_copy(update={"verdict": given.verdict.under(Preset.WALL)})
    assert for_node(given).verdict.suspicious_at == 0.9
