"""The answers about analyses and flags, beside :mod:`monitor.server.api.answers`, and the requests with a body."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from monitor.server.api.answers import Answer
from monitor.types import Flag, Label, Opinion

MAX_EXPORTED: Final = 500  # flags in one bundle
_Line = Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00]*$")]  # a database refuses a zero byte
_Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]


class AnalysisAnswer(Answer):
    """An uploaded or downloaded file and the state of its analysis."""

    id: str
    name: str = Field(description="Of the file.")
    created_at: datetime = Field(description="UTC.")
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float | None = Field(
        description="0 to 1 during the analysis; None otherwise, or if the length is unknown."
    )
    label: Label | None = Field(description="Of the whole file; None before the end.")
    why: str = Field(description="One sentence: why it failed, or ended early; empty otherwise.")
    error: str | None = Field(None, description="Kind of that failure, as the `type` of a problem; None without one.")

    @property
    def is_over(self) -> bool:
        """Whether the analysis has ended."""
        return self.state not in ("queued", "running")


class AnalysisPageAnswer(Answer):
    """One page of the analyses, the newest first."""

    items: list[AnalysisAnswer]
    next: str | None = Field(description="Cursor of the next page; None: this is the last one.")


class ResultFileAnswer(Answer):
    """A result file of an analysis."""

    name: str
    bytes: int


class ResultFilesAnswer(Answer):
    """All result files of an analysis."""

    items: list[ResultFileAnswer]
    next: None = None


class FlagPageAnswer(Answer):
    """One page of the flags, the newest first."""

    items: list[Flag]
    next: str | None = Field(description="Cursor of the next page; None: this is the last one.")


class AnalysisRequest(BaseModel):
    """The address of a file."""

    model_config = ConfigDict(extra="forbid")

    url: _Text = Field(min_length=1, description="http(s):// or the path of a file in a folder of media_folders.")


class FlagRequestBody(BaseModel):
    """A moment to flag: the newest picture of a stream."""

    model_config = ConfigDict(extra="forbid")

    stream: _Line = Field(description="Id of the stream.")
    track_id: int | None = Field(None, description="Of the face; None: the face with the worst verdict.")
    category: _Line = ""
    note: _Text = ""


class FlagReview(BaseModel):
    """A person's judgement; what is not given stays as it is."""

    model_config = ConfigDict(extra="forbid")

    opinion: Opinion | None = None
    category: _Line | None = None
    note: _Text | None = None


class ExportRequest(BaseModel):
    """The flags of a bundle."""

    model_config = ConfigDict(extra="forbid")

    ids: list[_Line] = Field(min_length=1, max_length=MAX_EXPORTED)
    blur: bool = Field(default=False, description="Make every face but the flagged one unrecognisable.")
