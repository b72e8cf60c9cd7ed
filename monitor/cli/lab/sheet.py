"""``deepfake-monitor lab sheet``: inspect the pseudo-fakes used in training."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from monitor.cli.terminal import console
from monitor.system.files import write_whole


def sheet(
    shards: Annotated[Path, typer.Argument(help="A folder of prepared face crops.")],
    out: Annotated[Path, typer.Option(help="The picture to write, PNG.")] = Path("sheet.png"),
    rows: Annotated[int, typer.Option(min=1, max=64, help="Faces.")] = 12,
    size: Annotated[int, typer.Option(min=32, max=512, help="Side of each picture, pixels.")] = 160,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    autoencoders: Annotated[
        Path | None, typer.Option(help="File of lab autoencoders; adds the neural pseudo-fakes.")
    ] = None,
) -> None:
    """Draw a contact sheet: real crops, pseudo-fakes with mask and difference, coverings, a degraded pair."""
    import cv2
    import torch

    from monitor.lab.datasets.faceset import FaceSet
    from monitor.lab.fakes.autoencoders import Autoencoders
    from monitor.lab.fakes.sheet import contact_sheet

    trained = Autoencoders.load(autoencoders, device=torch.device("cpu")) if autoencoders else None
    picture = contact_sheet(FaceSet.open(shards), rows=rows, size=size, seed=seed, autoencoders=trained)
    stored = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    write_whole(out, stored.tobytes())
    console.print(f"{escape(str(out))}: {picture.shape[1]} x {picture.shape[0]} pixels")
