"""The settings that a node needs: without the passwords of the server and of its outlets."""

from typing import Final

from monitor.settings import Settings

_OF_THE_SERVER: Final = ("credentials", "dashboard", "access", "service", "api", "webhooks", "mqtt", "notifications")


def for_node(settings: Settings) -> Settings:
    """A copy in which the settings of pages, sign-in, signatures and outlets have their defaults.

    >>> from monitor.settings import MqttSettings
    >>> for_node(Settings(mqtt=MqttSettings(host="broker"))).mqtt.host
    ''
    """
    return settings.model_copy(update={name: Settings.model_fields[name].default for name in _OF_THE_SERVER})
