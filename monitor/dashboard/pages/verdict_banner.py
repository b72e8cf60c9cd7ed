"""The verdict on an analysed file: its words, its limits and the next step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from monitor.analysis.quality import weak_points
from monitor.dashboard.pages.formatting import INDICATION, address, badge, escape, show_picture
from monitor.results.key_frames import KeyFrame, key_frames, strongest
from monitor.settings import QualitySettings, VerdictSettings, rename_settings
from monitor.types import Label, Reason
from monitor.types.formatting import clock, clock_span, count, share

_BOXES: Final = {  # no green: a result without findings must not look like proof
    Label.LIKELY_FAKE: st.error,
    Label.SUSPICIOUS: st.warning,
    Label.LIKELY_REAL: st.info,
    Label.NOT_ENOUGH_EVIDENCE: st.info,
}
_ADVICE: Final = {
    Label.LIKELY_FAKE: "Watch the suspicious spans yourself, and check the source of the footage. Do not act on this "
    "result alone.",
    Label.SUSPICIOUS: "There are some signs of manipulation. Watch the spans below, and ask for the original file.",
    Label.LIKELY_REAL: "**Likely real is not proof.** The program misses many fakes, above all by new generators. "
    "Check the source of the footage.",
    Label.NOT_ENOUGH_EVIDENCE: "The program cannot decide.",
}
_REMEDIES: Final = {
    Reason.NO_FACE: "It judges faces only, and found none.",
    Reason.TOO_SMALL: "Footage with larger faces may help.",
    Reason.TOO_BLURRED: "Sharper footage may help, such as the original file.",
    Reason.TOO_DARK: "Brighter footage may help.",
    Reason.PROFILE_POSE: "Footage in which the face looks to the camera may help.",
    Reason.TILTED_POSE: "Footage in which the face is upright may help.",
    Reason.OUT_OF_FRAME: "Footage that shows the whole face may help.",
    Reason.TOO_FEW_SAMPLES: "A longer recording may help.",
    Reason.SINGLE_IMAGE: "A video of the same scene may help.",
    Reason.INCONCLUSIVE: "The face was seen well, but its evidence is weak: the original file may help.",
}
_EXAMINED: Final = "Only faces were examined: not the voice, the background, or the origin of the file."
_HOW_TO_READ: Final = """
- **P(fake)** is how likely the program takes a face to be manipulated. It is not the share of the video that is fake.
  It was calibrated on test material, and is less reliable on other footage: see the page Model.
- The verdict on the file is that on its **most suspicious face**, at its worst moment. P(fake) of a face joins all of
  its pictures; "alone" is the score of one picture, which is often higher.
- A face is **suspicious** from {suspicious} on, **likely fake** from {fake} on and **likely real** up to {real}.
  Between these values, or if the face is badly seen, there is **not enough evidence**, for or against the footage.
- Before you publish: watch the suspicious spans, look for the original and its source, and ask a second person.
"""
_WEAK: Final = {Reason.TOO_SMALL: "small", Reason.TOO_BLURRED: "blurred", Reason.TOO_DARK: "dark"}
_SPANS: Final = 2  # listed in the banner
_PICTURE: Final = 120  # pixels


def show_banner(name: str, report: Mapping[str, Any], *, folder: Path, analysis_id: str) -> None:
    """Shows the verdict on the whole file, its limits and the next step; of a suspicion, the face that caused it.

    Args:
        name: of the file.
        report: the content of its report.json.
        folder: of the results.
        analysis_id: of the upload.
    """
    verdict = report["verdict"]
    label = Label(verdict["label"])
    st.subheader(f"{escape(name)} {badge(label)}")
    sentences = [verdict["in_words"], _ADVICE[label], *remedies(label, verdict["reasons"])]
    if label is Label.LIKELY_REAL:
        sentences.append(blindness(report["model"].get("blind_generators", ())))  # earlier reports had none
    moment = strongest(key_frames(folder), verdict["track_id"]) if label.suspects else None
    if label.suspects:
        sentences[1:1] = [_when(report, verdict["track_id"], moment), _caution(report, moment)]
    row = st.container(horizontal=True, vertical_alignment="top")
    if moment is not None and (folder / moment.clear_file).is_file():
        with row:
            url = address("analyses", analysis_id, moment.clear_file)
            show_picture(url, description=f"face {moment.track_id}", width=_PICTURE)
    with row.container(width="stretch"):
        _BOXES[label](" ".join(filter(None, [*sentences, _EXAMINED, f"*{INDICATION}*"])))
    limits = VerdictSettings.model_validate(rename_settings(report["settings"]).get("verdict", {}))
    with st.expander("How to read this result"):
        st.markdown(
            _HOW_TO_READ.format(
                suspicious=share(limits.suspicious_at), fake=share(limits.fake_at), real=share(limits.real_at)
            )
        )


def remedies(label: Label, reasons: Sequence[str]) -> list[str]:
    """Advice for an undecided verdict, a sentence for each of its reasons."""
    if label is not Label.NOT_ENOUGH_EVIDENCE:
        return []
    return [_REMEDIES[reason] for reason in map(Reason, reasons) if reason in _REMEDIES]


def _when(report: Mapping[str, Any], track_id: int, moment: KeyFrame | None) -> str:
    """The times at which a face is suspicious, as a sentence; "" of a still picture."""
    if report["source"]["still"]:
        return ""
    spans = [span for span in report["segments"] if span["track_id"] == track_id]
    times = ", ".join(clock_span(span["start"], span["end"]) for span in spans[:_SPANS])
    if len(spans) > _SPANS:
        times += f" and {count(len(spans) - _SPANS, 'more span')}"
    peak = "" if moment is None else f"highest score at {clock(moment.media_time)}"
    facts = "; ".join(filter(None, (times and f"suspicious from {times}", peak)))
    return f"Face {track_id}: {facts}." if facts else ""


def _caution(report: Mapping[str, Any], moment: KeyFrame | None) -> str:
    """The weak points of the picture with the strongest evidence, as a sentence; "" without any."""
    if moment is None or moment.size is None or moment.sharpness is None or moment.brightness is None:
        return ""
    limits = QualitySettings.model_validate(rename_settings(report["settings"]).get("quality", {}))
    weak = weak_points(size=moment.size, sharpness=moment.sharpness, brightness=moment.brightness, settings=limits)
    if not weak:
        return ""
    *others, last = [_WEAK[reason] for reason in weak]
    words = f"{', '.join(others)} and {last}" if others else last
    height = f"{moment.size:.0f} pixels high"
    return f"**There, this face is {words}** ({height}): a weak basis for a suspicion."


def blindness(generators: Sequence[str]) -> str:
    """The generators whose fakes the model cannot tell from genuine footage, as a sentence; "" without any."""
    if not generators:
        return ""
    *others, last = generators
    names = f"{', '.join(others)} and {last}" if others else last
    return (
        f"In its tests, this model could not tell fakes by {names} from genuine footage: they can pass as likely real."
    )
