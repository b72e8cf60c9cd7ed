"""``deepfake-monitor people``: who may sign in at the dashboard with a password, and who did what there."""

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.terminal import AsJson, Set, SettingsFile, console, errors, settings_from
from monitor.flags.archive import FlagArchive
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.user import Role
from monitor.settings import Settings

app = typer.Typer(
    name="people",
    no_args_is_help=True,
    help="Let people sign in at the dashboard (access.mode=password), or no longer.",
)

Name = Annotated[str, typer.Argument(help="What somebody signs in with; upper and lower case are the same.")]
RoleOption = Annotated[
    Role, typer.Option(help="viewer: look; reviewer: also flag, judge, upload, export; admin: everything.")
]


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Accounts, AuditLog]]:
    with FlagArchive.open(settings.evidence) as archive:
        yield Accounts(archive.store.database), AuditLog(archive.store.database)


@app.command()
def add(
    name: Name, role: RoleOption = Role.VIEWER, settings_file: SettingsFile = None, assignments: Set = None
) -> None:
    """Let somebody sign in; asks for the password, or reads one line if something is piped in."""
    settings = settings_from(settings_file, assignments)
    with _opened(settings) as (accounts, audit):
        account = accounts.add(name, role=role, password=_password())
        _note(audit, "person added", f"{account.name}: {account.role}")
    console.print(escape(f"{account.name} may sign in as {account.role}"))
    if settings.access.mode != "password":
        errors.print("nobody signs in with a password yet: set access.mode to password")


@app.command("list")
def list_people(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Everybody who can sign in with a password."""
    with _opened(settings_from(settings_file, assignments)) as (accounts, _):
        found = accounts.all()
    rows = [(account.name, str(account.role), f"{account.password_at:%Y-%m-%d}") for account in found]
    if as_json:
        typer.echo(json.dumps([dict(zip(("name", "role", "password_at"), row, strict=True)) for row in rows], indent=2))
    elif not rows:
        errors.print("nobody has an account: people add makes one")
    else:
        table = Table("name", "role", "password of", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)


@app.command()
def role(
    name: Name,
    new: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, reviewer or admin.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Let somebody do more or less; a running dashboard notices within seconds."""
    with _opened(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.change_role(name, new)
        _note(audit, "role changed", f"{account.name}: {account.role}")
    console.print(escape(f"{account.name} is {account.role} now"))


@app.command()
def password(name: Name, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Give somebody another password; a running dashboard signs them out within seconds."""
    with _opened(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.change_password(name, _password())
        _note(audit, "password changed", account.name)
    console.print(escape(f"{account.name} signs in with the new password from now on"))


@app.command()
def remove(name: Name, settings_file: SettingsFile = None, assignments: Set = None) -> None:
    """Let somebody in no longer; what they flagged and wrote stays, with their name."""
    with _opened(settings_from(settings_file, assignments)) as (accounts, audit):
        account = accounts.remove(name)
        _note(audit, "person removed", account.name)
    console.print(escape(f"{account.name} may not sign in any more"))


@app.command("audit")
def show_audit(
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines, the newest.")] = 100,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Who did what at the dashboard, the newest first."""
    with _opened(settings_from(settings_file, assignments)) as (_, audit):
        entries = audit.last(limit)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    table = Table("at (UTC)", "who", "did", "what", "from", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(*map(escape, (entry.at[:19], entry.person, entry.action, entry.what, entry.client)))
    console.print(table)


def _password() -> str:
    """Never an argument: those are seen by everybody on the machine, and kept in histories."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _note(audit: AuditLog, action: str, what: str) -> None:
    audit.note(action, person=getpass.getuser(), what=what, client="command line")
