"""Replaces the selected backend by a faster one whose engines are cached and pass the parity test."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.inference.parity import require_parity

if TYPE_CHECKING:
    from monitor.inference.backends import BackendSelection, Engine

NOT_BUILT = "its engine for this GPU is not built yet"

_log = logging.getLogger(__name__)


def upgrade_engines(
    choice: BackendSelection, networks: Sequence[Network], *, threads: int, cache_dir: Path
) -> tuple[list[Engine], BackendSelection]:
    """Load the engines of the faster backend, if all are cached and agree with fp32 torch.

    Args:
        networks: the classifiers' networks, with reference crops.
        threads: of the reference implementation on the CPU.

    Returns:
        One engine per network and the new selection; or no engines and ``choice`` with the reason. After a refusal,
        ``faster`` is None, so that the refused engine is not built again.
    """
    if choice.faster is None:
        return [], choice
    name, found = choice.faster.name, []
    engines: list[Engine] = []
    try:
        for network in networks:
            engine = choice.faster.cached(network, cache_dir=cache_dir)
            if engine is None:
                return [], with_reason(choice, name, NOT_BUILT)
            found.append(str(require_parity(engine, network, threads=threads, cache_dir=cache_dir)))
            engines.append(engine)
    except EngineError as error:
        _log.warning("%s goes on, %s is not used: %s", choice.backend.name, name, error)
        return [], replace(with_reason(choice, name, str(error)), faster=None)
    others = {other: why for other, why in choice.others.items() if other != name}
    preferred = f"{name} was preferred: it is faster"
    reason = f"the fastest on this GPU; {'; '.join(found)}"
    chosen = replace(
        choice, backend=choice.faster, reason=reason, others=others | {choice.backend.name: preferred}, faster=None
    )
    return engines, chosen


def with_reason(choice: BackendSelection, name: str, why: str) -> BackendSelection:
    """The same selection with another reason against ``name``."""
    return replace(choice, others={**choice.others, name: why})
