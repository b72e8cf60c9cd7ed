"""``deepfake-monitor flags``: what was flagged, and the evidence that is kept with it."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.terminal import AsJson, Set, SettingsFile, console, errors, settings_from
from monitor.errors import BundleError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.bundle import verify as verified
from monitor.flags.queries import FlagQuery
from monitor.flags.retention import rules
from monitor.types import Flag
from monitor.types.formatting import clock, clock_span, percent, percent_or_unknown, reasons_in_words

app = typer.Typer(
    name="flags", no_args_is_help=True, help="List, show, export, verify, delete and learn from flagged moments."
)

_IDS = "Ids of flags, as `flags list` shows them."

Text = Annotated[str, typer.Option(help="Somewhere in source, note, category or reporter.")]


def _archive(settings_file: Path | None, assignments: list[str] | None) -> FlagArchive:
    return FlagArchive.open(settings_from(settings_file, assignments).evidence)


@app.command("list")
def list_flags(
    text: Text = "",
    unreviewed: Annotated[bool, typer.Option("--open", help="Only what nobody has looked at.")] = False,  # noqa: FBT002 - a flag
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """The newest flags first."""
    query = FlagQuery(text=text, reviewed=False if unreviewed else None)
    with _archive(settings_file, assignments) as archive:
        found, total = archive.store.find(query, limit=limit), archive.store.count(query)
    if as_json:
        typer.echo(json.dumps([flag.record() for flag in found], indent=2, ensure_ascii=False))
        return
    if not found:
        errors.print(f"no flags in {escape(str(archive.folder))}" + (" match" if text or unreviewed else ""))
        return
    table = Table("id", "source", "at", "the program", "P(fake)", "a person", "clip", box=None, pad_edge=False)
    for flag in found:
        said = percent_or_unknown(flag.probability)
        opinion = flag.opinion or ("seen" if flag.reviewed_at else "")
        row = (flag.id, flag.source, clock(flag.media_time), flag.label.in_words, said, opinion, flag.clip)
        table.add_row(*map(escape, row))
    console.print(table)
    if total > len(found):
        errors.print(f"{len(found)} of {total}: --limit {total} shows all")


@app.command()
def show(
    flag_id: Annotated[str, typer.Argument(help="Id of a flag.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """All that is kept of one flag, and who did what to it."""
    with _archive(settings_file, assignments) as archive:
        flag, events = archive.store.get(flag_id), archive.store.events(flag_id)
    if as_json:
        typer.echo(json.dumps(flag.record(), indent=2, ensure_ascii=False))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(flag):
        table.add_row(name, escape(value))
    for exhibit in flag.exhibits:
        table.add_row("file", escape(f"{archive.exhibits.folder(flag.id) / exhibit.name}, {exhibit.size} bytes"))
    for event in events:
        table.add_row("log", escape(f"{event.at} {event.action} by {event.actor or 'the program'}"))
    console.print(table)


@app.command()
def export(
    ids: Annotated[list[str] | None, typer.Argument(help=_IDS)] = None,
    out: Annotated[Path, typer.Option(help="The zip file.")] = Path("flags.zip"),
    text: Text = "",
    everything: Annotated[bool, typer.Option("--all", help="Every flag.")] = False,  # noqa: FBT002 - a flag
    blur: Annotated[bool, typer.Option("--blur", help="Make every face but the flagged one unrecognisable.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Write flags with their files, log and a page for people into one zip that can be verified anywhere."""
    if sum((bool(ids), bool(text), everything)) != 1:
        raise UsageError("say which flags: their ids, or --text, or --all")
    if out.exists():
        raise UsageError(f"{out} is there already: name another file with --out")
    with _archive(settings_file, assignments) as archive:
        flags = [archive.store.get(flag_id) for flag_id in ids] if ids else list(archive.every(FlagQuery(text=text)))
        if not flags:
            raise UsageError(f"no flag in {archive.folder} matches: nothing was written")
        made = archive.export(flags, out, actor=getpass.getuser(), blur=blur)
    for clause in made.left_out:
        errors.print(f"left out: {escape(clause)}")
    for name in made.missing:
        errors.print(f"[yellow]recorded, but no longer there:[/] {escape(name)}")
    console.print(f"{escape(str(made.path))}: {made.flags} flags; keep this apart from it, it proves the file:")
    console.print(f"SHA-256 of its manifest {made.sha256}")


@app.command()
def verify(
    bundle: Annotated[Path | None, typer.Argument(help="A zip of `flags export`; default: what is kept here.")] = None,
    sha256: Annotated[str, typer.Option(help="Of the manifest, as the export said it.")] = "",
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Name every file that was changed, is missing or was added; exit code 1 if there is one."""
    if bundle is None:
        with _archive(settings_file, assignments) as archive:
            faults, about = archive.faults(), f"{archive.store.count()} flags in {archive.folder}"
    else:
        found = verified(bundle)
        if sha256 and found.sha256 != sha256.lower().strip():
            raise BundleError(f"{bundle} is not the file that was exported: its manifest has SHA-256 {found.sha256}")
        for clause in found.declared:
            errors.print(f"declared by the export: {escape(clause)}")
        faults, about = list(found.faults), f"{len(found.flags)} flags exported at {found.made_at}"
    for fault in faults:
        errors.print(f"[bold red]fault:[/] {escape(fault)}")
    if faults:
        raise typer.Exit(1)
    console.print(escape(f"{about}: nothing was changed, nothing is missing, nothing was added"))
    if bundle is not None:
        console.print(f"SHA-256 of its manifest {found.sha256}")


@app.command()
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help=_IDS)] = None,
    source: Annotated[str, typer.Option(help="All flags of this source, named as `flags list` shows it.")] = "",
    why: Annotated[str, typer.Option(help="Goes into the log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Forget flags and their files for good; the log keeps their ids and who deleted them."""
    if bool(ids) == bool(source):
        raise UsageError("say which flags: their ids, or --source")
    with _archive(settings_file, assignments) as archive:
        # All or none: a mistyped id is told before anything is gone.
        wanted = [archive.store.get(flag_id).id for flag_id in dict.fromkeys(ids or ())]
        if source:
            wanted = [flag.id for flag in archive.every(FlagQuery(source=source, order="oldest"))]
        if not wanted:
            raise UsageError(
                f"no flag in {archive.folder} is of the source {source}: nothing was deleted (flags list shows them)"
            )
        if not yes:
            of = f" of {source}" if source else ""
            question = f"Delete {len(wanted)} flags{of} and their files? They cannot be brought back"
            typer.confirm(question, abort=True, err=True)
        for flag_id in wanted:
            archive.delete(flag_id, actor=getpass.getuser(), why=why)
    console.print(f"{len(wanted)} deleted")


@app.command()
def tidy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; delete nothing.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Delete automatic flags that nobody reviewed, or that people called false alarms, as the settings say."""
    settings = settings_from(settings_file, assignments).evidence
    if all(rule.days is None and rule.gigabytes is None for rule in rules(settings).values()):
        raise UsageError(
            "nothing says how long flags are kept: set evidence.keep_days or evidence.max_gigabytes, "
            "or the same of false alarms (evidence.false_alarm_days, evidence.false_alarm_gigabytes)"
        )
    now = datetime.now(UTC)
    with FlagArchive.open(settings) as archive:
        plan = archive.plan(settings, now=now) if dry_run else archive.tidy(settings, now=now)
    for deletion in plan.deletions:
        console.print(escape(f"{deletion.flag_id}: {deletion.why}"))
    done = "would be deleted" if dry_run else "deleted"
    console.print(f"{len(plan.deletions)} of the flags {done}, {plan.freed / 1e6:.1f} of {plan.used / 1e6:.1f} MB")
    if plan.over:
        errors.print(
            f"[yellow]still {plan.over / 1e6:.1f} MB beyond evidence.max_gigabytes:[/] the rest was flagged or "
            "judged by people, or its clip is still to come; delete flags by hand, or allow more"
        )


@app.command()
def feedback(
    out: Annotated[Path, typer.Option(help="The folder, for `lab prepare feedback` and `lab calibrate`.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Write what people called fake or real as a folder that the laboratory learns from."""
    from monitor.cli.feedback import write_feedback

    with _archive(settings_file, assignments) as archive:
        written = write_feedback(archive.every(FlagQuery(order="oldest")), out, exhibits=archive.exhibits)
    console.print(escape(f"{written.table}: {written.in_words}"))


def _facts(flag: Flag) -> list[tuple[str, str]]:
    said = "" if flag.probability is None else f", P(fake) {percent(flag.probability)}"
    reasons = reasons_in_words(flag.reasons)
    opinion = (
        f"{flag.opinion or 'no opinion'} ({flag.reviewed_by}, {flag.reviewed_at})" if flag.reviewed_at else "not yet"
    )
    facts = {
        "source": flag.source,
        "span": f"{clock_span(flag.start, flag.end)}, flagged at {clock(flag.media_time)}",
        "face": "the picture as a whole" if flag.track_id is None else str(flag.track_id),
        "the program": f"{flag.label.in_words}{said}" + (f"; {reasons}" if reasons else ""),
        "a person": opinion,
        "category": flag.category,
        "note": flag.note,
        "flagged": f"{flag.created_at} by {flag.reporter or flag.origin}",
        "clip": f"{flag.clip}: {flag.clip_why}" if flag.clip_why else str(flag.clip),
        "judged with": f"{flag.model} on {flag.engine}, version {flag.program}",
    }
    return [(name, value) for name, value in facts.items() if value]
