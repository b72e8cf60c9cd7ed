from collections.abc import Callable, Sequence
from typing import Any

import pytest

from monitor.errors import UsageError
from monitor.server.notify.webhooks import store as module
from monitor.server.notify.webhooks.outbox import WebhookOutbox
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import DEFAULT_TYPES, WebhookFilters
from monitor.settings import WebhookSettings
from monitor.system.database import Database
from monitor.types import Label

URL = "http://127.0.0.1:9/hook"


def test_a_subscription_is_stored_whole(store: WebhookStore, database: Database, private: WebhookSettings) -> None:
    filters = WebhookFilters(streams=("Front door",), labels=(Label.LIKELY_FAKE,), min_probability=0.9)
    one = store.add(f" {URL} ", name=" newsroom ", types=("label_changed", "hint_raised"), filters=filters)
    other = store.add(URL)
    assert (one.url, one.name, one.filters, one.enabled) == (URL, "newsroom", filters, True)
    assert one.types == ("label_changed", "hint_raised")
    assert other.types == DEFAULT_TYPES
    assert one.secret != other.secret
    assert WebhookStore(database, private).all() == [one, other]
    assert store.find(one.id) == one


def test_a_subscription_is_disabled_enabled_and_removed(
    store: WebhookStore, outbox: WebhookOutbox, waiting: Callable[..., Sequence[int]]
) -> None:
    one, other = store.add(URL), store.add(URL)
    assert store.disable(one.id, why="410").disabled_because == "410"
    assert not store.find(one.id).enabled
    assert store.enable(one.id) == one
    waiting(one.id), waiting(other.id)
    assert store.remove(one.id) == one
    assert store.all() == [other]
    assert outbox.counts().keys() == {other.id}, "its deliveries are deleted too"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "https://"}, "https://"),
        ({"url": "http://169.254.169.254/"}, "never used"),
        ({"name": "x" * 81}, "at most 80 printable characters"),
        ({"name": "a\nb"}, "printable"),
        ({"types": ()}, "choose at least one type"),
        ({"types": ("label_chnged",)}, "did you mean label_changed"),
        ({"types": ("frame_analysed",)}, "do not offer events of the type frame_analysed"),
        ({"filters": WebhookFilters(min_probability=1.5)}, "between 0 and 1"),
        ({"filters": WebhookFilters(min_confidence=-0.1)}, "between 0 and 1"),
    ],
)
def test_an_invalid_subscription_is_refused(store: WebhookStore, change: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        store.add(**{"url": URL} | change)
    assert store.all() == []


def test_private_addresses_need_the_setting(database: Database) -> None:
    with pytest.raises(UsageError, match=r"webhooks\.private_networks"):
        WebhookStore(database, WebhookSettings()).add(URL)


@pytest.mark.parametrize("action", ["find", "enable", "remove"])
def test_an_unknown_subscription_is_one_sentence(store: WebhookStore, action: str) -> None:
    with pytest.raises(UsageError, match="there is no webhook nobody: `webhooks list` shows all"):
        getattr(store, action)("nobody")


def test_the_number_of_subscriptions_is_limited(store: WebhookStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WEBHOOKS", 2)
    store.add(URL), store.add(URL)
    with pytest.raises(UsageError, match="there are 2 webhooks already"):
        store.add(URL)
