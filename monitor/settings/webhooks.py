"""Settings of the webhooks."""

from pydantic import Field

from monitor.settings.values import Seconds, StageSettings


class WebhookSettings(StageSettings):
    """Delivery of events to the addresses of ``webhooks add``."""

    private_networks: bool = Field(
        default=False,
        description="Allow addresses in private networks and on this machine, also with http://. Elsewhere only "
        "https:// is allowed; link-local and cloud metadata addresses never are.",
    )
    timeout: Seconds = Field(15.0, description="Time that a receiver has for its answer, seconds (wall clock).")
    queue_size: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of events in memory that wait for the database. Further events are lost, which is "
        "logged and counted.",
    )
    give_up_hours: float = Field(
        24.0,
        gt=0,
        le=8_760,
        description="Age at which an event that its receiver does not accept becomes a dead letter, hours (UTC), "
        "after at least ten attempts.",
    )
    keep_delivered_hours: float = Field(
        24.0, ge=0, le=8_760, description="Age at which delivered events are deleted, hours (UTC)."
    )
    keep_dead_days: float = Field(
        30.0, gt=0, le=3_650, description="Age at which dead letters are deleted, days (UTC)."
    )
