from pathlib import Path

import pytest
import torch

from monitor.errors import CheckpointError, OutputError
from monitor.lab.training.checkpoint import BEFORE, NEWEST, load_checkpoint, save_checkpoint


def state(step: int, digest: str = "d") -> dict[str, object]:
    return {"digest": digest, "name": "one", "model": "vit", "step": step, "weights": {"w": torch.full((3,), step)}}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, digest="d") is None
    save_checkpoint(tmp_path / "new", state(1))
    found = load_checkpoint(tmp_path / "new", digest="d")
    assert found is not None
    assert found["step"] == 1
    assert torch.equal(found["weights"]["w"], torch.tensor([1, 1, 1]))


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path, damage: bytes | None) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state(step))
    newest = tmp_path / NEWEST
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(bytes(content) if damage is None else damage)
    found = load_checkpoint(tmp_path, digest="d")
    assert found is not None
    assert found["step"] == 2


def test_killed_between_its_renames_nothing_is_lost(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1))
    (tmp_path / NEWEST).rename(tmp_path / BEFORE)
    (tmp_path / f"{NEWEST}.tmp").write_bytes(b"half of it")
    found = load_checkpoint(tmp_path, digest="d")
    assert found is not None
    assert found["step"] == 1


def test_all_damaged_is_an_error_never_a_new_start(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, state(step))
    for name in (NEWEST, BEFORE):
        (tmp_path / name).write_bytes(b"gone")
    with pytest.raises(CheckpointError, match=r"no sound checkpoint: .*remove the damaged files"):
        load_checkpoint(tmp_path, digest="d")


def test_another_experiments_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1, digest="other"))
    with pytest.raises(CheckpointError, match=r"belongs to another experiment \(one, vit\): choose another --out"):
        load_checkpoint(tmp_path, digest="d")


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, state(1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monitor.lab.training.checkpoint.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_checkpoint(tmp_path, state(2))
    found = load_checkpoint(tmp_path, digest="d")
    assert found is not None
    assert found["step"] == 1
