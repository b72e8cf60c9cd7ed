"""Writes an evaluation as ``metrics.json``, ``metrics.csv`` and ``report.html``.

Fields of ``metrics.json`` (numbers are rounded to six digits; undefined values are null, with the reason beside
them; an *estimate* is ``{value, low, high, n, groups, why}``, its interval 95 %):

``schema_version``   the first number changes with every incompatible change
``program``          name and version
``created_at``       UTC, ISO 8601
``note``             limits of the figures
``data``             name, split, kind (videos or crops), selection (a description; empty: everything)
``model``            id, architecture, weights_sha256, calibration, limits, licence
``engine``           name, and why it was chosen
``settings``         of every stage
``intervals``        method, level, resamples, seed
``whole``            counts (total, fakes, reals, groups, failed, abstained, without_probability) and estimates by
                     name: ranking, ranking_of_all, decisions, forced, calibration
``datasets``         the same per data set, if there are several
``methods``          the same per method: its fakes with all reals of their data sets
``moments``          videos: n, fakes, groups; ranking and calibration of single scores
``monitoring``       videos: hours, real_hours, false_alarms_per_hour and flips_per_minute (events, time, value, low,
                     high), false_alarm_share, switch and whole (spans, detected, already, median, fastest,
                     slowest; seconds), matches (alarms, spans, matched), abstain_share
``confusion``        counts of labels for real and fake files
``abstentions``      counts by main reason
``failures``         id and reason of each unreadable file
``reliability``      15 bins: low, high, count, mean_probability, fake_share
"""

import csv
import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.lab.evaluation.bootstrap import LEVEL, RESAMPLES
from monitor.lab.evaluation.metrics_summary import MetricsSummary
from monitor.lab.evaluation.outcomes import Outcome
from monitor.lab.evaluation.page import Pictures, Subject, page
from monitor.results.report_content import ModelSummary, Program
from monitor.results.result_folder import OutputFolder
from monitor.system.files import write_error

SCHEMA_VERSION = "1.0"
METRICS_FILE, OUTCOMES_FILE, PAGE_FILE = "metrics.json", "metrics.csv", "report.html"
NOTE = (
    "These figures hold for this data, these weights and these settings. Detectors lose much of their accuracy on "
    "generators, cameras and people unlike their training data; figures on other splits of that data flatter."
)
COLUMNS = (
    "dataset",
    "id",
    "path",
    "label",  # the truth: 1 fake, 0 real
    "method",
    "group",
    "decision",  # the program's label; empty if it failed
    "probability",  # calibrated P(fake); empty without any usable face
    "logit",  # crops: before calibration
    "reasons",  # of an abstention, separated by spaces
    "failure",  # why it could not be read
    "duration",  # videos: seconds
    "frames",
    "faces",
    "alarms",  # start-end in seconds, separated by spaces
    "flips",
    "abstaining_seconds",
    "ended_early",
)


def write_report(
    out: Path,
    outcomes: Sequence[Outcome],
    *,
    subject: Subject,
    pictures: Pictures | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Path, MetricsSummary]:
    """Write the three files into a new folder, atomically.

    Args:
        out: the folder; if it exists, the new one is called ``<out>-2``, and so on.
        outcomes: of every file.
        subject: data, weights and settings.
        pictures: returns the face of an outcome, for the worst mistakes; None: no faces are shown.
        resamples: of the intervals.
        seed: of the intervals.

    Returns:
        The folder, and the figures.

    Raises:
        OutputError: it cannot be written.
    """
    card = MetricsSummary.of(outcomes, resamples=resamples, seed=seed)
    content = metrics_record(card, outcomes, subject=subject, resamples=resamples, seed=seed)
    html = page(card, outcomes, subject=subject, facts=content, pictures=pictures)
    with OutputFolder(out.parent, out.name) as folder:
        try:
            text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
            (folder.working / METRICS_FILE).write_text(text + "\n", encoding="utf-8")
            (folder.working / PAGE_FILE).write_text(html, encoding="utf-8")
            with (folder.working / OUTCOMES_FILE).open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(COLUMNS)
                rows.writerows(_row(one) for one in outcomes)
        except OSError as error:
            raise write_error(folder.working, error) from error
    return folder.target or folder.working, card


def metrics_record(
    card: MetricsSummary, outcomes: Sequence[Outcome], *, subject: Subject, resamples: int, seed: int
) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    figures: Mapping[str, Any] = {field.name: getattr(card, field.name) for field in dataclasses.fields(card)}
    return {
        "schema_version": SCHEMA_VERSION,
        "program": Program().to_dict(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": NOTE,
        "data": {
            "name": subject.name,
            "split": subject.split,
            "kind": subject.kind,
            "selection": subject.selection,
        },
        "model": ModelSummary.of(subject.card).to_dict(),
        "engine": {"name": subject.engine, "reason": subject.engine_reason},
        "settings": subject.settings.record(),
        "intervals": {
            "method": "percentile bootstrap over groups",
            "level": LEVEL,
            "resamples": resamples,
            "seed": seed,
        },
        **{name: _plain(value) for name, value in figures.items()},
        "failures": [{"dataset": one.dataset, "id": one.id, "why": one.failure} for one in outcomes if one.failed],
    }


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """A value converted for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def _row(outcome: Outcome) -> tuple[object, ...]:
    film = outcome.footage
    of_film: tuple[object, ...] = ("",) * 7
    if film is not None:
        alarms = " ".join(f"{alarm.start:.3f}-{alarm.end:.3f}" for alarm in film.alarms)
        times = (f"{film.duration:.3f}", film.frames, film.faces, alarms, film.flips)
        of_film = (*times, f"{film.abstaining_seconds:.3f}", film.ended_early)
    return (
        outcome.dataset,
        outcome.id,
        outcome.path,
        outcome.label,
        outcome.method,
        outcome.group,
        outcome.decision or "",
        "" if outcome.probability is None else f"{outcome.probability:.6f}",
        "" if outcome.logit is None else f"{outcome.logit:.6f}",
        " ".join(outcome.reasons),
        outcome.failure,
        *of_film,
    )
