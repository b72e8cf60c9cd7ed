"""The labels of a face, and the reasons against a label."""

from enum import StrEnum


class Label(StrEnum):
    """The label of a face or of a whole source. Severity increases from top to bottom."""

    NOT_ENOUGH_EVIDENCE = "NOT_ENOUGH_EVIDENCE"
    LIKELY_REAL = "LIKELY_REAL"
    SUSPICIOUS = "SUSPICIOUS"
    LIKELY_FAKE = "LIKELY_FAKE"

    @property
    def severity(self) -> int:
        """0 for NOT_ENOUGH_EVIDENCE up to 3 for LIKELY_FAKE."""
        return list(Label).index(self)

    @property
    def suspects(self) -> bool:
        """Whether the label is SUSPICIOUS or LIKELY_FAKE."""
        return self in (Label.SUSPICIOUS, Label.LIKELY_FAKE)

    @property
    def in_words(self) -> str:
        """Text for people: "likely fake"."""
        return self.value.replace("_", " ").lower()


class Reason(StrEnum):
    """A reason for NOT_ENOUGH_EVIDENCE or for a reduced weight."""

    NO_FACE = "NO_FACE"
    TOO_SMALL = "TOO_SMALL"
    TOO_BLURRED = "TOO_BLURRED"
    TOO_DARK = "TOO_DARK"
    PROFILE_POSE = "PROFILE_POSE"
    TILTED_POSE = "TILTED_POSE"
    OUT_OF_FRAME = "OUT_OF_FRAME"
    UNCERTAIN_FACE = "UNCERTAIN_FACE"
    TOO_FEW_SAMPLES = "TOO_FEW_SAMPLES"
    SINGLE_IMAGE = "SINGLE_IMAGE"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_SEEN = "NOT_SEEN"
    ENGINE_DEGRADED = "ENGINE_DEGRADED"
    MODELS_DISAGREE = "MODELS_DISAGREE"

    @property
    def in_words(self) -> str:
        """Text for people: "face too small"."""
        return _REASONS_IN_WORDS[self]


_REASONS_IN_WORDS = {
    Reason.NO_FACE: "no face",
    Reason.TOO_SMALL: "face too small",
    Reason.TOO_BLURRED: "face too blurred",
    Reason.TOO_DARK: "face too dark",
    Reason.PROFILE_POSE: "face turned away",
    Reason.TILTED_POSE: "face tilted or upside down",
    Reason.OUT_OF_FRAME: "face cut off by the frame",
    Reason.UNCERTAIN_FACE: "not clearly a face",
    Reason.TOO_FEW_SAMPLES: "too few samples",
    Reason.SINGLE_IMAGE: "a single picture",
    Reason.INCONCLUSIVE: "leans neither way",
    Reason.NOT_SEEN: "not seen well lately",
    Reason.ENGINE_DEGRADED: "engine degraded",
    Reason.MODELS_DISAGREE: "the classifiers disagree",
}
