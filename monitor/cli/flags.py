"""``deepfake-monitor flags``: the flagged moments and their evidence."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from monitor.cli.options import AsJson, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import BundleError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.bundle import verify as verify_bundle
from monitor.flags.queries import FlagQuery
from monitor.flags.retention import rules
from monitor.system.user import user_name
from monitor.types import Flag
from monitor.types.formatting import clock, clock_span, percent, percent_or_unknown, reasons_in_words

app = typer.Typer(
    name="flags",
    no_args_is_help=True,
    help="List, show, export, verify and delete flagged moments, or export feedback.",
)

_IDS = "Ids of flags, see `flags list`; the first characters suffice."

Text = Annotated[str, typer.Option(help="Only flags with this text in source, note, category or reporter.")]


def _open_archive(settings_file: Path | None, assignments: list[str] | None) -> FlagArchive:
    return FlagArchive.open(settings_from(settings_file, assignments).evidence)


@app.command("list")
def list_flags(
    text: Text = "",
    unreviewed: Annotated[bool, typer.Option("--open", help="Only flags that were not reviewed.")] = False,  # noqa: FBT002 - a flag
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of flags, the newest first.")] = 50,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """List flags, the newest first."""
    query = FlagQuery(text=text, reviewed=False if unreviewed else None)
    with _open_archive(settings_file, assignments) as archive:
        flags, total = archive.store.find(query, limit=limit), archive.store.count(query)
    if as_json:
        typer.echo(json.dumps([flag.record() for flag in flags], indent=2, ensure_ascii=False))
        return
    if not flags:
        errors.print(f"no flags in {escape(str(archive.folder))}" + (" match" if text or unreviewed else ""))
        return
    whole = Column("id", no_wrap=True, overflow="fold")
    table = Table(whole, "source", "at", "label", "P(fake)", "opinion", "clip", box=None, pad_edge=False)
    for flag in flags:
        probability = percent_or_unknown(flag.probability)
        opinion = flag.opinion or ("reviewed" if flag.reviewed_at else "")
        row = (flag.id, flag.source, clock(flag.media_time), flag.label.in_words, probability, opinion, flag.clip)
        table.add_row(*map(escape, row))
    print_table(table)
    if total > len(flags):
        errors.print(f"{len(flags)} of {total} flags: --limit {total} shows all")


@app.command()
def show(
    flag_id: Annotated[str, typer.Argument(help="Id of a flag, or its first characters.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Show all fields, files and log entries of one flag."""
    with _open_archive(settings_file, assignments) as archive:
        flag = archive.store.resolve(flag_id)
        events = archive.store.events(flag.id)
    if as_json:
        typer.echo(json.dumps(flag.record(), indent=2, ensure_ascii=False))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(flag):
        table.add_row(name, escape(value))
    for exhibit in flag.exhibits:
        table.add_row("file", escape(f"{archive.files.locate(flag.id, exhibit.name)}, {exhibit.size} bytes"))
    for event in events:
        table.add_row("log", escape(f"{event.at} {event.action} by {event.actor or 'the program'}"))
    print_table(table)


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
    """Export flags with their files, log and a readable report as one zip file that can be verified anywhere."""
    if sum((bool(ids), bool(text), everything)) != 1:
        raise UsageError("choose the flags: give their ids, or --text, or --all")
    if out.exists():
        raise UsageError(f"{out} exists already: choose another file with --out")
    settings = settings_from(settings_file, assignments)
    with FlagArchive.open(settings.evidence) as archive:
        flags = archive.store.resolve_all(ids) if ids else list(archive.iterate(FlagQuery(text=text)))
        if not flags:
            raise UsageError(f"no flag in {archive.folder} matches: nothing was written")
        bundle = archive.export(flags, out, actor=user_name(), blur=blur, credentials=settings.credentials)
    for clause in bundle.skipped:
        errors.print(f"omitted: {escape(clause)}")
    if settings.credentials.can_sign:
        errors.print("signed with content credentials: report.pdf, and the pictures and clips of the flags")
    for clause in bundle.unsigned:
        errors.print(f"not signed: {escape(clause)}")
    for name in bundle.missing:
        errors.print(f"[yellow]missing file:[/] {escape(name)}")
    console.print(
        f"{escape(str(bundle.path))}: {bundle.flags} flags; store this hash separately, it identifies the file:"
    )
    console.print(f"SHA-256 of its manifest {bundle.sha256}")


@app.command()
def verify(
    bundle: Annotated[
        Path | None, typer.Argument(help="A zip of `flags export`, or its folder; default: the stored flags.")
    ] = None,
    sha256: Annotated[str, typer.Option(help="SHA-256 of the manifest, as printed by the export.")] = "",
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Report every changed, missing or added file and every clip that contradicts its flag; then the exit code is 1."""
    if bundle is None:
        with _open_archive(settings_file, assignments) as archive:
            faults, subject = archive.faults(), f"{archive.store.count()} flags in {archive.folder}"
    else:
        verification = verify_bundle(bundle)
        if sha256 and verification.sha256 != sha256.lower().strip():
            raise BundleError(f"{bundle} is not the exported file: its manifest has SHA-256 {verification.sha256}")
        for clause in verification.declared:
            errors.print(f"declared by the export: {escape(clause)}")
        if verification.ignored:
            errors.print(f"ignored, added by an operating system: {escape(', '.join(verification.ignored))}")
        faults = list(verification.faults)
        subject = f"{len(verification.flags)} flags exported at {verification.made_at}"
    for fault in faults:
        errors.print(f"[bold red]fault:[/] {escape(fault)}")
    if faults:
        raise typer.Exit(1)
    console.print(
        escape(f"{subject}: no file was changed, is missing or was added, and every clip has its stated length")
    )
    if bundle is not None:
        console.print(f"SHA-256 of its manifest {verification.sha256}")


@app.command()
def delete(
    ids: Annotated[list[str] | None, typer.Argument(help=_IDS)] = None,
    source: Annotated[str, typer.Option(help="All flags of this source; its name as in `flags list`.")] = "",
    why: Annotated[str, typer.Option(help="Reason, written into the log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Delete flags and their files permanently; the log keeps their ids and your name."""
    if bool(ids) == bool(source):
        raise UsageError("choose the flags: give their ids, or --source")
    with _open_archive(settings_file, assignments) as archive:
        # All or none: a wrong id is an error before the first deletion.
        selected = [flag.id for flag in archive.store.resolve_all(ids or ())]
        if source:
            selected = [flag.id for flag in archive.iterate(FlagQuery(source=source, order="oldest"))]
        if not selected:
            raise UsageError(
                f"no flag in {archive.folder} has the source {source}: nothing was deleted (see `flags list`)"
            )
        if not yes:
            of = f" of {source}" if source else ""
            named = f" ({', '.join(selected)})" if ids else ""
            question = f"Delete {len(selected)} flags{of}{named} and their files? This cannot be undone"
            typer.confirm(question, abort=True, err=True)
        for flag_id in selected:
            archive.delete(flag_id, actor=user_name(), why=why)
    console.print(f"{len(selected)} deleted")


@app.command()
def tidy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the deletions without making them.")] = False,  # noqa: FBT002 - a flag
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Delete old unreviewed automatic flags and old false alarms, by the limits in the settings."""
    settings = settings_from(settings_file, assignments).evidence
    if all(rule.days is None and rule.gigabytes is None for rule in rules(settings).values()):
        raise UsageError(
            "the settings have no limit for flags: set evidence.keep_days or evidence.max_gigabytes, "
            "or the limits for false alarms (evidence.false_alarm_days, evidence.false_alarm_gigabytes)"
        )
    now = datetime.now(UTC)
    with FlagArchive.open(settings) as archive:
        plan = archive.plan(settings, now=now) if dry_run else archive.tidy(settings, now=now)
    for deletion in plan.deletions:
        console.print(escape(f"{deletion.flag_id}: {deletion.why}"))
    action = "would be deleted" if dry_run else "deleted"
    console.print(f"{len(plan.deletions)} flags {action}, {plan.freed / 1e6:.1f} of {plan.used / 1e6:.1f} MB")
    if plan.over:
        errors.print(
            f"[yellow]still {plan.over / 1e6:.1f} MB beyond evidence.max_gigabytes:[/] the other flags were created or "
            "reviewed by people, or their clips are pending; delete flags with `flags delete`, or raise the limit"
        )


@app.command()
def feedback(
    out: Annotated[Path, typer.Option(help="The folder, for `lab prepare feedback` and `lab calibrate`.")],
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Export the flags that people called fake or real as training data for the laboratory."""
    from monitor.cli.feedback import write_feedback

    with _open_archive(settings_file, assignments) as archive:
        written = write_feedback(archive.iterate(FlagQuery(order="oldest")), out, exhibits=archive.files)
    console.print(escape(f"{written.table}: {written.in_words}"))


def _facts(flag: Flag) -> list[tuple[str, str]]:
    probability = "" if flag.probability is None else f", P(fake) {percent(flag.probability)}"
    reasons = reasons_in_words(flag.reasons)
    opinion = (
        f"{flag.opinion or 'no opinion'} ({flag.reviewed_by}, {flag.reviewed_at})" if flag.reviewed_at else "not yet"
    )
    facts = {
        "source": flag.source,
        "requested span": f"{clock_span(flag.start, flag.end)}, flagged at {clock(flag.media_time)}",
        "face": "the whole picture" if flag.track_id is None else str(flag.track_id),
        "label": f"{flag.label.in_words}{probability}" + (f"; {reasons}" if reasons else ""),
        "opinion": opinion,
        "category": flag.category,
        "note": flag.note,
        "flagged": f"{flag.created_at} by {flag.reporter or flag.origin}",
        "clip": flag.clip_in_words + (f"; {flag.clip_warning}" if flag.clip_warning else ""),
        "model": f"{flag.model} on {flag.engine}, version {flag.program}",
    }
    return [(name, value) for name, value in facts.items() if value]
