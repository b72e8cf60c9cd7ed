"""``deepfake-monitor lab explain-check``: test whether the heat-map points at manipulated areas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from monitor.classifiers import Classifier
from monitor.cli.options import Model, Set, SettingsFile, Weights, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.results.result_folder import OutputFolder
from monitor.system.files import write_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from monitor.lab.evaluation.bootstrap import Estimate
    from monitor.lab.evaluation.faithfulness import Explainer, Faithfulness
    from monitor.lab.evaluation.region_fakes import Pairs

_EXAMPLES = 6
_WIDTH = 110  # characters, minimum width of the table
_COLOURS = {"evidence": "#D55E00", "centre": "#0072B2", "random": "#777777", "edges": "#009E73"}
_LINES = {"evidence": "-", "centre": "--", "random": ":"}


def explain_check(
    shards: Annotated[Path, typer.Argument(help="A folder of prepared face crops; its real ones are used.")],
    out: Annotated[Path, typer.Option(help="A new folder for faithfulness.json and .png.")],
    weights: Weights = None,
    model: Model = None,
    size: Annotated[int | None, typer.Option(min=75, max=1024, help="Side of the crops; default: the card's.")] = None,
    split: Annotated[str, typer.Option(help="Of the crops.")] = "val",
    limit: Annotated[int, typer.Option(min=8, help="Real crops that fakes are made of.")] = 96,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Measure the evidence map on fakes with a known manipulated area, and compare it with uninformed baselines.

    Mouth-only, eye-band and half-face fakes are self-blended from real crops. The tests are energy in the mask,
    deletion, parameter randomisation and stability, with 95 % intervals over groups.
    """
    from monitor.classifiers import load_classifier
    from monitor.lab.datasets.faceset import FaceSet
    from monitor.lab.evaluation.faithfulness import Explainer, measure
    from monitor.lab.evaluation.region_fakes import make_pairs

    OutputFolder(out.parent, out.name).abort()  # fail before the work if nothing can be written
    wanted = settings_from(settings_file, assignments).classifier
    classifier = load_classifier(model or wanted.model, weights=weights or wanted.weights, input_size=size)
    with errors.status("making fakes"):
        explain = Explainer(classifier)
        pairs = make_pairs(FaceSet.open(shards, splits={split}), classifier, limit=limit, seed=seed)
    with errors.status(f"asking the network about {len(pairs)} fakes in many versions: some minutes"):
        found = measure(explain, pairs, seed=seed)
    material = f"{shards.resolve().name}, split {split}"
    with OutputFolder(out.parent, out.name) as folder:
        try:
            record = json.dumps(_facts(found, classifier, material=material, seed=seed), indent=2, ensure_ascii=False)
            (folder.working / "faithfulness.json").write_text(record + "\n", encoding="utf-8")
            title = f"{classifier.card.id}, {classifier.input_size} px, {material}"
            _picture(found, pairs, explain, title=title).savefig(folder.working / "faithfulness.png", dpi=120)
        except OSError as error:
            raise write_error(folder.working, error) from error
    print_table(_table(found))
    console.print(f"{escape(str(folder.target))}: faithfulness.json, faithfulness.png")


def _facts(found: Faithfulness, classifier: Classifier, *, material: str, seed: int) -> dict[str, Any]:
    return {
        "version": 1,
        "model": classifier.card.id,
        "weights_sha256": classifier.card.weights_sha256,
        "input_size": classifier.input_size,
        "material": material,
        "seed": seed,
        **asdict(found),
        "curves": {name: curve.tolist() for name, curve in found.curves.items()},
    }


def _table(found: Faithfulness) -> Table:
    from monitor.lab.evaluation.plots import in_words

    table = Table("question", "map or disturbance", "answer [95 %]", box=None, pad_edge=False)
    table.width = max(console.width, _WIDTH)
    for region, ratios in found.energy.items():
        for name, ratio in ratios.items():
            table.add_row(f"energy in the mask / its area, {region.replace('_', ' ')}", name, in_words(ratio))
    for name, one in found.contrast.items():
        table.add_row("contrast with the opposite region (0.5 = none)", name, in_words(one))
    for name, one in found.deletion.items():
        table.add_row(f"deletion, mean excess logit, {found.noticed} of {found.pairs} pairs", name, in_words(one))
    for share, one in found.randomisation.items():
        table.add_row("rank correlation, parameters shuffled", f"{share} of all", in_words(one))
    for name, one in found.stability.items():
        table.add_row("rank correlation, crop disturbed", name, in_words(one))
    return table


def _picture(found: Faithfulness, pairs: Pairs, explain: Explainer, *, title: str) -> Figure:
    """Example maps on top, results below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 2.1 * _EXAMPLES + 4.6), layout="constrained", facecolor="white")
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.1 * _EXAMPLES, 4.2))
    above, below = parts
    _examples(above, pairs, explain)
    energy, contrast, curves, other = below.subplots(1, 4)
    _dots(energy, found.energy["all"], nothing=1.0, title="Energy in the mask / its area\n(1: uniform)")
    _dots(contrast, found.contrast, nothing=0.5, title="Contrast with the opposite region\n(0.5: cannot tell)")
    _deletion(curves, found)
    _correlations(other, found)
    figure.suptitle(f"{title}: evidence map of {found.cells[0]} x {found.cells[1]} cells, {found.pairs} fakes")
    return figure


def _examples(figure: Any, pairs: Pairs, explain: Explainer) -> None:  # noqa: ANN401 - matplotlib's SubFigure
    """Fakes of each region in turn: real, fake, difference, mask, signed evidence on a fixed scale."""
    import torch

    first = {region: [row for row, name in enumerate(pairs.regions) if name == region] for region in pairs.regions}
    order = [rows[place] for place in range(len(pairs)) for rows in first.values() if place < len(rows)]
    rows = order[:_EXAMPLES]
    said = explain(pairs.fakes[rows])
    size = pairs.fakes.shape[-1]
    maps = torch.nn.functional.interpolate(said.maps[:, None], (size, size), mode="bilinear")[:, 0].numpy()
    titles = ["real", "fake", "difference x 5", "mask", "evidence, -4 to 4 logits"]
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, row in enumerate(rows):
        real, fake = (images[row].permute(1, 2, 0).numpy() for images in (pairs.reals, pairs.fakes))
        shown = [real, fake, (abs(fake - real) * 5).clip(0, 1), pairs.masks[row].numpy(), fake.mean(2)]
        for column, picture in enumerate(shown):
            axes[line, column].imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes[line, column].set_axis_off()
            if line == 0:
                axes[line, column].set_title(titles[column], fontsize=9)
        axes[line, 4].imshow(maps[line], cmap="RdBu_r", vmin=-4, vmax=4, alpha=0.55)
        axes[line, 4].contour(pairs.masks[row].numpy(), levels=[0.5], colors="black", linewidths=0.8)
        label = f"{pairs.regions[row].replace('_', ' ')}\nlogit {said.logits[line]:.2f}"
        axes[line, 0].text(-0.05, 0.5, label, transform=axes[line, 0].transAxes, ha="right", va="center", fontsize=9)


def _dots(axes: Axes, found: Mapping[str, Estimate], *, nothing: float, title: str) -> None:
    for number, (name, one) in enumerate(found.items()):
        _dot(axes, number, one, colour=_COLOURS[name])
        if one.value is not None:
            axes.annotate(
                f"{one.value:.2f}", (number, one.value), xytext=(7, 0), textcoords="offset points", fontsize=8
            )
    axes.axhline(nothing, color="#777777", linestyle=":")
    axes.set_xticks(range(len(found)), list(found), rotation=35, ha="right", fontsize=8)
    axes.set_xlim(-0.5, len(found) - 0.1)
    axes.set_title(title, fontsize=10)


def _deletion(axes: Axes, found: Faithfulness) -> None:
    for name, curve in found.curves.items():
        shares = [step / (len(curve) - 1) for step in range(len(curve))]
        axes.plot(shares, curve, _LINES[name], color=_COLOURS[name], label=f"{name} first", linewidth=2)
    axes.set(xlabel="share of cells replaced by the real crop", ylabel="logit above the real crop's")
    axes.set_title(f"Deletion\n({found.noticed} of {found.pairs} pairs)", fontsize=10)
    if found.curves:
        axes.legend(frameon=False)


def _correlations(axes: Axes, found: Faithfulness) -> None:
    answers: Mapping[str, Estimate] = {
        **found.stability,
        **{f"{share} shuffled": one for share, one in found.randomisation.items()},
    }
    for number, one in enumerate(answers.values()):
        _dot(axes, number, one, colour="#0072B2" if number < len(found.stability) else "#D55E00")
    axes.axhline(0.0, color="#777777", linestyle=":")
    axes.set_xticks(range(len(answers)), list(answers), rotation=35, ha="right", fontsize=8)
    axes.set_ylim(-1.05, 1.05)
    axes.set_title("Rank correlation with the map\n(disturbed: near 1; shuffled: near 0)", fontsize=10)


def _dot(axes: Axes, x: float, one: Estimate, *, colour: str) -> None:
    if one.value is not None:
        axes.plot([x], [one.value], "o", color=colour)
    if one.low is not None and one.high is not None:
        axes.plot([x, x], [one.low, one.high], color=colour, linewidth=2)
