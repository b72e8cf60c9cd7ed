"""``deepfake-monitor lab import-mesonet``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from monitor.cli.terminal import console


def import_mesonet(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="Meso4_DF.h5 or MesoInception_DF.h5.")],
    out: Annotated[Path, typer.Option(metavar="WEIGHTS.safetensors", help="The model card is written beside it.")],
    crop_side: Annotated[
        float, typer.Option(min=0.5, max=4, help="Side of the face crop, in heights of the detector's box.")
    ] = 1.0,
) -> None:
    """Convert the MesoNet authors' Keras weights to this program's weights and model card.

    The result is uncalibrated, as its card states. Needs the extra meso-h5.
    """
    from monitor.lab.mesonet_h5 import import_mesonet as imported

    card = imported(file, out=out, crop_side=crop_side)
    model = card.id.partition("-")[0]
    console.print(f"{escape(str(out))}: {escape(card.architecture)}; the card beside it is {out.stem}.json")
    console.print(f"use it with --set classifier.model={model} --set classifier.weights={escape(str(out))}")
