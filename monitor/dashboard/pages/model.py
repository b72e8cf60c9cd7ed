"""The classifier: its accuracy, its thresholds and the limits of the method."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from monitor.classifiers.committee import CommitteeCard
from monitor.classifiers.model_card import ModelCard
from monitor.dashboard.pages import curves
from monitor.dashboard.pages.current_user import audit, check_role, explain_denial
from monitor.dashboard.pages.formatting import text_table
from monitor.errors import MonitorError
from monitor.flags.export_document import LIMITS
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.settings import Preset, VerdictSettings
from monitor.types import Reason
from monitor.types.formatting import share

_ACCUSED: Final = "accused_at_p_fake"
_KINDS: Final = {"all": "all clips", "footage": "genuine footage", "generator": "fakes by"}
_DESCRIPTIONS: Final = {
    Preset.NEWSROOM: "Newsroom: finds more fakes, raises more false alarms",
    Preset.BALANCED: "Balanced",
    Preset.WALL: "Wall of cameras: raises few false alarms, misses more fakes",
}


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    st.header("Model")
    try:
        with st.spinner("Loading the engines"):
            committee = monitor_service.engines().committee
    except MonitorError as error:
        st.error(str(error))
        return
    cards = [classifier.card for classifier in committee.classifiers]
    st.warning((committee.card or cards[0]).limits, icon=":material/warning:")
    st.subheader("Limits of every verdict")
    st.markdown("\n".join(f"- {limit}" for limit in LIMITS))
    if committee.card:
        _members(committee.card, cards)
    _thresholds(monitor_service, cards[0])
    places = st.tabs([card.id for card in cards]) if committee.card else [st.container()]
    for card, place in zip(cards, places, strict=True):
        with place:
            _curves(card, monitor_service.settings.verdict)
            _domains(card)
            _figures(card)
            _weights(card)


def _members(committee: CommitteeCard, cards: Sequence[ModelCard]) -> None:
    """Lists the classifiers of a committee with their weights in the verdict."""
    st.subheader("Committee")
    st.markdown(
        "The verdict is a weighted sum of the evidence of these classifiers. "
        f"The weights were fitted on {committee.fitted_on}."
    )
    rows = [
        {
            "classifier": card.id,
            "weight": f"{member.weight:.2f}",
            "input, pixels": card.input.size,
            "side of the crop, face heights": card.crop.side_over_box_height,
        }
        for card, member in zip(cards, committee.members, strict=True)
    ]
    text_table(rows, name="Classifiers of the committee")
    if committee.max_difference is not None:
        st.caption(
            f"If the evidence of two classifiers differs by {committee.max_difference:g} (the natural logarithm of the "
            "odds of fake) or more, a face gets no verdict: "
            f"{Reason.MODELS_DISAGREE.in_words}."
        )


def _thresholds(monitor_service: service.MonitorService, card: ModelCard) -> None:
    """Shows the current thresholds, a switch of the preset, and the accuracy of each preset."""
    st.subheader("Thresholds")
    chosen = monitor_service.settings.verdict
    st.markdown(
        f"A face is suspicious from P(fake) **{chosen.suspicious_at:g}**, likely fake from **{chosen.fake_at:g}** and "
        f"likely real up to **{chosen.real_at:g}**."
    )
    locked = explain_denial(Role.ADMIN)
    if not chosen.as_preset:
        locked = "The settings define their own thresholds, which override the presets."
        st.caption(locked)

    def switch_preset() -> None:
        preset: Preset | None = st.session_state["model-preset"]
        if preset is not None and not locked and check_role(Role.ADMIN):
            monitor_service.judge_by(preset)
            audit("preset switched", preset)

    st.radio(
        "Preset",
        list(Preset),
        index=list(Preset).index(chosen.preset) if chosen.as_preset else None,
        format_func=_DESCRIPTIONS.__getitem__,
        key="model-preset",
        on_change=switch_preset,
        disabled=bool(locked),
        help=locked or None,
    )
    st.caption(
        "The preset applies to sources and uploads opened from now on, until the server stops. At its start, the "
        "server uses the setting `verdict.preset`. Every flag stores the thresholds of its verdict."
    )
    extra = card.model_extra or {}
    if "curves" in extra:
        _presets(extra["curves"]["presets"], extra.get("preset_clips", {}))
        material = f"Figures for single faces: {extra['curves']['material']}; over time, evidence accumulates."
        st.caption(" ".join(filter(None, (material, extra.get("preset_clips", {}).get("about")))))


def _presets(presets: Mapping[str, Any], clips: Mapping[str, Any]) -> None:
    """Shows the accuracy of each preset."""
    rows = []
    for preset in Preset:
        single, over_time = presets[preset], clips.get(preset)
        row = {
            "preset": preset.value,
            "suspicious from": f"{single['suspicious_at']:g}",
            "fake faces found": _share(single["fakes_found"]),
            "genuine faces suspected": _share(single["real_accused"]),
            "faces left undecided": _share(single["undecided"]),
        }
        if over_time is not None:
            alarms = over_time["false_alarms_per_hour"]
            low, high = alarms["ci95"]
            row |= {
                "false alarms per hour": f"{alarms['value']:.0f} [{low:.0f}, {high:.0f}]",
                "fake clips found": over_time["fakes_found"],
                "genuine clips suspected": over_time["real_accused"],
            }
        rows.append(row)
    text_table(rows, name="Accuracy of each preset")


def _curves(card: ModelCard, thresholds: VerdictSettings) -> None:
    facts = (card.model_extra or {}).get("curves")
    st.subheader("Accuracy")
    if facts is None:
        st.info("The model card of these weights has no curves. The command `deepfake-monitor lab card` adds them.")
        return
    one, two, three = st.columns(3)
    one.altair_chart(curves.roc(facts, thresholds), width="stretch")
    two.altair_chart(curves.reliability(facts), width="stretch")
    three.altair_chart(curves.scores(facts, thresholds), width="stretch")
    st.caption(
        f"{facts['crops']:,} single faces from {facts['groups']:,} groups of videos ({facts['material']}). Left: a "
        "curve on the dashed line is no better than chance; the dot marks the current threshold for suspicious. "
        "Middle: on the dashed line, 70 of 100 faces with P(fake) 70 % are fake; a larger dot stands for more faces. "
        "Right: where the two colours overlap, no threshold separates genuine from fake faces; the dashed line is the "
        "current threshold for suspicious."
    )


def _domains(card: ModelCard) -> None:
    """Shows the accuracy by generator and by source of footage, the worst first."""
    if not card.domains:
        return
    st.subheader("By generator and by source of footage")
    blind = sorted({domain.name for domain in card.domains if domain.kind == "generator" and domain.is_blind})
    if blind:
        st.warning(
            f"No test shows that fakes by these generators rank higher than genuine footage: {', '.join(blind)}. A "
            "verdict on them may be worth no more than a coin.",
            icon=":material/visibility_off:",
        )
    rows = [
        {
            "of": _KINDS[domain.kind],
            "name": domain.name,
            "clips": domain.clips,
            "AUC": f"{domain.auc:.2f}",
            "95 % interval": "" if domain.ci95 is None else f"{domain.ci95[0]:.2f} to {domain.ci95[1]:.2f}",
            "finding": domain.finding,
            "material": domain.material,
        }
        for domain in sorted(card.domains, key=lambda domain: (domain.kind, domain.auc))
    ]
    text_table(rows, name="Accuracy by generator and by source of footage")
    st.caption(
        "AUC is the share of pairs of a fake and a genuine clip in which the fake gets the higher score; a coin has "
        "0.5. A generator is compared with all genuine clips, a source of genuine footage with all fakes."
    )


def _figures(card: ModelCard) -> None:
    """Shows every figure of the card that has a value, with its confidence interval."""
    st.subheader("All figures")
    for topic, figures in card.metrics.items():
        rows = [dict(zip(("figure", "value", "95 % interval"), row, strict=True)) for row in _rows(figures)]
        if rows:
            st.markdown(f"**{topic.replace('_', ' ')}**")
            text_table(rows, name=topic.replace("_", " "))
    st.caption(
        "The 95 % intervals come from resampling groups of videos. The figures are valid for this data only: other "
        "footage is harder."
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
    if low is None:  # nearly all resamples agree
        return share(figure["value"], digits=digits)
    return f"{share(figure['value'], digits=digits)} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def _weights(card: ModelCard) -> None:
    st.subheader("Model weights")
    others = ", ".join(map(str, card.sizes[1:])) or "none"
    fit = card.calibration
    facts = {
        "id": card.id,
        "architecture": card.architecture,
        "input": f"{card.input.size} x {card.input.size} pixels, {card.input.channels}; other sizes: {others}",
        "licence": card.licence,
        "calibration": f"evidence = {fit.scale:.3f} x output {fit.shift:+.3f}, fitted on {fit.fitted_on}",
        "trained on": str(card.training.get("data", "")),
        "hardware": str(card.training.get("hardware", "")),
        "SHA-256": card.weights_sha256,
    }
    text_table([{"property": name, "value": value} for name, value in facts.items()], name="Model weights")
