"""Settings of a fleet: several machines that watch streams for one server."""

from pydantic import Field

from monitor.settings.values import Seconds, StageSettings


class FleetSettings(StageSettings):
    """Placement of streams on the nodes of a Ray cluster (``fleet serve``)."""

    streams_per_core: float = Field(
        3.5,
        gt=0,
        le=1000,
        description="Number of streams for each core of a node. Measured default: 720p25 with one face each.",
    )
    cores_per_process: int = Field(
        4, ge=1, le=256, description="Number of cores of a node that one process with its own engine uses."
    )
    node_timeout: Seconds = Field(
        3.0, description="Time without an answer after which a node's streams move to others, seconds (wall clock)."
    )
    lease: Seconds = Field(
        6.0,
        description="Time without a request of the server after which a node stops its streams, seconds (wall clock). "
        "More than node_timeout.",
    )
    settle_time: Seconds = Field(
        10.0,
        description="Time without a change of the nodes before running streams move to balance them, seconds "
        "(wall clock).",
    )
    overload_time: Seconds = Field(
        20.0,
        description="Time for which a node must skip frames before it gives a stream away, seconds (wall clock).",
    )
    namespace: str = Field(
        "deepfake-monitor",
        pattern=r"^[\w.-]{1,64}$",
        description="Name of the server's actors in the cluster. Two servers on one cluster need two names.",
    )
