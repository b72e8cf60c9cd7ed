"""The subscriptions in the database."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from monitor.errors import ConflictError, UsageError, WebhookNotFoundError
from monitor.server.notify.webhooks.destination import resolve
from monitor.server.notify.webhooks.signature import make_secret
from monitor.server.notify.webhooks.subscription import (
    DEFAULT_TYPES,
    OFFERED_TYPES,
    WebhookFilters,
    WebhookSubscription,
)
from monitor.server.notify.webhooks.tables import webhook_deliveries, webhooks
from monitor.settings import WebhookSettings
from monitor.system.database import Database
from monitor.types.formatting import suggest

MAX_WEBHOOKS: Final = 32  # each has a thread
_LONGEST_NAME: Final = 80


class WebhookStore:
    """All subscriptions; a running server follows a change within seconds.

    Each method raises StoreError if the database does not answer; nothing is changed then.
    """

    def __init__(self, database: Database, settings: WebhookSettings) -> None:
        self._database, self._settings = database, settings

    def all(self) -> Sequence[WebhookSubscription]:
        """All subscriptions, the oldest first."""
        query = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)
        with self._database.reading() as connection:
            return [_to_subscription(row) for row in connection.execute(query).mappings()]

    def find(self, webhook_id: str) -> WebhookSubscription:
        """The subscription with this id.

        Raises:
            WebhookNotFoundError: there is none.
        """
        with self._database.reading() as connection:
            return _find(connection, webhook_id)

    def add(
        self,
        url: str,
        *,
        name: str = "",
        types: Sequence[str] = DEFAULT_TYPES,
        filters: WebhookFilters = WebhookFilters(),  # noqa: B008 - frozen
    ) -> WebhookSubscription:
        """Drafts a subscription and saves it, see :meth:`draft` and :meth:`save`."""
        subscription = self.draft(url, name=name, types=types, filters=filters)
        self.save(subscription)
        return subscription

    def draft(self, url: str, *, name: str, types: Sequence[str], filters: WebhookFilters) -> WebhookSubscription:
        """A subscription with a new secret, which is not saved yet; waits for the look-up of the host.

        Raises:
            UsageError: the address may not be used, or another value is invalid.
            ConflictError: there are 32 subscriptions.
        """
        url, name = url.strip(), name.strip()
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(f"a webhook's name has at most {_LONGEST_NAME} printable characters")
        _check_types(types)
        _check_limits(filters)
        resolve(url, private_networks=self._settings.private_networks)
        with self._database.reading() as connection:
            _check_room(connection)
        return WebhookSubscription(
            id=secrets.token_hex(4),
            name=name,
            url=url,
            secret=make_secret(),
            types=tuple(kind for kind in OFFERED_TYPES if kind in types),
            filters=filters,
            created_at=datetime.now(UTC),
        )

    def save(self, subscription: WebhookSubscription) -> None:
        """Saves a new subscription.

        Raises:
            ConflictError: there are 32 subscriptions.
        """
        with self._database.writing(alone_in=webhooks.name) as connection:
            _check_room(connection)
            connection.execute(webhooks.insert().values(**_to_row(subscription)))

    def enable(self, webhook_id: str) -> WebhookSubscription:
        """Sends to this subscription again, from the next event on.

        Raises:
            WebhookNotFoundError: there is none.
        """
        return self._change(webhook_id, enabled=True, disabled_because="")

    def disable(self, webhook_id: str, *, why: str) -> WebhookSubscription:
        """Sends nothing more to this subscription; events that wait stay.

        Raises:
            WebhookNotFoundError: there is none.
        """
        return self._change(webhook_id, enabled=False, disabled_because=why)

    def remove(self, webhook_id: str) -> WebhookSubscription:
        """Deletes a subscription and its deliveries.

        Raises:
            WebhookNotFoundError: there is none.
        """
        with self._database.writing() as connection:
            subscription = _find(connection, webhook_id)
            connection.execute(webhook_deliveries.delete().where(webhook_deliveries.c.webhook == webhook_id))
            connection.execute(webhooks.delete().where(webhooks.c.id == webhook_id))
        return subscription

    def _change(self, webhook_id: str, **values: object) -> WebhookSubscription:
        with self._database.writing() as connection:
            _find(connection, webhook_id)
            connection.execute(webhooks.update().where(webhooks.c.id == webhook_id).values(**values))
            return _find(connection, webhook_id)


def _check_room(connection: Connection) -> None:
    if len(connection.execute(select(webhooks.c.id)).all()) >= MAX_WEBHOOKS:
        raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks already: remove one first")


def _check_types(types: Sequence[str]) -> None:
    if not types:
        raise UsageError(f"choose at least one type of event: {', '.join(OFFERED_TYPES)}")
    for kind in types:
        if kind not in OFFERED_TYPES:
            hint = suggest(kind, {offered: offered for offered in OFFERED_TYPES})
            raise UsageError(f"webhooks do not offer events of the type {kind}{hint}: {', '.join(OFFERED_TYPES)}")


def _check_limits(filters: WebhookFilters) -> None:
    for name in ("min_probability", "min_confidence"):
        limit = getattr(filters, name)
        if limit is not None and not 0 <= limit <= 1:
            raise UsageError(f"{name} is {limit:g}: a probability is between 0 and 1")


def _to_row(subscription: WebhookSubscription) -> dict[str, Any]:
    row = subscription.to_dict() | {"url": subscription.url, "secret": subscription.secret}
    return row | {"created_at": subscription.created_at.isoformat(timespec="microseconds")}


def _to_subscription(row: Any) -> WebhookSubscription:  # noqa: ANN401 - SQLAlchemy's RowMapping
    facts = dict(row) | {
        "types": tuple(row["types"]),
        "filters": WebhookFilters.from_dict(row["filters"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
    }
    return WebhookSubscription(**facts)


def _find(connection: Connection, webhook_id: str) -> WebhookSubscription:
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).mappings().first()
    if row is None:
        raise WebhookNotFoundError(f"there is no webhook {webhook_id}: `webhooks list` shows all")
    return _to_subscription(row)
