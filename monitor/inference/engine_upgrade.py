"""From a backend that runs at once to a faster one, whose engine is there and says the same."""

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


def promoted(
    choice: BackendSelection, networks: Sequence[Network], *, threads: int, cache_dir: Path
) -> tuple[list[Engine], BackendSelection]:
    """The engines of the faster backend, if all are in the cache and agree with fp32 torch; and why, or why not.

    Args:
        choice: what runs otherwise.
        networks: the classifiers', with their witnesses.
        threads: of the reference, which runs on the CPU.
        cache_dir: where engines lie.

    Returns:
        The engines, one for each network, and the choice that they make; or none, and ``choice`` with the reason. A
        faster backend with an engine that was refused is not to be built again: it is no longer named as ``faster``.
    """
    if choice.faster is None:
        return [], choice
    name, found = choice.faster.name, []
    engines: list[Engine] = []
    try:
        for network in networks:
            engine = choice.faster.cached(network, cache_dir=cache_dir)
            if engine is None:
                return [], explained(choice, name, NOT_BUILT)
            found.append(str(require_parity(engine, network, threads=threads, cache_dir=cache_dir)))
            engines.append(engine)
    except EngineError as error:
        _log.warning("%s goes on, %s is not used: %s", choice.backend.name, name, error)
        return [], replace(explained(choice, name, str(error)), faster=None)
    others = {other: why for other, why in choice.others.items() if other != name}
    preferred = f"{name} was preferred: it is faster"
    reason = f"the fastest on this GPU; {'; '.join(found)}"
    chosen = replace(
        choice, backend=choice.faster, reason=reason, others=others | {choice.backend.name: preferred}, faster=None
    )
    return engines, chosen


def explained(choice: BackendSelection, name: str, why: str) -> BackendSelection:
    """The same choice, with another reason why ``name`` was not chosen."""
    return replace(choice, others={**choice.others, name: why})
