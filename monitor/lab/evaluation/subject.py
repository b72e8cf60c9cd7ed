"""The subject of an evaluation: which data, which weights, which settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.models.card import ModelCard
    from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Subject:
    """Data, weights, engine and settings of an evaluation."""

    name: str  # of the data
    split: str  # or ""
    kind: str  # "videos" or "crops"
    card: ModelCard
    engine: str
    engine_reason: str
    settings: Settings
    selection: str = ""  # description of the selection; empty: everything
