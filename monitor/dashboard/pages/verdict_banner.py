"""The verdict on an analysed file: its words, its limits and the next step."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from monitor.dashboard.pages.formatting import INDICATION, badge
from monitor.types import Label

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
    Label.NOT_ENOUGH_EVIDENCE: "The program cannot decide. Better footage may help: larger and sharper faces, or a "
    "longer recording.",
}


def show_banner(name: str, report: Mapping[str, Any]) -> None:
    """Shows the verdict on the whole file, its limits and the next step.

    Args:
        name: of the file.
        report: the content of its report.json.
    """
    verdict = report["verdict"]
    label = Label(verdict["label"])
    st.subheader(f"{name} {badge(label)}")
    sentences = [verdict["in_words"], _ADVICE[label]]
    if label is Label.LIKELY_REAL:
        sentences.append(blindness(report["model"].get("blind_generators", ())))  # earlier reports had none
    _BOXES[label](" ".join(filter(None, [*sentences, f"*{INDICATION}*"])))


def blindness(generators: Sequence[str]) -> str:
    """The generators whose fakes the model cannot tell from genuine footage, as a sentence; "" without any."""
    if not generators:
        return ""
    *others, last = generators
    names = f"{', '.join(others)} and {last}" if others else last
    return (
        f"In its tests, this model could not tell fakes by {names} from genuine footage: they can pass as likely real."
    )
