"""``deepfake-monitor lab ranges``: measure the activation ranges for an int8 engine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monitor.cli.options import Model, Set, SettingsFile, Weights, load_engines, settings_from
from monitor.cli.terminal import console, errors


def ranges(
    data: Annotated[Path, typer.Argument(help="A folder of face shards that the weights were trained on.")],
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "train",
    limit: Annotated[int, typer.Option(min=1, help="So many crops, drawn at random, each also once perturbed.")] = 384,
    model: Model = None,
    weights: Weights = None,
    out: Annotated[Path | None, typer.Option(help="Default: beside the weights.")] = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Measure the activation ranges on real crops, at every input size of the card, and write them to a table.

    The engine onnxruntime-int8 needs this table for weights that are not shipped.
    """
    from monitor.analysis.pipeline import Engines
    from monitor.classifiers import engines_dir
    from monitor.errors import UsageError
    from monitor.inference.cache import default_cache_dir
    from monitor.inference.ranges import RangesTable, ranges_path
    from monitor.lab.evaluation.activations import as_cameras_show, measure_ranges
    from monitor.lab.evaluation.crops import CropScorer
    from monitor.lab.evaluation.material import open_material
    from monitor.system.files import write_whole

    settings = settings_from(settings_file, assignments, backend="onnxruntime", model=model, weights=weights)
    material = open_material(data, split=split, limit=limit)
    if material.faces is None:
        raise UsageError(f"{data} is no folder of face shards: make one with `deepfake-monitor lab prepare`")
    sizes: dict[int, dict[str, tuple[float, float]]] = {}
    card = load_engines(settings).classifier.card
    with Progress(console=errors, transient=True) as progress:
        for size in card.sizes:
            engines = Engines.load(settings, input_size=size)
            scorer = CropScorer(engines.scorer, material.faces)
            seen = as_cameras_show([scorer.cut(scorer.stored(row)) for row in range(len(material.faces))])
            task = progress.add_task(f"{size} px", total=len(seen))
            sizes[size] = measure_ranges(
                engines.classifier.network,
                seen,
                cache_dir=default_cache_dir(settings.cache_dir),
                on_done=lambda task=task: progress.advance(task),  # type: ignore[misc]
            )
    table = RangesTable(
        weights_sha256=card.weights_sha256,
        measured_on=f"{len(material.faces)} crops of {material.name}, {split}, each as it is and once perturbed",
        sizes=sizes,
    )
    chosen = settings.classifier
    path = out or ranges_path(chosen.weights or engines_dir() / f"{chosen.model}.safetensors")
    write_whole(path, table.model_dump_json() + "\n")
    console.print(f"{escape(str(path))}: {len(sizes[card.input.size])} activations at {', '.join(map(str, sizes))} px")
