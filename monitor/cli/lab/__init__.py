"""``deepfake-monitor lab``: prepare and inspect data; train, evaluate and compare classifiers."""

from importlib.util import find_spec

import typer

from monitor.cli.lab.calibrate import calibrate
from monitor.cli.lab.card import card
from monitor.cli.lab.committee import committee
from monitor.cli.lab.compare import compare
from monitor.cli.lab.evaluate import evaluate
from monitor.cli.lab.explain_check import explain_check
from monitor.cli.lab.fairness import fairness
from monitor.cli.lab.import_mesonet import import_mesonet
from monitor.cli.lab.prepare import prepare
from monitor.cli.lab.ranges import ranges
from monitor.cli.lab.robustness import robustness
from monitor.cli.lab.sheet import sheet
from monitor.cli.lab.speed import speed
from monitor.cli.lab.train import train
from monitor.errors import UsageError

_NEEDED = ("matplotlib", "scipy", "sklearn", "timm")

app = typer.Typer(name="lab", no_args_is_help=True)


@app.callback()
def lab() -> None:
    """Prepare and inspect data; train, evaluate and compare classifiers."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the laboratory needs {', '.join(missing)}: pip install 'deepfake-monitor[lab]'")


app.command("prepare")(prepare)
app.command("sheet")(sheet)
app.command("train")(train)
app.command("speed")(speed)
app.command("calibrate")(calibrate)
app.command("evaluate")(evaluate)
app.command("card")(card)
app.command("ranges")(ranges)
app.command("robustness")(robustness)
app.command("explain-check")(explain_check)
app.command("fairness")(fairness)
app.command("compare")(compare)
app.command("committee")(committee)
app.command("import-mesonet")(import_mesonet)
