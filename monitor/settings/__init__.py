"""Settings of all stages, and their loader, which is imported when it is first used: a decoding process never does."""

import importlib
from typing import TYPE_CHECKING

from monitor.settings.credentials import CredentialSettings
from monitor.settings.old_names import rename_settings
from monitor.settings.server import AccessSettings, DashboardSettings, EvidenceSettings, ServiceSettings
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

if TYPE_CHECKING:
    from monitor.settings.loader import ENVIRONMENT_PREFIX, load_settings

__all__ = [
    "ENVIRONMENT_PREFIX",
    "PRESETS",
    "AccessSettings",
    "ClassifierSettings",
    "CredentialSettings",
    "DashboardSettings",
    "EvidenceSettings",
    "FaceDetectorSettings",
    "Preset",
    "QualitySettings",
    "SegmentSettings",
    "ServiceSettings",
    "SessionSettings",
    "Settings",
    "SourceSettings",
    "TrackerSettings",
    "VerdictSettings",
    "load_settings",
    "rename_settings",
]


def __getattr__(name: str) -> object:
    if name not in ("ENVIRONMENT_PREFIX", "load_settings"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module("monitor.settings.loader"), name)
    globals()[name] = value
    return value
