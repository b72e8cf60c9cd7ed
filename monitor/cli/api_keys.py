"""``deepfake-monitor people key``: the API keys of other programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import errors, print_table
from monitor.flags.archive import FlagArchive
from monitor.server.auth.api_keys import SCOPES, ApiKey, ApiKeys, describe_key, read_expiry
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.user import Role
from monitor.settings import Settings
from monitor.system.user import user_name

app = typer.Typer(name="key", no_args_is_help=True, help="Manage the API keys of other programs.")


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[ApiKeys, AuditLog]]:
    with FlagArchive.open(settings.evidence) as archive:
        yield ApiKeys(archive.store.database), AuditLog(archive.store.database)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the program that uses the key.")],
    role: Annotated[Role, typer.Option(help="viewer, reviewer or admin, as for people.")] = Role.VIEWER,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(SCOPES)}; may be repeated.", show_default="all")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Days (90d), a date (2027-01-31) or a time (ISO 8601).", show_default="never")
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Create a key. It is printed once, alone on stdout; only a hash of its secret is stored."""
    expires_at = None if expires is None else read_expiry(expires)
    with _open(settings_from(settings_file, assignments)) as (keys, audit):
        key, text = keys.create(name, role=role, scopes=scope or (), expires_at=expires_at)
        _note(audit, "key added", key)
    errors.print(escape(f"{describe_key(key)}. Store the key now: nobody can read it again."))
    typer.echo(text)


@app.command("list")
def list_keys(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List the keys, without their secrets."""
    with _open(settings_from(settings_file, assignments)) as (keys, _):
        found = keys.all()
    if as_json:
        typer.echo(json.dumps([key.to_dict() for key in found], indent=2, ensure_ascii=False))
        return
    if not found:
        errors.print("there are no keys: `people key add` creates one")
        return
    table = Table("id", "name", "role", "scopes", "expires", "last used (UTC)", box=None, pad_edge=False)
    for key in found:
        table.add_row(*map(escape, key.in_words.values()))
    print_table(table)


@app.command()
def remove(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as `people key list` shows it.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Remove a key; a running server refuses it within seconds."""
    with _open(settings_from(settings_file, assignments)) as (keys, audit):
        key = keys.remove(key_id)
        _note(audit, "key removed", key)
    errors.print(escape(f"the key {key.name} ({key.id}) is refused from now on"))


def _note(audit: AuditLog, action: str, key: ApiKey) -> None:
    audit.note(action, person=user_name(), what=describe_key(key), client="command line")
