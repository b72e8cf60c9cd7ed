"""Frozen settings values, one per stage, and the one loader: file, then environment, then flags.

A later one wins: built-in default < TOML file < environment (``DEEPFAKE_MONITOR_<STAGE>__<NAME>``)
< command line. Seconds are media time unless a name says otherwise.
"""

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from monitor.errors import UsageError

ENVIRONMENT_PREFIX = "DEEPFAKE_MONITOR_"
DEFAULT_FILE = Path("deepfake-monitor.toml")

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
ExpandedPath = Annotated[Path, AfterValidator(Path.expanduser)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(_Settings):
    """How sources are opened."""

    open_timeout: Seconds = Field(5.0, description="seconds (wall clock) to wait for a live source to open")
    read_timeout: Seconds = Field(5.0, description="seconds (wall clock) without a frame until a live source is lost")
    rtsp_transport: str = Field("tcp", pattern="^(tcp|udp)$", description="RTSP over tcp or udp")
    max_pixels: int = Field(8192 * 8192, gt=0, description="refuse pictures with more pixels than this")
    isolate: bool = Field(default=True, description="decode in a process of its own (not on Windows)")
    memory_megabytes: int = Field(4096, ge=256, description="that such a process may allocate")
    hang_timeout: Seconds = Field(
        10.0, description="seconds (wall clock) without a word after which it is ended; at least read_timeout + 2"
    )
    longest_pause: Seconds = Field(
        2.5,
        description="seconds (wall clock) between two attempts to open a lost source, at most, give or take a fifth",
    )
    attempts: int | None = Field(
        None, ge=0, le=1_000_000, description="to open a lost source again until it is given up; default: for ever"
    )
    screen_fps: float = Field(15.0, gt=0, le=60, description="frames per second taken from screen:")
    demo_seconds: Seconds = Field(24.0, description="length of the demo: stream")


class FaceDetectorSettings(_Settings):
    """The face detector: MTCNN, with facenet-pytorch's names where both have a setting."""

    model: str = Field("mtcnn", description="name in the registry of face detectors")
    min_face_size: int = Field(
        40, ge=12, le=2000, description="smallest face side looked for, pixels of the full frame"
    )
    thresholds: tuple[Probability, Probability, Probability] = Field(
        (0.6, 0.7, 0.7), description="P-, R- and O-Net acceptance"
    )
    factor: float = Field(0.709, gt=0.3, lt=0.95, description="pyramid scale step")
    working_width: int = Field(
        1920, ge=160, le=8192, description="a full detection halves wider frames until they fit; following does not"
    )

    @field_validator("thresholds", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line write ``0.6,0.7,0.7``."""
        return tuple(value.split(",")) if isinstance(value, str) else value


class TrackerSettings(_Settings):
    """When the detector beats and how long a face is remembered."""

    detect_every: Seconds = Field(1.0, description="seconds between full detections while faces are followed")
    search_every: Seconds = Field(
        0.2, description="seconds between full detections while no face is followed; more on a busy machine"
    )
    min_hits: int = Field(2, ge=1, le=100, description="frames a face must be seen in before its track counts")
    memory: Seconds = Field(1.0, description="seconds a lost face keeps its id")
    match_iou: Probability = Field(0.3, description="overlap that joins a detection to a track")
    keep_probability: Probability = Field(0.6, description="O-Net probability under which a followed face is lost")


class QualitySettings(_Settings):
    """What makes a face unusable for a verdict."""

    min_size: float = Field(48.0, ge=1, description="pixels of face height under which: TOO_SMALL")
    min_sharpness: float = Field(44.0, ge=0, description="sharpness under which: TOO_BLURRED")
    min_brightness: float = Field(40.0, ge=0, le=255, description="mean luma under which: TOO_DARK")
    max_yaw: float = Field(50.0, gt=0, le=90, description="degrees from frontal beyond which: PROFILE_POSE")
    min_visible: Probability = Field(0.75, description="share of the box inside the frame under which: OUT_OF_FRAME")
    min_probability: Probability = Field(0.8, description="detector probability under which: UNCERTAIN_FACE")


class ClassifierSettings(_Settings):
    """Which detector judges a face, on which engine, how often."""

    model: str = Field("inception_resnet_v1", description="name in the model registry")
    weights: ExpandedPath | None = Field(
        None, description="safetensors file, its card beside it; default: engines/<model>"
    )
    input_size: int | None = Field(
        None, ge=75, le=1024, description="side of the crops, pixels, one of the card's; default: its usual one"
    )
    backend: str = Field(
        "auto", description="auto, onnxruntime, onnxruntime-int8, onnxruntime-cuda, openvino, tensorrt, cuda or torch"
    )
    threads: int = Field(1, ge=1, le=256, description="inference threads per stream")
    batch_wait: float = Field(
        0.0,
        ge=0,
        le=1,
        description="seconds (wall clock) that a face of a live source may wait to be scored together with others; "
        "0: only while the engine is busy",
    )
    score_every: Seconds = Field(0.2, description="seconds between two scores of one face; more on a busy machine")


class Preset(StrEnum):
    """A choice between missing fakes and suspecting genuine faces, by name."""

    NEWSROOM = "newsroom"  # miss little, look at much
    BALANCED = "balanced"
    WALL = "wall"  # of cameras: few alarms


PRESETS: Final[Mapping[Preset, Mapping[str, float]]] = {
    Preset.NEWSROOM: {"suspicious_at": 0.6, "fake_at": 0.9, "real_at": 0.25},
    Preset.BALANCED: {"suspicious_at": 0.75, "fake_at": 0.9, "real_at": 0.25},
    Preset.WALL: {"suspicious_at": 0.9, "fake_at": 0.95, "real_at": 0.25},
}
_BALANCED = PRESETS[Preset.BALANCED]


class VerdictSettings(_Settings):
    """How scores become a label over time (see monitor.analysis.verdicts for the equations)."""

    preset: Preset = Field(
        Preset.BALANCED,
        description="the three thresholds by name: newsroom, balanced or wall; thresholds that are given win",
    )
    fake_at: Probability = Field(_BALANCED["fake_at"], description="P(fake) at and over which: LIKELY_FAKE")
    suspicious_at: Probability = Field(_BALANCED["suspicious_at"], description="P(fake) at and over which: SUSPICIOUS")
    real_at: Probability = Field(_BALANCED["real_at"], description="P(fake) at and under which: LIKELY_REAL")
    hysteresis: Probability = Field(0.05, description="a label is left only this far beyond its threshold")
    dwell: Seconds = Field(0.25, description="seconds a new label must hold before it is said")
    memory: Seconds = Field(10.0, description="seconds after which old evidence weighs 1/e")
    correlation_time: Seconds = Field(0.3, description="seconds after which two scores of one face correlate by 1/e")
    max_effective_samples: float = Field(2.0, ge=1, le=100, description="witnesses at which evidence saturates")
    min_effective_samples: float = Field(1.1, gt=0, description="witnesses under which: TOO_FEW_SAMPLES")
    max_sample_logit: float = Field(4.0, gt=0, description="one sample never says more than this, log-odds")
    change_alarm: float = Field(5.0, gt=0, description="log likelihood ratio at which a jump drops older evidence")
    stale_after: Seconds = Field(1.5, description="seconds without a usable sample until NOT_ENOUGH_EVIDENCE")

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
        """Whether the thresholds are the preset's, none given beside it."""
        return self.thresholds == PRESETS[self.preset]

    def under(self, preset: Preset) -> "VerdictSettings":
        """The same with another preset's thresholds."""
        return VerdictSettings.model_validate({**self.model_dump(), **PRESETS[preset], "preset": preset})

    @model_validator(mode="after")
    def _ordered(self) -> "VerdictSettings":
        if not self.real_at < self.suspicious_at < self.fake_at:
            raise ValueError("real_at < suspicious_at < fake_at must hold")
        if not self.min_effective_samples < self.max_effective_samples:
            raise ValueError("min_effective_samples < max_effective_samples must hold, or nothing is ever judged")
        return self


class SegmentSettings(_Settings):
    """How suspicious moments are joined into spans."""

    merge_gap: Seconds = Field(1.0, description="suspicious spans closer than this are one")
    min_duration: float = Field(0.4, ge=0, description="shorter spans are not reported")
    max_backdate: Seconds = Field(3.0, description="seconds a span may begin before it was noticed")


class SessionSettings(_Settings):
    """The hand-over between the capture and the analysis thread."""

    buffer_size: int = Field(4, ge=1, le=256, description="frames that wait between capture and analysis")


class EvidenceSettings(_Settings):
    """Where flags are kept."""

    folder: ExpandedPath | None = Field(None, description="flags and their files; default: the user's data folder")
    database: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL; default: flags.db in that folder")
    pre_roll: float = Field(5.0, ge=0, le=60, description="seconds of clip before a flagged moment")
    post_roll: float = Field(5.0, ge=0, le=60, description="seconds of clip after it")
    keep_days: float | None = Field(
        None, gt=0, le=36_500, description="days after which automatic flags that nobody reviewed go; default: never"
    )
    max_gigabytes: float | None = Field(
        None, gt=0, le=1e6, description="of all files, beyond which the oldest of those flags go; default: no limit"
    )
    false_alarm_days: float | None = Field(
        None,
        gt=0,
        le=36_500,
        description="days after which automatic flags go that people called false; default: never",
    )
    false_alarm_gigabytes: float | None = Field(
        None, gt=0, le=1e6, description="of their own files, beyond which the oldest of those go; default: no limit"
    )


class DashboardSettings(_Settings):
    """What people at a browser may do."""

    sources: tuple[str, ...] = Field(("demo:",), description="watched from the start; in text: one a line")
    media_folders: tuple[ExpandedPath, ...] = Field(
        (), description="folders whose files a browser may ask for; in text: one a line"
    )
    max_upload_megabytes: int = Field(4096, ge=1, description="largest upload")

    metrics_from: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="networks that may ask for /healthz, /readyz and /metrics beside this machine; in text: one a line",
    )

    @field_validator("sources", "media_folders", "metrics_from", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line have only text."""
        return _lines(value)


class AccessSettings(_Settings):
    """Who may use the dashboard, and how they say who they are."""

    mode: Literal["open", "password", "oidc"] = Field(
        "open", description="open: no sign-in, this machine only; password: `people add`; oidc: Streamlit's st.login"
    )
    open_to_network: bool = Field(
        default=False, description="in mode open: other machines are let in, as administrators"
    )
    hosts: tuple[str, ...] = Field(
        (), description="names a browser may use for this server in mode open, beside localhost and numbers"
    )
    idle_minutes: float = Field(720.0, gt=0, le=525_600, description="minutes without a page until a sign-in ends")
    sign_in_hours: float = Field(168.0, gt=0, le=8_760, description="hours until a sign-in ends, however busy")
    admins: tuple[str, ...] = Field((), description="in mode oidc: their e-mail addresses; in text: one a line")
    reviewers: tuple[str, ...] = Field((), description="in mode oidc: their e-mail addresses; in text: one a line")
    role_claim: str = Field("", description="in mode oidc: claim that names a role, or a list with one in it")
    default_role: Literal["viewer", "reviewer", ""] = Field(
        "viewer", description="in mode oidc: role of everybody else; empty: they are refused"
    )

    @field_validator("hosts", "admins", "reviewers", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line have only text."""
        return _lines(value)


class ServiceSettings(_Settings):
    """What the dashboard's server does when nobody looks."""

    heartbeat_every: Seconds = Field(600.0, description="seconds (wall clock) between tests of the running engine")
    log_file: ExpandedPath | None = Field(None, description="rotating; default: logs/serve.log beside the flags")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least that is logged")
    log_format: Literal["text", "json"] = Field("text", description="text, or json: one object a line")


class Settings(_Settings):
    """All of it."""

    source: SourceSettings = SourceSettings()
    detector: FaceDetectorSettings = FaceDetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    quality: QualitySettings = QualitySettings()
    classifier: ClassifierSettings = ClassifierSettings()
    verdict: VerdictSettings = VerdictSettings()
    segment: SegmentSettings = SegmentSettings()
    session: SessionSettings = SessionSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    dashboard: DashboardSettings = DashboardSettings()
    access: AccessSettings = AccessSettings()
    service: ServiceSettings = ServiceSettings()
    cache_dir: ExpandedPath | None = Field(None, description="compiled engines; default: the user's cache folder")

    def record(self) -> dict[str, Any]:
        """What a verdict depends on, as JSON values: all but where things are kept."""
        return self.model_dump(mode="json", exclude={"cache_dir", "evidence", "dashboard", "access", "service"})


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from a TOML file, the environment and dotted overrides such as ``{"tracker.memory": 2.0}``.

    Without ``file``, ``deepfake-monitor.toml`` in the working directory is read if it is there.

    Raises:
        UsageError: the file is missing or no TOML, a name is unknown, or a value is out of range.
    """
    tree = _read_toml(file)
    environment = os.environ if environment is None else environment
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            _put(tree, name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), value)
    for name, value in (overrides or {}).items():
        if value is not None:
            _put(tree, name, value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        why = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise UsageError(f"setting {where}: {why} (see docs/settings.md)") from None


def _lines(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.splitlines()))) if isinstance(value, str) else value


def _read_toml(file: Path | None) -> dict[str, Any]:
    path = file or DEFAULT_FILE
    if file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"settings file {path} does not exist"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"settings file {path} cannot be read: {error}"
    except tomllib.TOMLDecodeError as error:
        msg = f"settings file {path} is not valid TOML: {error}"
    raise UsageError(msg)


def _put(tree: dict[str, Any], dotted: str, value: object) -> None:
    *stages, name = dotted.split(".")
    for stage in stages:
        branch = tree.setdefault(stage, {})
        if not isinstance(branch, dict):
            raise UsageError(f"setting {dotted}: {stage} is not a group of settings")
        tree = branch
    tree[name] = value
