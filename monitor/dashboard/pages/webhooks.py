"""The section "Webhooks" of the page System, for administrators."""

from typing import Any, Final

import streamlit as st

from monitor.dashboard.pages.current_user import audit, check_role
from monitor.dashboard.pages.formatting import escape, text_table
from monitor.errors import MonitorError
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.server.notify.webhooks.outbox import DeliveryState, WebhookOutbox
from monitor.server.notify.webhooks.sender import send_test
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import (
    DEFAULT_TYPES,
    OFFERED_TYPES,
    WebhookFilters,
    WebhookSubscription,
)
from monitor.types import Label
from monitor.types.formatting import count

_DEAD_LETTERS: Final = 50  # shown
_RESULT: Final = "webhook-result"  # key in the tab's session: kind and text of a message for the next run
_SECRET: Final = "webhook-secret"  # noqa: S105 - key in the tab's session: a new secret for the next run


def show_webhooks() -> None:
    """Shows the webhooks, a form for another one, the test button and the dead letters."""
    st.subheader("Webhooks")
    store, outbox = _store(), _outbox()
    _show_result()
    subscriptions, counts = store.all(), outbox.counts()
    if subscriptions:
        rows = [
            {
                "id": one.id,
                "name": one.name,
                "address": one.shown_url,
                "state": "enabled" if one.enabled else f"disabled: {one.disabled_because}",
                **{state.value: counts.get(one.id, {}).get(state, 0) for state in DeliveryState},
            }
            for one in subscriptions
        ]
        text_table(rows, name="Webhooks")
        _manage({one.id: one for one in subscriptions})
    else:
        st.markdown("No webhook yet. A webhook sends events, such as a changed label, to the address of a program.")
    with st.expander("Add a webhook"):
        _add_form()


def _show_result() -> None:
    """Shows the result of the last action, and a new secret once."""
    kind, text = st.session_state.pop(_RESULT, ("", ""))
    if kind == "error":
        st.error(escape(text), icon=":material/error:")
    elif kind:
        st.success(escape(text), icon=":material/check_circle:")
    secret = st.session_state.pop(_SECRET, "")
    if secret:
        st.warning("Copy the secret now: the receiver checks signatures with it, and it is not shown again.")
        st.code(secret, language=None)


def _manage(subscriptions: dict[str, WebhookSubscription]) -> None:
    """Shows the actions for one webhook, and its dead letters."""
    chosen = st.selectbox(
        "Webhook", list(subscriptions), format_func=lambda one: f"{one} {subscriptions[one].title}", key="webhook"
    )
    one = subscriptions[chosen]
    with st.container(horizontal=True):
        st.button("Send a test", on_click=_test, args=(one,), key="webhook-test")
        if one.enabled:
            st.button("Disable", on_click=_disable, args=(one,), key="webhook-disable")
        else:
            st.button("Enable", on_click=_enable, args=(one,), key="webhook-enable")
        with st.popover("Remove"):
            st.markdown(f"Remove {escape(one.title)}, with the events that wait for it and its dead letters?")
            st.button("Remove it", on_click=_remove, args=(one,), key="webhook-remove")
    dead = _outbox().last(_DEAD_LETTERS, webhook=one.id, state=DeliveryState.DEAD)
    if dead:
        st.markdown("Dead letters: events that the receiver did not accept for too long.")
        rows = [
            {
                "number": letter.number,
                "time (UTC)": f"{letter.created_at:%Y-%m-%d %H:%M:%S}",
                "event": letter.type,
                "source": letter.source,
                "attempts": letter.attempts,
                "error": letter.error,
            }
            for letter in dead
        ]
        text_table(rows, name="Dead letters", height=420 if len(rows) > 12 else "content")
        st.button("Retry all now", on_click=_retry, args=(one,), key="webhook-retry")


def _add_form() -> None:
    names = sorted({stream.name for stream in service.current().streams})
    with st.form("webhook-add", border=False):
        st.text_input("Address", placeholder="https://hooks.example.org/monitor", key="webhook-url")
        st.text_input("Name", max_chars=80, key="webhook-name")
        st.multiselect("Events", OFFERED_TYPES, default=DEFAULT_TYPES, key="webhook-types")
        st.multiselect("Sources (none: all)", names, key="webhook-streams")
        st.multiselect(
            "Labels (none: all)", list(Label), format_func=lambda label: label.in_words, key="webhook-labels"
        )
        st.slider("Only from this P(fake) on, percent (0: all)", 0, 100, 0, key="webhook-probability")
        st.form_submit_button("Add", on_click=_add, key="webhook-submit")


def _add() -> None:
    values: dict[str, Any] = {name: st.session_state[f"webhook-{name}"] for name in ("url", "name", "types")}
    percent = st.session_state["webhook-probability"]
    filters = WebhookFilters(
        streams=tuple(st.session_state["webhook-streams"]),
        labels=tuple(map(Label, st.session_state["webhook-labels"])),
        min_probability=percent / 100 or None,
    )
    if not check_role(Role.ADMIN):
        return
    try:
        one = _store().add(values["url"], name=values["name"], types=values["types"], filters=filters)
    except MonitorError as error:
        st.session_state[_RESULT] = ("error", str(error))
        return
    audit("webhook added", f"{one.id}: {one.title}")
    st.session_state[_SECRET] = one.secret
    st.session_state[_RESULT] = ("success", f"{one.title} receives events within seconds.")


def _test(one: WebhookSubscription) -> None:
    if not check_role(Role.ADMIN):
        return
    attempt = send_test(one, service.current().settings.webhooks)
    audit("webhook tested", f"{one.id}: {one.title}: {attempt.error or 'accepted'}")
    if attempt.accepted:
        took = f"HTTP {attempt.status}, {attempt.seconds * 1000:.0f} ms"
        st.session_state[_RESULT] = ("success", f"{one.title} accepted the test: {took}.")
    else:
        st.session_state[_RESULT] = ("error", f"{one.title} did not accept the test: {attempt.error}")


def _enable(one: WebhookSubscription) -> None:
    _change("webhook enabled", one, f"{one.title} receives events again.")


def _disable(one: WebhookSubscription) -> None:
    _change("webhook disabled", one, f"{one.title} receives no events.")


def _remove(one: WebhookSubscription) -> None:
    _change("webhook removed", one, f"{one.title} was removed.")


def _change(action: str, one: WebhookSubscription, said: str) -> None:
    if not check_role(Role.ADMIN):
        return
    store = _store()
    try:
        if action == "webhook enabled":
            store.enable(one.id)
        elif action == "webhook disabled":
            store.disable(one.id, why="an administrator disabled it")
        else:
            store.remove(one.id)
    except MonitorError as error:
        st.session_state[_RESULT] = ("error", str(error))
        return
    audit(action, f"{one.id}: {one.title}")
    st.session_state[_RESULT] = ("success", said)


def _retry(one: WebhookSubscription) -> None:
    if not check_role(Role.ADMIN):
        return
    queued = _outbox().retry(webhook=one.id)
    audit("webhook retried", f"{one.id}: {count(queued, 'event')}")
    st.session_state[_RESULT] = ("success", f"{count(queued, 'event')} queued for {one.title}.")


def _store() -> WebhookStore:
    now = service.current()
    return WebhookStore(now.archive.store.database, now.settings.webhooks)


def _outbox() -> WebhookOutbox:
    return WebhookOutbox(service.current().archive.store.database)
