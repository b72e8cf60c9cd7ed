"""How this machine is doing."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import pandas as pd
import streamlit as st

import monitor
from monitor.dashboard.pages.current_user import may, permitted, refreshed
from monitor.dashboard.pages.sources import describe
from monitor.doctor import examine
from monitor.flags.retention import RetentionClass, RetentionRule, rules
from monitor.server import service
from monitor.server.auth.user import Role

_LINES: Final = 100  # of the log
_CLASSES: Final = {
    RetentionClass.UNREVIEWED: "made by the program, nobody looked",
    RetentionClass.FALSE_ALARM: "made by the program, a person says real",
    RetentionClass.EXEMPT: "made or confirmed by people, or the clip is still to come",
}


def show() -> None:
    """The page."""
    here = service.current()
    st.header("System")
    st.caption(f"deepfake-monitor {monitor.__version__}")
    _running(here)
    _engine(here)
    _storage(here)
    if may(Role.ADMIN):
        _log(here)
        _examination(here)


@refreshed(every=5.0)
def _engine(here: service.MonitorService) -> None:
    """What scores faces, why it was chosen, and whether it still scores as it should."""
    st.subheader("Engine")
    engines, beat = here.loaded, here.heartbeat.last
    if engines is None:
        st.markdown("Not loaded yet: it is with the server's first heartbeat, or with the first source.")
    else:
        st.markdown(f"**{engines.scorer.engine.name}**: {engines.choice.reason}. Weights {engines.classifier.card.id}.")
        for name, why in engines.choice.others.items():
            st.caption(f"not {name}: {why}")
    every = here.settings.service.heartbeat_interval
    if beat is None:
        st.info("No heartbeat yet: a known genuine and a known blended face are scored when the server begins.")
    elif beat.healthy:
        st.success(f"Heartbeat {beat.at:%H:%M:%S} UTC: {beat.why}", icon=":material/check_circle:")
    else:
        st.error(f"Heartbeat {beat.at:%H:%M:%S} UTC: {beat.why}", icon=":material/error:")
    if here.load.level:
        st.warning(str(here.load.cadence).capitalize() + ".", icon=":material/speed:")
    st.caption(f"Every {every:g} seconds, two known faces go through the running engine, beside the frames.")


def _storage(here: service.MonitorService) -> None:
    """What is kept, and what goes when."""
    st.subheader("Storage")
    archive = here.archive
    one, two, three = st.columns(3)
    one.metric("Flags", archive.store.count())
    two.metric("Kept", f"{archive.size / 1e6:.1f} MB")
    three.metric("Free on that disk", f"{archive.free / 1e9:.1f} GB")
    st.caption(
        f"In {archive.folder}. After the last start: {here.repaired.orphans} unfinished files were removed, "
        f"{here.repaired.lost} clips had been cut short."
    )
    known = rules(here.settings.evidence)
    plan = archive.plan(here.settings.evidence, now=datetime.now(UTC))
    rows = [
        {
            "class": keeping.value,
            "what": _CLASSES[keeping],
            "flags": stock.flags,
            "MB": f"{stock.size / 1e6:.1f}",
            "goes": _goes(known.get(keeping)),
        }
        for keeping, stock in plan.held.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        f"Tidied up every hour. Due now: {len(plan.deletions)} flags, {plan.freed / 1e6:.1f} MB. For Prometheus: "
        "`/metrics`; for whoever restarts services: `/healthz` and `/readyz`."
    )


def _goes(rule: RetentionRule | None) -> str:
    """When flags of a class go, in words."""
    if rule is None:
        return "never by itself"
    parts = [f"after {rule.days:g} days"] if rule.days is not None else []
    if rule.gigabytes is not None:
        parts.append(f"the oldest, beyond {rule.gigabytes:g} GB of {'all files' if rule.of_all else 'their own files'}")
    return "; ".join(parts) or "never: no days and no quota are set"


def _log(here: service.MonitorService) -> None:
    """Who did what lately."""
    st.subheader("Who did what")
    rows = [
        {"at": entry.at[:19], "who": entry.person, "did": entry.action, "what": entry.what, "from": entry.client}
        for entry in here.audit.last(_LINES)
    ]
    st.dataframe(pd.DataFrame(rows, columns=["at", "who", "did", "what", "from"]), hide_index=True, width="stretch")


def _examination(here: service.MonitorService) -> None:
    """What ``deepfake-monitor doctor`` says."""
    st.subheader("Is this machine ready?")
    if st.button("Examine it", help="Takes some seconds; the picture may stutter meanwhile.") and permitted(Role.ADMIN):
        found = examine(here.settings, out=Path(gettempdir()))
        rows = [{"question": one.question, "health": one.health, "answer": one.answer} for one in found]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


@refreshed(every=2.0)
def _running(here: service.MonitorService) -> None:
    """What is watched, and how it fares."""
    st.subheader("Watched")
    for channel in here.channels:
        status = channel.status
        st.markdown(f"**{channel.name}** ({channel.address}) {describe(status)}")
        if status.stats is not None:
            stats = status.stats
            lost = ", ".join(f"{count} {cause}" for cause, count in {**stats.dropped, **stats.lost}.items())
            st.caption(
                f"{stats.frames_analysed} of {stats.frames_read} frames analysed, {stats.fps:.1f} a second; "
                f"lost: {lost or 'none'}; opened {status.connection} times; {channel.hub.viewers} look at it"
            )
