"""Settings of each stage, as frozen values.

Durations are seconds of media time (PTS) unless the description says wall clock.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, field_validator, model_validator

from monitor.settings.credentials import CredentialSettings
from monitor.settings.fleet import FleetSettings
from monitor.settings.outlets import MqttSettings, NotificationSettings
from monitor.settings.server import AccessSettings, ApiSettings, DashboardSettings, EvidenceSettings, ServiceSettings
from monitor.settings.values import ExpandedPath, Probability, Seconds, StageSettings
from monitor.settings.webhooks import WebhookSettings


class SourceSettings(StageSettings):
    """Opening, decoding and reconnecting of sources."""

    open_timeout: Seconds = Field(5.0, description="Timeout for opening a live source, seconds (wall clock).")
    read_timeout: Seconds = Field(
        5.0, description="Time without a frame after which a live source is lost, seconds (wall clock)."
    )
    rtsp_transport: str = Field("tcp", pattern="^(tcp|udp)$", description="RTSP transport: tcp or udp.")
    tls_certificates: ExpandedPath | None = Field(
        None,
        description="File (PEM) of trusted certificates, the camera's own or its issuer's, against which the "
        "certificate of an rtsps:// camera is checked. Default: not checked, and a note says so.",
    )
    max_pixels: int = Field(8192 * 8192, gt=0, description="Largest accepted picture, pixels (width x height).")
    isolate: bool = Field(default=True, description="Decode in a separate process (not on Windows).")
    memory_limit: int = Field(4096, ge=256, description="Memory limit of the decoding process, megabytes.")
    hang_timeout: Seconds = Field(
        10.0,
        description="Time without a message after which the decoding process is killed, seconds. "
        "At least read_timeout + 2. Time in which a busy machine does not run that process does not count, "
        "up to nine tenths.",
    )
    max_backoff: Seconds = Field(
        2.5,
        description="Longest pause between two attempts to open a lost source, seconds (wall clock), "
        "with 20 % random jitter.",
    )
    max_retries: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Number of attempts to reopen a lost source before it counts as failed. Default: no limit.",
    )
    max_variant_height: int = Field(
        1080,
        ge=1,
        le=100_000,
        description="Of a playlist with several variants (HLS, DASH), the largest up to this number of lines is taken; "
        "of a portrait picture, its width counts.",
    )
    video_track: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Number of the analysed video track, from 1, of a source with several. Default: the one that a "
        "player shows.",
    )
    screen_fps: float = Field(15.0, gt=0, le=60, description="Frame rate of screen:, frames per second.")
    demo_seconds: Seconds = Field(24.0, description="Length of demo:, seconds.")


class FaceDetectorSettings(StageSettings):
    """The face detector: MTCNN, with facenet-pytorch's names where both have a setting."""

    model: str = Field("mtcnn", description="Name of the face detector in the registry.")
    min_face_size: int = Field(40, ge=12, le=2000, description="Smallest detected face side, pixels of the full frame.")
    thresholds: tuple[Probability, Probability, Probability] = Field(
        (0.6, 0.7, 0.7), description="Minimum probabilities of P-Net, R-Net and O-Net."
    )
    factor: float = Field(0.709, gt=0.3, lt=0.95, description="Scale step of the image pyramid.")
    working_width: int = Field(
        1920,
        ge=160,
        le=8192,
        description="Maximum frame width for a full detection, pixels; wider frames are halved until they fit. "
        "Face following uses the full frame.",
    )

    @field_validator("thresholds", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line write ``0.6,0.7,0.7``."""
        return tuple(value.split(",")) if isinstance(value, str) else value


class TrackerSettings(StageSettings):
    """Face tracking between full detections."""

    detect_interval: Seconds = Field(
        1.0, description="Time between full detections while faces are followed, seconds of media time."
    )
    search_interval: Seconds = Field(
        0.2,
        description="Time between full detections while no face is followed, seconds of media time. "
        "Longer on an overloaded machine.",
    )
    min_hits: int = Field(
        2,
        ge=1,
        le=100,
        description="Number of frames with the face before a track is confirmed. "
        "1 for a source with a frame in more than max_age / 2.",
    )
    max_age: Seconds = Field(
        1.0,
        description="Time that a lost track keeps its id, seconds of media time. Longer for a source with few frames.",
    )
    iou_threshold: Probability = Field(0.3, description="Minimum IoU to assign a detection to a track.")
    keep_probability: Probability = Field(0.6, description="Minimum O-Net probability to keep following a face.")


class QualitySettings(StageSettings):
    """Thresholds under which a face is not scored, with the reason that is reported."""

    min_size: float = Field(48.0, ge=1, description="Minimum face height, pixels; smaller: TOO_SMALL.")
    min_sharpness: float = Field(44.0, ge=0, description="Minimum sharpness; lower: TOO_BLURRED.")
    min_brightness: float = Field(40.0, ge=0, le=255, description="Minimum mean luma, 0 to 255; lower: TOO_DARK.")
    max_yaw: float = Field(50.0, gt=0, le=90, description="Maximum yaw, degrees from frontal; larger: PROFILE_POSE.")
    max_roll: float = Field(30.0, gt=0, le=180, description="Maximum roll, degrees from upright; larger: TILTED_POSE.")
    min_visible: Probability = Field(
        0.75, description="Minimum fraction of the face box inside the frame; lower: OUT_OF_FRAME."
    )
    min_probability: Probability = Field(0.8, description="Minimum detector probability; lower: UNCERTAIN_FACE.")


class ClassifierSettings(StageSettings):
    """Model, engine and scoring rate."""

    model: str | None = Field(
        None,
        description="Name of the model in the model registry, or of a committee's card. Default: the model of "
        "classifier.weights, or efficientnet_lite0.",
    )
    weights: ExpandedPath | None = Field(
        None, description="Weights as a safetensors file with its model card beside it. Default: engines/<model>."
    )
    input_size: int | None = Field(
        None,
        ge=75,
        le=1024,
        description="Side of the face crops, pixels; one of the model card's sizes. Default: the card's input size.",
    )
    backend: str = Field(
        "auto",
        description="Inference engine: auto, onnxruntime, onnxruntime-int8, onnxruntime-cuda, openvino, tensorrt, "
        "cuda or torch.",
    )
    threads: int = Field(1, ge=1, le=256, description="Inference threads per stream.")
    batch_wait: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Longest time that a face of a live source waits for others to fill a batch, seconds "
        "(wall clock). 0: it waits only while the engine is busy.",
    )
    min_score_interval: Seconds = Field(
        0.2,
        description="Minimum time between two scores of one face, seconds of media time. "
        "Longer on an overloaded machine.",
    )


class Preset(StrEnum):
    """Named thresholds: a trade-off between missed fakes and false alarms."""

    NEWSROOM = "newsroom"  # fewest missed fakes
    BALANCED = "balanced"
    WALL = "wall"  # fewest false alarms, for a wall of cameras


PRESETS: Final[Mapping[Preset, Mapping[str, float]]] = {
    Preset.NEWSROOM: {"suspicious_at": 0.74, "fake_at": 0.9, "real_at": 0.25},
    Preset.BALANCED: {"suspicious_at": 0.8, "fake_at": 0.9, "real_at": 0.25},
    Preset.WALL: {"suspicious_at": 0.9, "fake_at": 0.95, "real_at": 0.25},
}
_BALANCED = PRESETS[Preset.BALANCED]


class VerdictSettings(StageSettings):
    """From scores to a label over time; ``monitor.analysis.verdicts`` has the equations."""

    preset: Preset = Field(
        Preset.BALANCED,
        description="Named values of fake_at, suspicious_at and real_at: newsroom, balanced or wall. "
        "A threshold that is set explicitly wins.",
    )
    fake_at: Probability = Field(_BALANCED["fake_at"], description="Minimum P(fake) for LIKELY_FAKE.")
    suspicious_at: Probability = Field(_BALANCED["suspicious_at"], description="Minimum P(fake) for SUSPICIOUS.")
    real_at: Probability = Field(_BALANCED["real_at"], description="Maximum P(fake) for LIKELY_REAL.")
    hysteresis: Probability = Field(
        0.05, description="Distance in P(fake) by which the current label's threshold must be crossed to leave it."
    )
    debounce: Seconds = Field(
        0.25, description="Time that a new label must hold before it is reported, seconds of media time."
    )
    decay_time: Seconds = Field(
        10.0,
        description="Time constant of the exponential decay of evidence, seconds of media time. "
        "Longer for a source with few frames.",
    )
    timeout: Seconds = Field(
        1.5,
        description="Time without a usable sample after which the label is NOT_ENOUGH_EVIDENCE, seconds of media time. "
        "Longer for a source with few frames.",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: object) -> object:
        """Thresholds that are not given are the preset's."""
        if not isinstance(given, dict) or given.get("preset") not in list(Preset):
            return given
        return {**PRESETS[Preset(given["preset"])], **given}

    @property
    def thresholds(self) -> dict[str, float]:
        """``suspicious_at``, ``fake_at`` and ``real_at``."""
        return {name: getattr(self, name) for name in PRESETS[self.preset]}

    @property
    def as_preset(self) -> bool:
        """Whether all thresholds are the preset's."""
        return self.thresholds == PRESETS[self.preset]

    def under(self, preset: Preset) -> "VerdictSettings":
        """A copy with the thresholds of another preset."""
        return VerdictSettings.model_validate({**self.model_dump(), **PRESETS[preset], "preset": preset})

    @model_validator(mode="after")
    def _ordered(self) -> "VerdictSettings":
        if not self.real_at < self.suspicious_at < self.fake_at:
            raise ValueError("real_at < suspicious_at < fake_at must hold")
        return self


class SegmentSettings(StageSettings):
    """Joining of suspicious moments into segments."""

    merge_gap: Seconds = Field(
        1.0, description="Gap up to which two suspicious segments are merged, seconds of media time."
    )
    min_duration: float = Field(0.4, ge=0, description="Shortest reported segment, seconds of media time.")
    max_backdate: Seconds = Field(
        3.0,
        description="Longest time that a segment may start before its detection, seconds of media time. "
        "Longer for a source with few frames.",
    )


class SessionSettings(StageSettings):
    """The buffer between the capture thread and the analysis thread."""

    buffer_size: int = Field(4, ge=1, le=256, description="Capacity of the buffer before the analysis, frames.")


_WITHOUT_EFFECT: Final = (  # on a verdict
    *("cache_dir", "evidence", "credentials", "dashboard", "access", "service"),
    *("api", "webhooks", "mqtt", "notifications", "fleet"),
)


class Settings(StageSettings):
    """All settings.

    >>> Settings(source=SourceSettings(demo_seconds=1.0)).source.demo_seconds
    1.0
    """

    source: SourceSettings = SourceSettings()
    detector: FaceDetectorSettings = FaceDetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    quality: QualitySettings = QualitySettings()
    classifier: ClassifierSettings = ClassifierSettings()
    verdict: VerdictSettings = VerdictSettings()
    segment: SegmentSettings = SegmentSettings()
    session: SessionSettings = SessionSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    credentials: CredentialSettings = CredentialSettings()
    dashboard: DashboardSettings = DashboardSettings()
    access: AccessSettings = AccessSettings()
    service: ServiceSettings = ServiceSettings()
    api: ApiSettings = ApiSettings()
    webhooks: WebhookSettings = WebhookSettings()
    mqtt: MqttSettings = MqttSettings()
    notifications: NotificationSettings = NotificationSettings()
    fleet: FleetSettings = FleetSettings()
    cache_dir: ExpandedPath | None = Field(
        None, description="Folder of the compiled engines. Default: in the user's cache folder."
    )

    def record(self) -> dict[str, Any]:
        """The settings that a verdict depends on, as JSON values: without storage, signatures, server and outlets."""
        return self.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT))
