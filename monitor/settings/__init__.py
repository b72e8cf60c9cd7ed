"""Settings of all stages, and their loader, which is imported when it is first used: a decoding process never does."""

import importlib
from typing import TYPE_CHECKING

from monitor.settings.credentials import CredentialSettings
from monitor.settings.fleet import FleetSettings
from monitor.settings.old_names import rename_settings
from monitor.settings.outlets import MqttSettings, NotificationSettings, NotifiedEvent
from monitor.settings.server import AccessSettings, ApiSettings, DashboardSettings, EvidenceSettings, ServiceSettings
from monitor.settings.stages import (
    PRESETS,
    ClassifierSettings,
    FaceDetectorSettings,
    Preset,
    QualitySettings,
    SegmentSettings,
    SessionSettings,
    Settings,
    SourceSettings,
    TrackerSettings,
    VerdictSettings,
)
from monitor.settings.webhooks import WebhookSettings

if TYPE_CHECKING:
    from monitor.settings.loader import ENVIRONMENT_PREFIX, load_settings

__all__ = [
    "ENVIRONMENT_PREFIX",
    "PRESETS",
    "AccessSettings",
    "ApiSettings",
    "ClassifierSettings",
    "CredentialSettings",
    "DashboardSettings",
    "EvidenceSettings",
    "FaceDetectorSettings",
    "FleetSettings",
    "MqttSettings",
    "NotificationSettings",
    "NotifiedEvent",
    "Preset",
    "QualitySettings",
    "SegmentSettings",
    "ServiceSettings",
    "SessionSettings",
    "Settings",
    "SourceSettings",
    "TrackerSettings",
    "VerdictSettings",
    "WebhookSettings",
    "load_settings",
    "rename_settings",
]


def __getattr__(name: str) -> object:
    if name not in ("ENVIRONMENT_PREFIX", "load_settings"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module("monitor.settings.loader"), name)
    globals()[name] = value
    return value
