"""Settings of the server: flags, pages, sign-in, background work."""

import re
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator

from monitor.settings.values import ExpandedPath, Seconds, StageSettings, lines


class EvidenceSettings(StageSettings):
    """Storage and retention of flags."""

    folder: ExpandedPath | None = Field(
        None, description="Folder of the flags and their files. Default: in the user's data folder."
    )
    database: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL of the flag database. Default: flags.db in that folder."
    )
    files: str = Field(
        "",
        description="Store of the flags' files: a folder, or s3://bucket/prefix. Default: files in that folder.",
    )
    files_endpoint: str = Field(
        "",
        description="Address of an S3-compatible store for evidence.files, such as https://minio.example.org:9000. "
        "Default: AWS.",
    )
    pre_roll: float = Field(5.0, ge=0, le=60, description="Length of the clip before a flag, seconds of media time.")
    post_roll: float = Field(5.0, ge=0, le=60, description="Length of the clip after a flag, seconds of media time.")
    keep_days: float | None = Field(
        None,
        gt=0,
        le=36_500,
        description="Age at which automatic flags without a review are deleted, days (UTC). Default: never.",
    )
    max_gigabytes: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Size of all flag files above which the oldest automatic flags without a review are deleted, "
        "gigabytes. Default: no limit.",
    )
    false_alarm_days: float | None = Field(
        None,
        gt=0,
        le=36_500,
        description="Age at which automatic flags that were reviewed as false alarms are deleted, days (UTC). "
        "Default: never.",
    )
    false_alarm_gigabytes: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Size of the files of reviewed false alarms above which the oldest of them are deleted, "
        "gigabytes. Default: no limit.",
    )

    @field_validator("files", "files_endpoint", mode="after")
    @classmethod
    def _check_store(cls, value: str) -> str:
        if "@" in value.partition("://")[2]:  # a secret key may contain a slash
            raise ValueError("must not contain keys: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return value.strip().rstrip("/")

    @field_validator("files_endpoint", mode="after")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
            raise ValueError("must begin with http:// or https://, such as https://minio.example.org:9000")
        return value


class DashboardSettings(StageSettings):
    """Sources, uploads and metrics of the dashboard."""

    sources: tuple[str, ...] = Field(("demo:",), description="Sources that are opened at start. As text: one per line.")
    max_sources: int = Field(
        16,
        ge=1,
        le=10_000,
        description="Maximum number of watched sources. A core holds three to four; more need a fleet.",
    )
    media_folders: tuple[ExpandedPath, ...] = Field(
        (), description="Folders with files that a browser may open as a source. As text: one per line."
    )
    max_upload_megabytes: int = Field(4096, ge=1, description="Maximum size of an upload, megabytes.")

    metrics_from: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks that may read /healthz, /readyz and /metrics, in addition to this machine. "
        "As text: one per line.",
    )

    public_url: str = Field(
        "",
        description="Address of the dashboard for people, for links in messages, such as https://example.org/faces. "
        "Default: no links.",
    )

    @field_validator("sources", "media_folders", "metrics_from", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line have only text."""
        return lines(value)

    @field_validator("public_url", mode="after")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
            raise ValueError("must begin with http:// or https://, such as https://example.org/faces")
        return value.rstrip("/")


class AccessSettings(StageSettings):
    """Sign-in to the dashboard, and roles."""

    mode: Literal["open", "password", "oidc"] = Field(
        "open",
        description="open: no sign-in, this machine only. password: accounts from `people add`. "
        "oidc: OpenID Connect with Streamlit's st.login.",
    )
    open_to_network: bool = Field(default=False, description="In mode open: allow other machines, as administrators.")
    hosts: tuple[str, ...] = Field(
        (),
        description="In mode open: host names of this server, in addition to localhost and IP addresses. "
        "As text: one per line.",
    )
    idle_minutes: float = Field(
        720.0, gt=0, le=525_600, description="Time without a request after which a session ends, minutes (wall clock)."
    )
    sign_in_hours: float = Field(168.0, gt=0, le=8_760, description="Maximum length of a session, hours (wall clock).")
    admins: tuple[str, ...] = Field(
        (), description="In mode oidc: e-mail addresses of the administrators. As text: one per line."
    )
    reviewers: tuple[str, ...] = Field(
        (), description="In mode oidc: e-mail addresses of the reviewers. As text: one per line."
    )
    role_claim: str = Field("", description="In mode oidc: name of the claim that holds a role or a list of roles.")
    default_role: Literal["viewer", "reviewer", ""] = Field(
        "viewer", description="In mode oidc: role of all other users. Empty: no access."
    )

    @field_validator("hosts", "admins", "reviewers", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The environment and the command line have only text."""
        return lines(value)


class ApiSettings(StageSettings):
    """Limits of the REST API."""

    reads_per_minute: int = Field(
        1200, ge=1, le=600_000, description="Maximum number of read requests of a key, or of an address without a key."
    )
    changes_per_minute: int = Field(
        120, ge=1, le=600_000, description="Maximum number of changing requests of a key, or of an address without one."
    )
    event_clients: int = Field(32, ge=1, le=1000, description="Maximum number of open event connections.")
    event_buffer: int = Field(
        1000, ge=1, le=100_000, description="Number of events that a client can read after it was disconnected."
    )
    event_queue: int = Field(
        256, ge=1, le=10_000, description="Number of events that wait for a slow client; older ones are lost, counted."
    )
    history_hours: float = Field(6.0, gt=0, le=168, description="Time for which verdicts are kept, hours (UTC).")
    history_points: int = Field(
        50_000, ge=1000, le=1_000_000, description="Maximum number of kept verdicts per stream: 40 bytes each."
    )


class ServiceSettings(StageSettings):
    """Background work and the log of the dashboard's server."""

    heartbeat_interval: Seconds = Field(
        600.0, description="Time between two tests of the running engine, seconds (wall clock)."
    )
    log_file: ExpandedPath | None = Field(
        None, description="Log file, rotated by size. Default: logs/serve.log in the folder of the flags."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level of the log.")
    log_format: Literal["text", "json"] = Field("text", description="text, or json: one JSON object per line.")
