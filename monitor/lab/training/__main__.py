"""``python -m monitor.lab.training EXPERIMENT --data FOLDER --out FOLDER``: ``lab train`` with fewer dependencies."""

import argparse
import sys
from pathlib import Path

from monitor.errors import MonitorError
from monitor.lab.training.command import train


def main() -> None:
    """Run a training from the command line; an error is printed as one sentence, with an exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitor.lab.training", description="Train a classifier.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, choices=range(1, 257), metavar="N")
    try:
        weights = train(**vars(parser.parse_args()))
    except MonitorError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write("" if weights is None else f"{weights}\n")


if __name__ == "__main__":
    main()
