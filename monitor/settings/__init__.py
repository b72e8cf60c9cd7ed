"""Settings of all stages, and their loader."""

from monitor.settings.loader import ENVIRONMENT_PREFIX, load_settings
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

__all__ = [
    "ENVIRONMENT_PREFIX",
    "PRESETS",
    "AccessSettings",
    "ClassifierSettings",
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
