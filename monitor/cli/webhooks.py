"""``deepfake-monitor webhooks``: the addresses that receive events, and the events that they did not accept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.server.auth.audit import AuditLog
from monitor.server.notify.webhooks.outbox import DeliveryState, WebhookOutbox
from monitor.server.notify.webhooks.sender import send_test
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import (
    DEFAULT_TYPES,
    OFFERED_TYPES,
    WebhookFilters,
    WebhookSubscription,
)
from monitor.settings import Settings
from monitor.system.user import user_name
from monitor.types import Label
from monitor.types.formatting import count

app = typer.Typer(
    name="webhooks",
    no_args_is_help=True,
    help="Send events to other programs: add, test and remove their addresses, retry dead letters.",
)

WebhookId = Annotated[str, typer.Argument(help="Id of a webhook, see `webhooks list`.")]


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[WebhookStore, WebhookOutbox, AuditLog]]:
    with FlagArchive.open(settings.evidence) as archive:
        database = archive.store.database
        yield WebhookStore(database, settings.webhooks), WebhookOutbox(database), AuditLog(database)


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="https:// address; with webhooks.private_networks also http://.")],
    name: Annotated[str, typer.Option(help="Name for people.")] = "",
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help=f"Type of event; may be repeated: {', '.join(OFFERED_TYPES)}.", show_default="most"
        ),
    ] = None,
    streams: Annotated[
        list[str] | None, typer.Option("--stream", help="Only streams with this name or address; may be repeated.")
    ] = None,
    labels: Annotated[
        list[Label] | None, typer.Option("--label", help="Only events with this label, or without one.")
    ] = None,
    min_probability: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Only events from this P(fake) on, or without one.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Only events from this probability of their label on.")
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Send events to an address; a running server begins within seconds. The secret is shown once."""
    filters = WebhookFilters(
        streams=tuple(streams or ()),
        labels=tuple(labels or ()),
        min_probability=min_probability,
        min_confidence=min_confidence,
    )
    with _open(settings_from(settings_file, assignments)) as (store, _, audit):
        subscription = store.add(url, name=name, types=tuple(types or DEFAULT_TYPES), filters=filters)
        _note(audit, "webhook added", subscription)
    console.print(escape(f"{subscription.id} {subscription.title} receives: {', '.join(subscription.types)}"))
    console.print(f"secret {subscription.secret}")
    errors.print("the receiver needs the secret to check signatures; it is not shown again")


@app.command("list")
def list_webhooks(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List the webhooks, and how many events wait, were delivered lately, or are dead letters."""
    with _open(settings_from(settings_file, assignments)) as (store, outbox, _):
        subscriptions, counts = store.all(), outbox.counts()
    numbers = {
        one.id: {state: counts.get(one.id, {}).get(state, 0) for state in DeliveryState} for one in subscriptions
    }
    if as_json:
        rows = [one.to_dict() | {"deliveries": numbers[one.id]} for one in subscriptions]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not subscriptions:
        errors.print("there are no webhooks: `webhooks add` creates one")
        return
    table = Table("id", "name", "address", "state", *map(str, DeliveryState), box=None, pad_edge=False)
    for one in subscriptions:
        state = "enabled" if one.enabled else f"disabled: {one.disabled_because}"
        table.add_row(*map(escape, (one.id, one.name, one.shown_url, state, *map(str, numbers[one.id].values()))))
    print_table(table)


@app.command("test")
def send_test_message(webhook: WebhookId, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Send a test message now; without success the exit code is 1."""
    settings = settings_from(settings_file, assignments)
    with _open(settings) as (store, _, audit):
        subscription = store.find(webhook)
        attempt = send_test(subscription, settings.webhooks)
        _note(audit, "webhook tested", subscription)
    if not attempt.accepted:
        errors.print(f"[bold red]not accepted:[/] {escape(f'{subscription.title}: {attempt.error}')}")
        raise typer.Exit(1)
    console.print(escape(f"{subscription.title} accepted it: HTTP {attempt.status}, {attempt.seconds * 1000:.0f} ms"))


@app.command()
def enable(webhook: WebhookId, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Send to a disabled webhook again, from the next event on."""
    with _open(settings_from(settings_file, assignments)) as (store, _, audit):
        subscription = store.enable(webhook)
        _note(audit, "webhook enabled", subscription)
    console.print(escape(f"{subscription.title} receives events again"))


@app.command()
def disable(webhook: WebhookId, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Send nothing to a webhook, and keep nothing for it, until it is enabled."""
    with _open(settings_from(settings_file, assignments)) as (store, _, audit):
        subscription = store.disable(webhook, why=f"{user_name()} disabled it")
        _note(audit, "webhook disabled", subscription)
    console.print(escape(f"{subscription.title} receives no events"))


@app.command()
def remove(webhook: WebhookId, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Delete a webhook with its waiting deliveries and its dead letters."""
    with _open(settings_from(settings_file, assignments)) as (store, _, audit):
        subscription = store.remove(webhook)
        _note(audit, "webhook removed", subscription)
    console.print(escape(f"{subscription.title} was removed"))


@app.command()
def deliveries(
    webhook: Annotated[str | None, typer.Argument(help="Id of a webhook; default: all.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="Only these; dead: the dead letters.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of deliveries, the newest first.")] = 50,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List deliveries, the newest first: what waits, what was delivered lately, and dead letters."""
    with _open(settings_from(settings_file, assignments)) as (store, outbox, _):
        if webhook is not None:
            store.find(webhook)
        found = outbox.last(limit, webhook=webhook, state=state)
    if as_json:
        typer.echo(json.dumps([one.to_dict() for one in found], indent=2, ensure_ascii=False))
        return
    if not found:
        errors.print("there are no such deliveries")
        return
    table = Table("number", "webhook", "source", "event", "time (UTC)", "state", "attempts", "error", box=None)
    for one in found:
        at = f"{one.created_at:%Y-%m-%d %H:%M:%S}"
        row = (one.number, one.webhook, one.source, one.type, at, one.state, one.attempts, one.error)
        table.add_row(*(escape(str(cell)) for cell in row))
    print_table(table)


@app.command()
def retry(
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers from `webhooks deliveries`.")] = None,
    webhook: Annotated[str | None, typer.Option(help="All deliveries of this webhook.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All deliveries of all webhooks.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Attempt dead letters again, and waiting deliveries at once; a running server begins within seconds."""
    if sum((bool(numbers), webhook is not None, everything)) != 1:
        raise UsageError("choose the deliveries: give their numbers, or --webhook, or --all")
    with _open(settings_from(settings_file, assignments)) as (store, outbox, audit):
        if webhook is not None:
            store.find(webhook)
        queued = outbox.retry(webhook=webhook, numbers=numbers or ())
        what = f"{webhook or 'all webhooks'}: {count(queued, 'event')}"
        audit.note("webhook retried", person=user_name(), what=what, client="command line")
    console.print(f"{count(queued, 'event')} queued")


def _note(audit: AuditLog, action: str, subscription: WebhookSubscription) -> None:
    what = f"{subscription.id}: {subscription.title}"
    audit.note(action, person=user_name(), what=what, client="command line")
