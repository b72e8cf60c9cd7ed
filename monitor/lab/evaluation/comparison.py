"""Comparison of several classifiers on the same crops, with the same training data and budget.

The figures are those of ``monitor.lab.evaluation.metrics_summary``, with a forced decision at a calibrated P(fake) of
0.5.
Speed is measured on one thread. The classifiers take turns, so that a change of the machine's speed affects all of
them; the caption names speeds from different runs. Classifiers that differ in training data, training length, crops
or engine are refused, or compared with a caption that names the difference.
"""

import hashlib
import json
import secrets
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field, TypeAdapter, ValidationError

from monitor.analysis.pipeline import Engines
from monitor.classifiers import architecture, model_of
from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.crops import crop_outcomes
from monitor.lab.evaluation.metrics_summary import section_of
from monitor.lab.evaluation.outcomes import Outcome
from monitor.lab.evaluation.plots import in_words
from monitor.lab.evaluation.speeds import faces_per_second
from monitor.settings import Settings

FIGURES: Final = ("accuracy", "precision", "recall", "f1", "auc")
TITLES: Final = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "AUC"}
VERSION: Final = 2  # of the JSON
_SAME_BUDGET = 0.02  # relative difference of the images seen in training that still counts as the same
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe & Ito: safe for colour-blind eyes
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo")
_DISCLAIMER = (
    "Measured by this program on the crops named here, with weights trained under the budget named here: "
    "not the figures of any paper, and not comparable with them."
)


Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class CropSummary:
    """Identifies the crops on which a classifier was measured."""

    name: str  # "dfdc-faces, split test"
    fakes: Count
    reals: Count
    groups: Count
    digest: str  # hex SHA-256 over names, labels, groups, stored files and geometry: the same for the same crops
    failures: tuple[str, ...] = ()  # names of unreadable crops, counted in none of the above

    @classmethod
    def of(cls, faces: FaceSet, *, failures: Sequence[str] = ()) -> "CropSummary":
        """Summary of prepared crops; the counts leave out those named in ``failures``."""
        splits = "+".join(sorted({row.split or "none" for row in faces.rows}))
        lines = sorted(
            f"{row.name} {row.label} {row.group} {hashlib.sha256(faces.jpeg(number)).hexdigest()}"
            for number, row in enumerate(faces.rows)
        )
        square = f"{faces.side_over_box_height!r} {faces.centre_below_box_centre_over_box_height!r}"
        kept = [row for row in faces.rows if row.name not in set(failures)]
        fakes = sum(row.label for row in kept)
        return cls(
            name=f"{faces.folder.resolve().name}, split {splits}",
            fakes=fakes,
            reals=len(kept) - fakes,
            groups=len({row.group for row in kept}),
            digest=hashlib.sha256("\n".join((square, *lines)).encode()).hexdigest(),
            failures=tuple(sorted(failures)),
        )


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One classifier: identity, training, figures and cost."""

    model: str  # name in the registry
    id: str  # of the weights
    weights_sha256: str
    input_size: Count  # pixels
    trained_on: str  # as its card says
    images_trained: Count | None  # None: the card does not say
    parameters: Count
    file_bytes: Count
    engine: str
    faces_per_second: Annotated[float, Field(gt=0)] | None  # one thread, one face at a time; None: not measured
    figures: Mapping[str, Estimate]  # of FIGURES
    material: CropSummary
    run: str  # id of the run; speeds of one run are comparable


_ENTRIES: Final = TypeAdapter(tuple[ComparedModel, ...])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparable classifiers and the caption of their table."""

    entries: tuple[ComparedModel, ...]
    unlike: tuple[str, ...]  # differences between the entries; empty unless they were allowed

    @property
    def caption(self) -> str:
        """The material, conditions and limits of the figures."""
        first = self.entries[0]
        trained = "; ".join(dict.fromkeys(entry.trained_on for entry in self.entries))
        budgets = dict.fromkeys(entry.images_trained for entry in self.entries)
        seen = " / ".join("an unknown number of" if images is None else f"{images:,}" for images in budgets)
        material = first.material
        parts = [
            f"Trained on {trained}, {seen} images each.",
            f"Measured on {material.name}: {material.fakes} fake and {material.reals} real crops; 95 % intervals "
            f"resample {material.groups} groups. Everyone is told fake or real at P(fake) = 0.5.",
        ]
        if material.failures:
            count, first_name = len(material.failures), material.failures[0]
            named = first_name if count == 1 else f"{first_name} and {count - 1} more"
            parts.append(f"{count} further crops could not be read and are part of no figure ({named}).")
        timed = [entry for entry in self.entries if entry.faces_per_second]
        if timed:
            engines = ", ".join(dict.fromkeys(entry.engine for entry in timed))
            together = len({entry.run for entry in timed}) == 1
            how = "all in turns in one run" if together else "in separate runs, so these may differ by machine and load"
            parts.append(f"Faces per second: one thread, one face at a time, {how} ({engines}).")
        if self.unlike:
            parts.insert(0, f"NOT LIKE FOR LIKE: {'; '.join(self.unlike)}.")
        return " ".join([*parts, _DISCLAIMER])


def measure(
    weights: Sequence[Path],
    faces: FaceSet,
    *,
    settings: Settings,
    sizes: Sequence[int | None] = (None,),
    on_done: Callable[[int], None],
) -> list[ComparedModel]:
    """Score the same crops with every classifier, then measure their speed in turns.

    Args:
        weights: safetensors files with their cards beside them.
        faces: the crops.
        settings: backend, threads (one is used) and thresholds.
        sizes: input sizes in pixels; all weights are measured at each. None: the size on each card.
        on_done: called with the number of crops just finished.

    Raises:
        ModelError: weights or a card are missing, malformed, of no known architecture, or not calibrated for a size.
        DatasetError: the crops are too narrow for a classifier, or of one class only.
        EngineError: an engine failed.
    """
    _require_both(CropSummary.of(faces))
    measured = list(product(weights, sizes))
    loaded = [_loaded(path, settings, input_size=size) for path, size in measured]
    said: list[list[Outcome]] = []
    judged: list[CropSummary] = []
    for _, engines in loaded:
        said.append(crop_outcomes(faces, engines=engines, settings=settings.verdict, on_done=on_done))
        judged.append(CropSummary.of(faces, failures=[outcome.id for outcome in said[-1] if outcome.failed]))
        _require_both(judged[-1])
    speeds = faces_per_second([engines for _, engines in loaded])
    run = secrets.token_hex(8)
    return [
        _entry(path, one, outcomes=outcomes, material=material, speed=speed, run=run)
        for (path, _), one, outcomes, material, speed in zip(measured, loaded, said, judged, speeds, strict=True)
    ]


def _require_both(material: CropSummary) -> None:
    if not (material.fakes and material.reals):
        raise DatasetError(
            f"{material.name} has {material.fakes} fake and {material.reals} real crops: a comparison needs both"
        )


def compared(entries: Sequence[ComparedModel], *, anyway: bool = False) -> Comparison:
    """Check that classifiers are comparable, and put them side by side.

    Args:
        entries: one or more.
        anyway: accept differences in training or measurement; the caption names them.

    Raises:
        UsageError: there are no entries, or they differ.
    """
    if not entries:
        raise UsageError("there is no classifier to compare: name weights, or comparison.json files")
    unlike = tuple(_differences(entries))
    if unlike and not anyway:
        raise UsageError(f"these classifiers are not alike: {'; '.join(unlike)} (--anyway compares them, and says so)")
    return Comparison(entries=tuple(entries), unlike=unlike)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON values; ``entries_from`` reads its entries back."""
    return {
        "version": VERSION,
        "kind": "comparison",
        "caption": comparison.caption,
        "unlike": list(comparison.unlike),
        "entries": [asdict(entry) for entry in comparison.entries],
    }


def entries_from(path: Path) -> list[ComparedModel]:
    """The entries of a ``comparison.json``.

    Raises:
        DatasetError: it cannot be read, is not a comparison, or a value has the wrong type.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
        if not isinstance(tree, dict) or (tree.get("version"), tree.get("kind")) != (VERSION, "comparison"):
            why = f"it does not say version {VERSION}, kind comparison"
        else:
            entries = _ENTRIES.validate_json(json.dumps(tree.get("entries")), strict=True)
            lacking = [name for entry in entries for name in FIGURES if name not in entry.figures]
            if entries and not lacking:
                return list(entries)
            why = f"an entry lacks the figure {lacking[0]!r}" if lacking else "it has no entries"
    except ValidationError as error:
        first = error.errors()[0]
        why = f"entries.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (OSError, ValueError) as error:
        why = str(error)
    raise DatasetError(f"{path} is no comparison.json ({why}): lab compare --weights W SHARDS makes one")


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def markdown(comparison: Comparison) -> str:
    """The table with the best figures in bold, and the caption."""
    entries = comparison.entries
    head = ["Detector", *TITLES.values(), "Faces/s", "Parameters", "Input", "Images trained", "File"]
    best = {name: max((entry.figures[name].value or 0.0) for entry in entries) for name in FIGURES}
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for entry in entries:
        cells = [f"{entry.model} ({entry.id})"]
        for name in FIGURES:
            figure = entry.figures[name]
            words = in_words(figure)
            cells.append(f"**{words}**" if figure.value is not None and figure.value == best[name] else words)
        speed, images = entry.faces_per_second, entry.images_trained
        cells += [
            "not measured" if speed is None else f"{speed:.0f}",
            f"{entry.parameters / 1e6:.2f} M",
            f"{entry.input_size} px",
            "unknown" if images is None else f"{images:,}",
            f"{entry.file_bytes / 2**20:.1f} MiB",
        ]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join((*lines, "", comparison.caption, ""))


def chart(comparison: Comparison) -> Figure:
    """A bar chart with intervals, values and caption on a white background."""
    entries = comparison.entries
    figure = Figure(figsize=(11, 6.2), facecolor="white")
    quality, speed = figure.subplots(1, 2, width_ratios=(3.4, 1))
    width = 0.84 / len(entries)
    for number, entry in enumerate(entries):
        style: dict[str, Any] = {
            "color": _COLOURS[number % len(_COLOURS)],
            "hatch": _HATCHES[number % len(_HATCHES)],
            "edgecolor": "white",
        }
        for place, name in enumerate(FIGURES):
            x = place + (number - (len(entries) - 1) / 2) * width
            label = {} if place else {"label": f"{entry.id}, {entry.input_size} px"}
            _bar(quality, x, entry.figures[name], width=width, style=style | label)
        rate = entry.faces_per_second or 0.0
        speed.bar(number, rate, 0.8, **style)
        speed.annotate(f"{rate:.0f}" if rate else "n/a", (number, rate), ha="center", va="bottom", fontsize=9)
    quality.axhline(0.5, color="#777777", linestyle=":", linewidth=1)
    quality.set(ylim=(0, 1.16), ylabel="Share (0 to 1), 95 % interval")
    quality.set_yticks(np.linspace(0, 1, 6))
    quality.set_xticks(range(len(FIGURES)), list(TITLES.values()))
    quality.legend(loc="upper center", ncols=3, frameon=False, fontsize=9)
    apart = len({entry.run for entry in entries if entry.faces_per_second}) > 1
    speed.set_title("Faces per second, one thread" + ("\n(separate runs)" if apart else ""), fontsize=10)
    names = [f"{entry.model}, {entry.input_size} px" for entry in entries]
    speed.set_xticks(range(len(entries)), names, rotation=30, ha="right", fontsize=9)
    for axes in (quality, speed):
        axes.spines[["top", "right"]].set_visible(False)
    caption = textwrap.fill(comparison.caption, 150)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.93, bottom=0.2 + 0.03 * caption.count("\n"), wspace=0.16)
    figure.text(0.02, 0.02, caption, fontsize=8.5, va="bottom", color="#333333")
    return figure


def _bar(axes: Axes, x: float, estimate: Estimate, *, width: float, style: Mapping[str, Any]) -> None:
    value = estimate.value or 0.0
    axes.bar(x, value, width * 0.94, **style)
    top = value
    if estimate.low is not None and estimate.high is not None:
        axes.plot([x, x], [estimate.low, estimate.high], color="#222222", linewidth=1.2)
        top = estimate.high
    label = "n/a" if estimate.value is None else f"{value:.2f}"
    axes.annotate(label, (x, top), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=7.5)


def _differences(entries: Sequence[ComparedModel]) -> list[str]:
    """Differences between the entries, one clause each."""
    found = []
    data = {entry.trained_on: entry.id for entry in entries}
    if len(data) > 1:
        (one, first), (two, second), *_ = data.items()
        found.append(f"{first} was trained on {one!r}, {second} on {two!r}")
    unknown = [entry.id for entry in entries if entry.images_trained is None]
    images = [(entry.images_trained, entry.id) for entry in entries if entry.images_trained is not None]
    if unknown:
        found.append(f"the card of {unknown[0]} does not say how many images it was trained on")
    if images and max(images)[0] - min(images)[0] > _SAME_BUDGET * max(images)[0]:
        (fewest, first), (most, second) = min(images), max(images)
        found.append(f"{first} was trained on {fewest:,} images, {second} on {most:,}")
    if len({entry.material.digest for entry in entries}) > 1:
        found.append("they were measured on different crops")
    engines = {entry.engine: entry.id for entry in entries}
    if len(engines) > 1:
        (one, first), (two, second), *_ = engines.items()
        found.append(f"{first} ran on {one}, {second} on {two}")
    return found


def _loaded(path: Path, settings: Settings, *, input_size: int | None) -> tuple[str, Engines]:
    """The registry name of a weights file, and its engines on one thread."""
    name = model_of(path)
    changes = {"model": name, "weights": path, "threads": 1, "input_size": input_size}
    classifier = settings.classifier.model_copy(update=changes)
    return name, Engines.load(settings.model_copy(update={"classifier": classifier}))


def _entry(
    path: Path,
    loaded: tuple[str, Engines],
    *,
    outcomes: Sequence[Outcome],
    material: CropSummary,
    speed: float,
    run: str,
) -> ComparedModel:
    name, engines = loaded
    section = section_of(outcomes)
    figures = {**section.forced, **section.ranking}
    card = engines.classifier.card
    images = card.training.get("images_trained", card.training.get("images_seen"))
    return ComparedModel(
        model=name,
        id=card.id,
        weights_sha256=card.weights_sha256,
        input_size=engines.classifier.input_size,
        trained_on=str(card.training.get("data", "unknown data")),
        images_trained=images if isinstance(images, int) else None,
        parameters=sum(tensor.numel() for tensor in architecture(name).body().parameters()),
        file_bytes=path.stat().st_size,
        engine=engines.scorer.engine.name,
        faces_per_second=speed,
        figures={key: figures[key] for key in FIGURES},
        material=material,
        run=run,
    )
