"""The state of the machine: sources, engine, storage, API keys, webhooks, audit log and machine check."""

from pathlib import Path
from tempfile import gettempdir
from typing import Final

import pandas as pd
import streamlit as st

import monitor
from monitor.dashboard.pages.api_keys import show_api_keys
from monitor.dashboard.pages.current_user import check_role, has_role, refresh
from monitor.dashboard.pages.formatting import engine_in_words, escape, list_as_text, text_table
from monitor.dashboard.pages.sources import choose_listed, describe
from monitor.dashboard.pages.webhooks import show_webhooks
from monitor.doctor import examine
from monitor.flags.retention import RetentionClass, RetentionRule, rules
from monitor.server import service
from monitor.server.auth.user import Role

_LINES: Final = 100  # of the audit log
_CLASSES: Final = {
    RetentionClass.UNREVIEWED: ("unreviewed", "flagged by the program, not reviewed"),
    RetentionClass.FALSE_ALARM: ("false alarm", "flagged by the program, judged real by a person"),
    RetentionClass.EXEMPT: ("kept", "flagged or confirmed by a person, or the clip is still being recorded"),
}


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    st.header("System")
    st.caption(f"deepfake-monitor {monitor.__version__}")
    _sources(monitor_service)
    _nodes(monitor_service)
    _engine(monitor_service)
    _storage(monitor_service)
    if has_role(Role.ADMIN):
        show_api_keys(monitor_service)
        show_webhooks()
        _audit_log(monitor_service)
        _machine_check(monitor_service)


@refresh(every=5.0)
def _engine(monitor_service: service.MonitorService) -> None:
    """Shows the engine, the reason for its selection, and its last heartbeat."""
    st.subheader("Engine")
    engines, beat = monitor_service.loaded, monitor_service.heartbeat.last
    if engines is None:
        st.markdown("Not loaded yet. The server loads the engine with its first heartbeat or its first source.")
    else:
        st.markdown(
            f"**{engine_in_words(engines.scorer.engine.name)}**: {engines.choice.reason}. "
            f"Weights {engines.committee.id}."
        )
        for name, reason in engines.choice.others.items():
            st.caption(f"Not {name}: {reason}")
    every = monitor_service.settings.service.heartbeat_interval
    if beat is None:
        st.info("No heartbeat yet. At its start, the server scores a known genuine face and a known fake face.")
    elif beat.healthy:
        st.success(f"Heartbeat {beat.at:%H:%M:%S} UTC: {beat.why}", icon=":material/check_circle:")
    else:
        st.error(f"Heartbeat {beat.at:%H:%M:%S} UTC: {beat.why}", icon=":material/error:")
    if monitor_service.load.level:
        st.warning(str(monitor_service.load.cadence).capitalize() + ".", icon=":material/speed:")
    st.caption(f"Every {every:g} seconds, the running engine scores two known faces to test itself.")


def _storage(monitor_service: service.MonitorService) -> None:
    """Shows the disk space of the flags and the deletion rules."""
    st.subheader("Storage")
    archive = monitor_service.archive
    one, two, three = st.columns(3)
    one.metric("Flags", archive.store.count())
    two.metric("Used", f"{archive.size / 1e6:.1f} MB")
    three.metric("Free on this disk", f"{archive.free / 1e9:.1f} GB")
    repaired = monitor_service.repaired
    st.caption(
        f"Folder: {archive.folder}. Files of flags: {archive.files.address}. "
        f"At the last start, {repaired.orphans} unfinished files were removed and "
        f"{repaired.lost} clips were incomplete."
    )
    retention_rules = rules(monitor_service.settings.evidence)
    plan = monitor_service.plan_retention()
    rows = [
        {
            "class": _CLASSES[retention_class][0],
            "description": _CLASSES[retention_class][1],
            "flags": usage.flags,
            "MB": f"{usage.size / 1e6:.1f}",
            "deleted": _describe(retention_rules.get(retention_class)),
        }
        for retention_class, usage in plan.held.items()
    ]
    text_table(rows, name="Deletion rules")
    st.caption(
        f"The server deletes due flags every hour. Due now: {len(plan.deletions)} flags, {plan.freed / 1e6:.1f} MB. "
        "Addresses for administrators: `/metrics` (Prometheus), `/healthz` and `/readyz` (health checks)."
    )


def _describe(rule: RetentionRule | None) -> str:
    """Describes when the server deletes the flags of a class."""
    if rule is None:
        return "never automatically"
    parts = [f"after {rule.days:g} days"] if rule.days is not None else []
    if rule.gigabytes is not None:
        files = "all files" if rule.of_all else "files of this class"
        parts.append(f"the oldest, beyond {rule.gigabytes:g} GB of {files}")
    return "; ".join(parts) or "never: neither an age limit nor a quota is set"


def _audit_log(monitor_service: service.MonitorService) -> None:
    """Shows the latest actions of all users."""
    st.subheader("Audit log")
    columns = ["time", "person", "action", "subject", "from address"]
    entries = [
        (entry.at[:19], entry.person, entry.action, entry.what, entry.client)
        for entry in monitor_service.audit.last(_LINES)
    ]
    st.dataframe(pd.DataFrame(entries, columns=columns), hide_index=True, width="stretch")
    rows = [dict(zip(columns, entry, strict=True)) for entry in entries]
    list_as_text(rows, name="Audit log", key="audit-as-text")


def _machine_check(monitor_service: service.MonitorService) -> None:
    """Shows the findings of ``deepfake-monitor doctor``."""
    st.subheader("Is this machine ready?")
    if st.button("Check now", help="Takes some seconds. Live pictures may stutter meanwhile.") and check_role(
        Role.ADMIN
    ):
        findings = examine(monitor_service.settings, out=Path(gettempdir()))
        rows = [{"question": one.question, "health": one.health, "answer": one.answer} for one in findings]
        text_table(rows, name="Findings about this machine")


@refresh(every=2.0)
def _sources(monitor_service: service.MonitorService) -> None:
    """Shows each source with its frame rate and its dropped frames; of many, first those without a picture."""
    st.subheader("Sources")
    streams = monitor_service.streams
    listed = choose_listed(streams, words="", suspicious=())
    for stream in listed:
        status = stream.status
        st.markdown(f"**{escape(stream.name)}** ({escape(stream.address)}) {describe(status)}")
        if status.stats is not None:
            stats = status.stats
            drops = ", ".join(f"{count} {cause}" for cause, count in {**stats.dropped, **stats.lost}.items())
            st.caption(
                f"{stats.frames_analysed} of {stats.frames_read} frames analysed, {stats.fps:.1f} frames/s; "
                f"dropped: {drops or 'none'}; connections: {status.connection}; viewers: {stream.broadcaster.viewers}"
                + (f"; node: {escape(stream.node)}" if stream.node else "")
            )
    if len(listed) < len(streams):
        st.caption(f"{len(listed)} of {len(streams)} sources, first those without a picture. /metrics has all of them.")


@refresh(every=2.0)
def _nodes(monitor_service: service.MonitorService) -> None:
    """Shows the machines of a fleet with their streams and their load; nothing without a fleet."""
    nodes = monitor_service.nodes
    if not nodes:
        return
    st.subheader("Nodes")
    rows = [
        {
            "node": node.name,
            "state": node.state,
            "streams": node.streams,
            "capacity": node.capacity,
            "load": node.load,
            "clips waiting": node.clips_waiting,
            "events lost": sum(node.lost.values()),
        }
        for node in nodes
    ]
    text_table(rows, name="Nodes")
    lost = {cause: count for node in nodes for cause, count in node.lost.items()}
    if lost:
        st.caption("Lost: " + ", ".join(f"{count} {escape(cause)}" for cause, count in lost.items()))
    st.caption(
        "The streams move to other nodes when a node is lost or overloaded, and spread when one joins. Capacity: the "
        "cores of a node times the setting `fleet.streams_per_core`."
    )
