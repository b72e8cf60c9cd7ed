"""Who judges, how well, where its thresholds lie, and what the method cannot do."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from monitor.classifiers.model_card import ModelCard
from monitor.dashboard.pages import curves
from monitor.dashboard.pages.current_user import audit, lacking, permitted
from monitor.errors import MonitorError
from monitor.flags.export_document import LIMITS
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.settings import Preset, VerdictSettings
from monitor.types.formatting import share

_ACCUSED: Final = "accused_at_p_fake"
_FOR: Final = {
    Preset.NEWSROOM: "Newsroom: miss little, look at much",
    Preset.BALANCED: "Balanced",
    Preset.WALL: "Wall of cameras: few alarms",
}


def show() -> None:
    """The page."""
    here = service.current()
    st.header("Model")
    try:
        with st.spinner("loading the engines"):
            card = here.engines().classifier.card
    except MonitorError as error:
        st.error(str(error))
        return
    st.warning(card.limits, icon=":material/warning:")
    st.subheader("What no verdict can say")
    st.markdown("\n".join(f"- {limit}" for limit in LIMITS))
    _thresholds(here, card)
    _drawn(card, here.settings.verdict)
    _measured(card)
    _weights(card)


def _thresholds(here: service.MonitorService, card: ModelCard) -> None:
    """Which thresholds hold, what each preset costs, and the switch."""
    st.subheader("How soon to suspect")
    chosen = here.settings.verdict
    st.markdown(
        f"A face is suspicious from P(fake) **{chosen.suspicious_at:g}**, likely fake from **{chosen.fake_at:g}**, "
        f"likely real up to **{chosen.real_at:g}**."
    )
    locked = lacking(Role.ADMIN)
    if not chosen.as_preset:
        locked = "The settings give thresholds of their own, which win over presets."
        st.caption(locked)

    def switched() -> None:
        wanted: Preset | None = st.session_state["model-preset"]
        if wanted is not None and not locked and permitted(Role.ADMIN):
            here.judge_by(wanted)
            audit("preset switched", wanted)

    st.radio(
        "Preset",
        list(Preset),
        index=list(Preset).index(chosen.preset) if chosen.as_preset else None,
        format_func=_FOR.__getitem__,
        key="model-preset",
        on_change=switched,
        disabled=bool(locked),
        help=locked or None,
    )
    st.caption(
        "It holds for sources and uploads opened from now on, until the server ends; the setting `verdict.preset` "
        "is what it begins with. Every flag keeps the thresholds that it was judged by."
    )
    found = card.model_extra or {}
    if "curves" in found:
        _costs(found["curves"]["presets"], found.get("preset_clips", {}))
        where = f"Single faces: {found['curves']['material']}; over time, evidence adds up."
        st.caption(" ".join(filter(None, (where, found.get("preset_clips", {}).get("about")))))


def _costs(presets: Mapping[str, Any], clips: Mapping[str, Any]) -> None:
    """What each preset finds, and what it costs."""
    rows = []
    for preset in Preset:
        single, over_time = presets[preset], clips.get(preset)
        row = {
            "preset": preset.value,
            "suspicious from": f"{single['suspicious_at']:g}",
            "of fake faces it finds": _share(single["fakes_found"]),
            "of genuine faces it suspects": _share(single["real_accused"]),
            "stay undecided": _share(single["undecided"]),
        }
        if over_time is not None:
            alarms = over_time["false_alarms_per_hour"]
            low, high = alarms["ci95"]
            row |= {
                "false alarms an hour": f"{alarms['value']:.0f} [{low:.0f}, {high:.0f}]",
                "fake clips found": over_time["fakes_found"],
                "genuine clips suspected": over_time["real_accused"],
            }
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _drawn(card: ModelCard, thresholds: VerdictSettings) -> None:
    facts = (card.model_extra or {}).get("curves")
    st.subheader("How well, drawn")
    if facts is None:
        st.info("The card of these weights holds no curves: `deepfake-monitor lab card` puts them there.")
        return
    one, two, three = st.columns(3)
    one.altair_chart(curves.roc(facts, thresholds), width="stretch")
    two.altair_chart(curves.reliability(facts), width="stretch")
    three.altair_chart(curves.scores(facts, thresholds), width="stretch")
    st.caption(
        f"{facts['crops']:,} single faces of {facts['groups']:,} groups of videos ({facts['material']}). Left: a curve "
        "on the dashed line would be a coin; the dot is where the thresholds lie now. Middle: on the dashed line, of a "
        "hundred faces with P(fake) 70 % seventy are fake; large dots are many faces. Right: where the two overlap, no "
        "threshold tells them apart; the dashed line is where suspicion begins."
    )


def _measured(card: ModelCard) -> None:
    """Every figure of the card that has a value, with its interval."""
    st.subheader("All figures")
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


def _share(figure: Mapping[str, Any]) -> str:
    low, high = figure["ci95"]
    digits = 0 if figure["value"] >= 0.01 else 1
    return f"{share(figure['value'], digits=digits)} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def _weights(card: ModelCard) -> None:
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
