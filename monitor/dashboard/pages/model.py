"""Who judges, how well, and what the method cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import streamlit as st

from monitor.dashboard import station
from monitor.errors import MonitorError
from monitor.evidence.dossier import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitor.models.card import ModelCard
    from monitor.settings import VerdictSettings

_ACCUSED: Final = "accused_at_p_fake"
_PRESETS: Final = {
    0.6: "newsroom: miss little, look at much",
    0.75: "balanced (the default)",
    0.9: "wall of cameras: few alarms",
}


def show() -> None:
    """The page."""
    here = station.current()
    st.header("Model")
    try:
        with st.spinner("loading the engines"):
            card = here.engines().detector.card
    except MonitorError as error:
        st.error(str(error))
        return
    st.warning(card.limits, icon=":material/warning:")
    st.subheader("What no verdict can say")
    st.markdown("\n".join(f"- {limit}" for limit in LIMITS))
    _measured(card)
    _thresholds(card, here.settings.verdict)
    st.subheader("The weights")
    others = ", ".join(map(str, card.sizes[1:])) or "none"
    fit = card.calibration
    facts = {
        "id": card.id,
        "architecture": card.architecture,
        "input": f"{card.input.size} x {card.input.size} pixels, {card.input.channels}; other sizes: {others}",
        "licence": card.licence,
        "calibration": f"log-odds = {fit.scale:.3f} x logit {fit.shift:+.3f}, fitted on {fit.fitted_on}",
        "trained on": str(card.training.get("data", "")),
        "hardware": str(card.training.get("hardware", "")),
        "SHA-256": card.weights_sha256,
    }
    st.table(pd.DataFrame({"": list(facts.values())}, index=list(facts)))


def _measured(card: ModelCard) -> None:
    """Every figure of the card that has a value, with its interval."""
    st.subheader("How well, measured")
    for about, figures in card.metrics.items():
        rows = list(_rows(figures))
        if rows:
            st.markdown(f"**{about.replace('_', ' ')}**")
            st.dataframe(pd.DataFrame(rows, columns=["", "value", "95 % interval"]), hide_index=True, width="stretch")
    st.caption(
        "Intervals resample groups of videos. Figures hold for this data only: footage from elsewhere is harder."
    )


def _rows(figures: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    match figures:
        case {"value": value, "ci95": [low, high], **rest}:
            yield f"{name} {rest.get('what', '')}".strip(), f"{value:g}", f"{low:g} to {high:g}"
        case dict():
            for key, inner in figures.items():
                if key != _ACCUSED:
                    yield from _rows(inner, f"{name} {key.replace('_', ' ')}".strip())
        case int() | float():
            yield name, f"{figures:g}", ""
        case str():
            yield name, figures, ""


def _thresholds(card: ModelCard, chosen: VerdictSettings) -> None:
    """What a threshold costs and buys."""
    found = [
        (about, figures[_ACCUSED])
        for about, figures in card.metrics.items()
        if isinstance(figures, dict) and _ACCUSED in figures
    ]
    st.subheader("Which threshold?")
    st.markdown(
        f"A face is suspicious from P(fake) **{chosen.suspicious_at:g}**, likely fake from **{chosen.fake_at:g}**, "
        f"likely real up to **{chosen.real_at:g}** (settings `suspicious_at`, `fake_at`, `real_at` of `verdict`)."
    )
    for about, rows in found:
        table = [
            {
                "suspicious from": f"{row['at']:g}",
                "for": _PRESETS.get(row["at"], ""),
                "fakes found": _share(row["fakes_found"]),
                "genuine ones accused": _share(row["real_accused"]),
            }
            for row in rows
        ]
        st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch")
        st.caption(f"One crop at a time, on {about}; over time, evidence adds up.")


def _share(figure: Mapping[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{100 * figure['value']:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
