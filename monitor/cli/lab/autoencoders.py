"""``deepfake-monitor lab autoencoders``: train the decoders of the neural pseudo-fakes."""

from pathlib import Path
from typing import Annotated

import typer


def autoencoders(
    sets: Annotated[list[str], typer.Argument(help="Names of the sets of face crops whose genuine faces are learned.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the sets of face crops; may be repeated.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")] = Path("autoencoders.safetensors"),
    images: Annotated[int, typer.Option(min=16, help="Images that each autoencoder sees.")] = 60_000,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all.")] = None,
) -> None:
    """Train the autoencoders that re-make faces for neural pseudo-fakes (fakes.neural of an experiment)."""
    from monitor.lab.training.command import image_bar
    from monitor.lab.training.reconstruction import train_autoencoders

    with image_bar() as bar:
        task = bar.add_task("images", total=images)

        def on_step(seen: int, loss: float) -> bool:
            bar.update(task, completed=seen, description=f"loss {loss:.3f}")
            return True

        train_autoencoders(sets, roots=data, out=out, images=images, threads=threads, on_step=on_step)
    typer.echo(out)
