"""``deepfake-monitor notifications``: checks the targets of notifications."""

import json
from importlib import resources

import typer
from rich.markup import escape

from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors
from monitor.errors import UsageError
from monitor.server.notify.notices import NoticeMessage
from monitor.server.notify.notifications import open_targets

app = typer.Typer(
    name="notifications",
    no_args_is_help=True,
    help="Check the targets of notifications (notifications.targets).",
)


@app.callback()
def notifications() -> None:
    """Check the targets of notifications (notifications.targets)."""


@app.command("test")
def send_test(
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Send a test message to every target, and say for each whether its service took it; exit code 1 if one did not."""
    settings = settings_from(settings_file, assignments)
    targets = open_targets(settings.notifications)
    if not targets:
        raise UsageError("there are no targets: set notifications.targets, for example to ntfy://ntfy.sh/my-topic")
    message = NoticeMessage(
        "Test of deepfake-monitor",
        "This is a test message. Messages about suspicious faces, flags and lost sources will arrive here.",
        picture=resources.files("monitor").joinpath("assets/astronaut.jpg").read_bytes()
        if settings.notifications.pictures
        else None,
    )
    results = []
    for target in targets:
        with errors.status(escape(f"sending to {target.name}")):
            results.append((target.name, target.send(message)))
        name, reason = results[-1]
        if not as_json:
            console.print(escape(f"{name}: {f'not delivered: {reason}' if reason else 'the service took the message'}"))
    if as_json:
        records = [{"target": name, "delivered": not reason, "reason": reason} for name, reason in results]
        typer.echo(json.dumps(records, indent=2, ensure_ascii=False))
    if any(reason for _, reason in results):
        raise typer.Exit(1)
