"""``deepfake-monitor people``: the accounts of the dashboard, and its audit log."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli import api_keys
from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.flags.archive import FlagArchive
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.user import Role
from monitor.settings import Settings
from monitor.system.user import user_name

app = typer.Typer(
    name="people",
    no_args_is_help=True,
    help="Manage the accounts of the dashboard (access.mode=password) and API keys, and show the audit log.",
)
app.add_typer(api_keys.app)

Name = Annotated[str, typer.Argument(help="Name for the sign-in; case-insensitive.")]
RoleOption = Annotated[
    Role, typer.Option(help="viewer: see all pages; reviewer: also flag, review, upload, export; admin: everything.")
]


@contextmanager
def _open(settings: Settings) -> Iterator[tuple[Accounts, AuditLog]]:
    with FlagArchive.open(settings.evidence) as archive:
        yield Accounts(archive.store.database), AuditLog(archive.store.database)


@app.command()
def add(
    name: Name, role: RoleOption = Role.VIEWER, settings_file: SettingsFile = None, assignments: Set = None
) -> None:
    """Create an account; the password is asked for, or read from a pipe (one line)."""
    settings = settings_from(settings_file, assignments)
    with _open(settings) as (accounts, audit):
        account = accounts.add(name, role=role, password=_read_password())
        _note(audit, "person added", f"{account.name}: {account.role}")
    console.print(escape(f"{account.name} may sign in as {account.role}"))
    if settings.access.mode != "password":
        errors.print("the dashboard does not use passwords yet: set access.mode to password")


@app.command("list")
def list_people(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List the accounts."""
    with _open(settings_from(settings_file, assignments)) as (accounts, _):
        all_accounts = accounts.all()
    rows = [(account.name, str(account.role), f"{account.password_at:%Y-%m-%d}") for account in all_accounts]
    if as_json:
        typer.echo(json.dumps([dict(zip(("name", "role", "password_at"), row, strict=True)) for row in rows], indent=2))
    elif not rows:
        errors.print("there are no accounts: `people add` creates one")
    else:
        table = Table("name", "role", "password set", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        print_table(table)


@app.command()
def role(
    name: Name,
    new: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, reviewer or admin.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Change the role of an account; a running dashboard follows within seconds."""
    with _open(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.change_role(name, new)
        _note(audit, "role changed", f"{account.name}: {account.role}")
    console.print(escape(f"{account.name} is {account.role} now"))


@app.command()
def password(name: Name, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Change a password; a running dashboard signs the user out within seconds."""
    with _open(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.change_password(name, _read_password())
        _note(audit, "password changed", account.name)
    console.print(escape(f"{account.name} signs in with the new password from now on"))


@app.command()
def remove(name: Name, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Delete an account; the user's flags and notes stay, with the name."""
    with _open(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.remove(name)
        _note(audit, "person removed", account.name)
    console.print(escape(f"{account.name} may not sign in any more"))


@app.command("audit")
def show_audit(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of lines, the newest first.")] = 100,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Show the latest actions at the dashboard, the newest first."""
    with _open(settings_from(settings_file, assignments)) as (_, audit):
        entries = audit.last(limit)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    table = Table("time (UTC)", "person", "action", "subject", "from address", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(*map(escape, (entry.at[:19], entry.person, entry.action, entry.what, entry.client)))
    print_table(table)


def _read_password() -> str:
    """Reads the password from terminal or pipe; arguments would be visible to other users and in the shell history."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _note(audit: AuditLog, action: str, what: str) -> None:
    audit.note(action, person=user_name(), what=what, client="command line")
