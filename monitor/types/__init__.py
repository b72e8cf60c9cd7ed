"""The data types of the pipeline: one frozen value per stage.

``Frame -> Faces -> TrackedFaces (+ Qualities) -> Scores -> Verdict, LabelChange -> Segment -> Observation``

Shape, dtype, order and range of an array are documented beside its field and checked once, in the constructor.
Boxes are pixels of the full frame, ``x1 y1 x2 y2``, x to the right, y down.
"""

from monitor.types.content_credentials import (
    AiUse,
    ContentCredentials,
    CredentialAction,
    CredentialFault,
    CredentialIngredient,
    CredentialState,
)
from monitor.types.faces import Calibration, ClassifierScores, Faces, Qualities, ScoreProcess, Scores, TrackedFaces
from monitor.types.flags import ClipState, Flag, FlagFile, Opinion, Origin
from monitor.types.frames import Floats, Frame, Pixels, SourceInfo
from monitor.types.hints import Hint, HintKind
from monitor.types.labels import Label, Reason
from monitor.types.verdicts import (
    ClassifierVerdict,
    Judgement,
    LabelChange,
    Observation,
    ScoredSample,
    Segment,
    SourceVerdict,
    TrackSummary,
    Verdict,
)

__all__ = [
    "AiUse",
    "Calibration",
    "ClassifierScores",
    "ClassifierVerdict",
    "ClipState",
    "ContentCredentials",
    "CredentialAction",
    "CredentialFault",
    "CredentialIngredient",
    "CredentialState",
    "Faces",
    "Flag",
    "FlagFile",
    "Floats",
    "Frame",
    "Hint",
    "HintKind",
    "Judgement",
    "Label",
    "LabelChange",
    "Observation",
    "Opinion",
    "Origin",
    "Pixels",
    "Qualities",
    "Reason",
    "ScoreProcess",
    "ScoredSample",
    "Scores",
    "Segment",
    "SourceInfo",
    "SourceVerdict",
    "TrackSummary",
    "TrackedFaces",
    "Verdict",
]
