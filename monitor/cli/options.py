"""The options that commands share, and the settings and engines that they choose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.terminal import errors
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.analysis.pipeline import Engines
    from monitor.settings import Settings

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file; default: ./deepfake-monitor.toml if it exists.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="STAGE.NAME=VALUE", help="Sets any setting; may be repeated.")
]
Model = Annotated[str | None, typer.Option(help="Name in the model registry; default: the settings'.")]
Weights = Annotated[Path | None, typer.Option(help="safetensors file with its card beside it; default: the settings'.")]
Backend = Annotated[
    str | None, typer.Option(help="Inference engine: auto, or a name from `engines list`.", show_default="auto")
]
MinFace = Annotated[int | None, typer.Option(help="Minimum face size, pixels.", show_default="40")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON output on stdout.")]


def load_engines(settings: "Settings", *, input_size: int | None = None) -> "Engines":
    """Loads the engines, and says so meanwhile."""
    from monitor.analysis.pipeline import Engines

    with errors.status("loading engines (on first use they are built: up to a minute)"):
        return Engines.load(settings, input_size=input_size)


def settings_from(
    file: Path | None,
    assignments: list[str] | None,
    *,
    backend: str | None = None,
    min_face: int | None = None,
    model: str | None = None,
    weights: Path | None = None,
) -> "Settings":
    """Loads the settings from file, environment and command-line options.

    Raises:
        UsageError: an assignment is not STAGE.NAME=VALUE, or a value is invalid.
    """
    from monitor.settings import load_settings  # `--help` does not wait for pydantic

    overrides: dict[str, Any] = {
        "classifier.backend": backend,
        "classifier.model": model,
        "classifier.weights": weights,
        "detector.min_face_size": min_face,
    }
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected STAGE.NAME=VALUE, for example --set tracker.max_age=2")
        overrides[name.strip()] = value.strip()
    return load_settings(file, overrides=overrides)
