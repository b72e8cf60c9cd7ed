"""Checkpoints of a training: written atomically, verified when loaded; the previous one is kept.

A killed training resumes from the newest intact checkpoint.
"""

import contextlib
import hashlib
import io
import logging
import os
import pickle
from pathlib import Path
from typing import Any, Final

import torch

from monitor.errors import CheckpointError, OutputError

logger = logging.getLogger(__name__)

NEWEST, BEFORE = "checkpoint.pt", "checkpoint-before.pt"
_MAGIC: Final = b"deepfake-monitor checkpoint 1\n"
_HASH_BYTES: Final = 32


def save_checkpoint(folder: Path, state: dict[str, Any]) -> Path:
    """Write ``state`` as the newest checkpoint; the former newest becomes the previous one.

    Raises:
        OutputError: the folder cannot be written; existing checkpoints stay.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    newest, temporary = folder / NEWEST, folder / f"{NEWEST}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(_MAGIC)
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if newest.exists():
            newest.replace(folder / BEFORE)
        temporary.replace(newest)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"checkpoint {newest} cannot be written ({error.strerror or error}): free space or choose another --out"
        ) from error
    return newest


def load_checkpoint(folder: Path, *, digest: str) -> dict[str, Any] | None:
    """The newest intact checkpoint in ``folder``; None without any checkpoint.

    Args:
        folder: where :func:`save_checkpoint` wrote.
        digest: of the experiment to resume.

    Raises:
        CheckpointError: it belongs to another experiment, or every checkpoint is damaged.
    """
    damaged: list[str] = []
    for path in (folder / NEWEST, folder / BEFORE):
        if not path.exists():
            continue
        try:
            state = _read(path)
        except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            damaged.append(f"{path} ({error})")
            logger.warning("checkpoint %s is passed over: %s", path, error)
            continue
        if state.get("digest") != digest:
            raise CheckpointError(
                f"checkpoint {path} belongs to another experiment ({state.get('name')}, {state.get('model')}): choose "
                "another --out, or undo the change to the experiment"
            )
        return state
    if damaged:
        raise CheckpointError(f"no sound checkpoint: {'; '.join(damaged)}; remove the damaged files to start anew")
    return None


def _read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    head = len(_MAGIC) + _HASH_BYTES
    if not content.startswith(_MAGIC):
        raise ValueError("it is no checkpoint")
    body = memoryview(content)[head:]
    if hashlib.sha256(body).digest() != content[len(_MAGIC) : head]:
        raise ValueError("it is damaged")
    state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    return state
