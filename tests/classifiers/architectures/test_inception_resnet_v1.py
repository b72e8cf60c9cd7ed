import pickle
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file

from monitor.classifiers.architectures.inception_resnet_v1 import body as new_body
from monitor.classifiers.architectures.inception_resnet_v1 import build, vggface2_state, with_evidence
from monitor.classifiers.weights import export_weights
from monitor.errors import ModelCardError, ModelError
from monitor.inference import facenet
from monitor.inference.facenet import facenet_pytorch


@pytest.fixture(scope="module")
def weights(body: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    export_weights(body.state_dict(), path, dtype="float16")
    return path


def test_half_precision_weights_give_a_full_precision_network(
    weights: Path, body: torch.nn.Module, crops: torch.Tensor
) -> None:
    net = build(weights, input_size=224)
    assert not net.training
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    with torch.inference_mode():
        found, expected = net(crops), with_evidence(body, input_size=224)(crops)
    torch.testing.assert_close(found[0], expected[0], atol=2e-2, rtol=1e-2)  # fp16 rounding of the weights
    assert not torch.equal(found[0], expected[0])


def test_building_twice_gives_the_same_network(weights: Path, crops: torch.Tensor) -> None:
    with torch.inference_mode():
        one, two = (build(weights, input_size=224)(crops)[0] for _ in range(2))
    assert torch.equal(one, two)


def test_dropout_is_active_only_if_requested() -> None:
    assert new_body(dropout=0.4).dropout.p == 0.4
    assert new_body().dropout.p == 0.0


def lose_a_layer(state: dict[str, torch.Tensor]) -> None:
    del state["last_bn.weight"]


def add_a_layer(state: dict[str, torch.Tensor]) -> None:
    state["extra.weight"] = torch.zeros(1)


def add_a_class(state: dict[str, torch.Tensor]) -> None:
    state["logits.weight"] = torch.zeros(2, 512)


@pytest.mark.parametrize(
    ("harm", "where"), [(lose_a_layer, "last_bn.weight"), (add_a_layer, "extra.weight"), (add_a_class, "logits.weight")]
)
def test_other_architectures_are_refused(weights: Path, tmp_path: Path, harm, where: str) -> None:
    state = load_file(weights)
    harm(state)
    export_weights(state, tmp_path / "net.safetensors")
    with pytest.raises(ModelCardError, match=where):
        build(tmp_path / "net.safetensors", input_size=160)


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch):
    """Replaces facenet-pytorch's download by the given function."""

    def stand_in(download) -> None:
        def made(**options: object) -> torch.nn.Module:
            assert options == {"pretrained": "vggface2"}
            return download()

        monkeypatch.setattr(facenet, "foreign_package", lambda name: SimpleNamespace(InceptionResnetV1=made))

    return stand_in


def test_vggface2_initialises_all_but_the_last_layer(no_download) -> None:
    other = new_body()
    theirs = facenet_pytorch().InceptionResnetV1(classify=True, num_classes=8631)  # as the download: all people of it
    no_download(lambda: theirs)
    before = other.logits.weight.clone()
    missing, unexpected = other.load_state_dict(vggface2_state(), strict=False)
    assert set(missing) == {"logits.weight", "logits.bias"}
    assert unexpected == []
    assert torch.equal(other.logits.weight, before)
    assert torch.equal(other.last_linear.weight, theirs.last_linear.weight)
    assert torch.equal(other.repeat_2[3].conv2d.weight, theirs.repeat_2[3].conv2d.weight)


@pytest.mark.parametrize(
    "failure",
    [URLError("no route to host"), RuntimeError("invalid hash value"), pickle.UnpicklingError("truncated"), EOFError()],
)
def test_a_failed_download_of_weights_is_an_error(no_download, failure: Exception) -> None:
    def download() -> torch.nn.Module:
        raise failure

    no_download(download)
    with pytest.raises(ModelError, match=r"VGGFace2 weights cannot be loaded \(.+\): connect to the network"):
        vggface2_state()
