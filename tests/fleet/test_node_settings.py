"""The settings that travel to a node."""

from pydantic import SecretStr

from monitor.fleet.node_settings import for_node
from monitor.settings import EvidenceSettings, MqttSettings, Preset, Settings


def test_passwords_of_the_server_stay_there() -> None:
    shared = SecretStr("postgresql://ada:shared@store/flags")
    given = Settings(
        mqtt=MqttSettings(host="broker", password=SecretStr("hush")), evidence=EvidenceSettings(database=shared)
    )
    sent = for_node(given)
    assert sent.mqtt == MqttSettings()
    assert sent.evidence == given.evidence, "a node stores flags"
    assert sent.record() == given.record()


def test_the_thresholds_travel() -> None:
    given = Settings()
    given = given.model_copy(update={"verdict": given.verdict.under(Preset.WALL)})
    assert for_node(given).verdict.suspicious_at == 0.9
