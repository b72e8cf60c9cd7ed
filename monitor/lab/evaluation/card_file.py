"""Changes the model card beside a file of weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.classifiers.model_card import ModelCard, read_card
from monitor.system.files import write_whole


def change_card(weights: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the JSON values of the card beside the weights; the fields that ``change`` leaves alone stay.

    Returns:
        Path of the card.

    Raises:
        ModelCardError: the card is invalid, or describes other weights.
        OutputError: it cannot be written.
    """
    path = weights.with_suffix(".json")
    read_card(path, weights=weights)
    card: dict[str, Any] = json.loads(path.read_bytes())
    change(card)
    ModelCard.model_validate(card)
    write_whole(path, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return path
