"""Activation ranges of a network on real faces: measured once in the laboratory, needed for int8.

The table is beside its weights (``<name>.ranges.json`` beside ``<name>.safetensors``) and names their hash. Ranges need
thousands of faces, which few users have; with too few, an int8 engine clips larger activations.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from monitor.errors import ModelCardError


def _check_order(span: tuple[float, float]) -> tuple[float, float]:
    if not (math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] <= span[1]):
        raise ValueError("a range has two finite ends, the lower one first")
    return span


Range = Annotated[tuple[float, float], AfterValidator(_check_order)]


class RangesTable(BaseModel):
    """The ranges of one set of weights, by input size and activation; activations are named by ``onnx_int8``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    measured_on: str = Field(min_length=1)  # description of the faces
    sizes: dict[int, dict[str, Range]]  # side of a crop, pixels -> activation -> lowest, highest


def ranges_path(weights: Path) -> Path:
    """The path of the table for these weights."""
    return weights.with_suffix(".ranges.json")


def read_ranges(path: Path, *, weights_sha256: str, size: int) -> Mapping[str, tuple[float, float]]:
    """Read the ranges from the table at ``path`` and check that they belong to the weights.

    Raises:
        ModelCardError: the table is missing or malformed, describes other weights, or lacks this input size.
    """
    remedy = "create it again with `deepfake-monitor lab ranges`, or choose another engine"
    try:
        table = RangesTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelCardError(
            f"the table of activation ranges {path} cannot be read ({error.strerror or error}): {remedy}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelCardError(
            f"the table of activation ranges {path} is malformed at {where}: {first['msg'].lower()}; {remedy}"
        ) from None
    if table.weights_sha256 != weights_sha256:
        raise ModelCardError(
            f"the table of activation ranges {path} was measured on other weights (SHA-256 "
            f"{table.weights_sha256[:12]}..., not {weights_sha256[:12]}...): {remedy}"
        )
    if size not in table.sizes:
        known = " and ".join(map(str, sorted(table.sizes)))
        raise ModelCardError(
            f"the table of activation ranges {path} has crops of {known} pixels, not of {size}: {remedy}"
        )
    return table.sizes[size]
