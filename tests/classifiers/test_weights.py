import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from monitor.classifiers.weights import export_weights, load_state, read_weights, restore, sha256
from monitor.errors import ModelCardError, OutputError


def small() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_are_cast_and_integers_are_kept(tmp_path: Path, dtype: str) -> None:
    state, path = small().state_dict(), tmp_path / "net.safetensors"
    state["1.num_batches_tracked"] += 70_000  # more than fp16 holds
    state["1.running_var"] += 70_000.123
    export_weights(state, path, dtype=dtype)
    found = load_file(path)
    assert found["0.weight"].dtype == getattr(torch, dtype)
    assert torch.equal(found["1.running_var"], state["1.running_var"])
    assert found["0.bias"].dtype == torch.float32
    assert found["1.num_batches_tracked"].item() == 70_000
    read = read_weights(path, architecture="small")
    assert {value.dtype for value in read.values()} == {torch.float32, torch.int64}
    for name, value in state.items():
        torch.testing.assert_close(read[name], value, atol=1e-3 if name == "0.weight" else 0, rtol=0)


def test_equal_weights_give_equal_files_and_hashes(tmp_path: Path) -> None:
    state, path = small().state_dict(), tmp_path / "net.safetensors"
    digest = export_weights(state, path)
    content = path.read_bytes()
    assert digest == sha256(path) == hashlib.sha256(content).hexdigest()
    assert export_weights(dict(reversed(state.items())), path) == digest  # over the old one, in another order
    assert path.read_bytes() == content
    state["0.bias"] = state["0.bias"] + 1
    assert export_weights(state, path) != digest


def test_shared_and_strided_tensors_are_written(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3)
    export_weights({"a": base, "b": base, "c": base.T}, tmp_path / "net.safetensors", dtype="float32")
    found = load_file(tmp_path / "net.safetensors")
    assert torch.equal(found["a"], base)
    assert torch.equal(found["b"], base)
    assert torch.equal(found["c"], base.T)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_a_value_that_half_precision_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"before")
    with pytest.raises(OutputError, match=r"0\.weight holds values that are not finite in float16"):
        export_weights({"0.weight": torch.tensor([[1.0, value]])}, path)
    assert path.read_bytes() == b"before"


def test_an_unwritable_path_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"net\.safetensors cannot be written"):
        export_weights({"a": torch.zeros(1)}, tmp_path / "net.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_weights_are_restored_exactly(tmp_path: Path) -> None:
    net, path = small(), tmp_path / "net.safetensors"
    export_weights(net.state_dict(), path, dtype="float32")
    found = restore(small, path, architecture="small")
    assert {name: value.device.type for name, value in found.state_dict().items()} == dict.fromkeys(
        net.state_dict(), "cpu"
    )
    for name, value in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)


def lose_a_tensor(state: dict[str, torch.Tensor]) -> None:
    del state["1.running_var"]


def add_a_tensor(state: dict[str, torch.Tensor]) -> None:
    state["extra.weight"] = torch.zeros(1)


def reshape_a_tensor(state: dict[str, torch.Tensor]) -> None:
    state["0.weight"] = torch.zeros(4, 3, 5, 5)


@pytest.mark.parametrize(
    ("harm", "where"),
    [(lose_a_tensor, "1.running_var"), (add_a_tensor, "extra.weight"), (reshape_a_tensor, "0.weight")],
)
def test_other_networks_are_refused(tmp_path: Path, harm, where: str) -> None:
    state, path = small().state_dict(), tmp_path / "net.safetensors"
    harm(state)
    with pytest.raises(ModelCardError, match=rf"net\.safetensors do not fit small: .*{where}"):
        load_state(small(), state, path=path, architecture="small")


@pytest.mark.parametrize("content", [b"", b"no safetensors at all"])
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelCardError, match=r"net\.safetensors do not fit small"):
        restore(small, path, architecture="small")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCardError, match=r"net\.safetensors do not fit small: No such file"):
        read_weights(tmp_path / "net.safetensors", architecture="small")
