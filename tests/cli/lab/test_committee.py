import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces

MODELS = ("--model", "inception_resnet_v1", "--model", "efficientnet_lite0")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (MODELS[:2], "a committee has two members or more: name each with --model"),
        ((*MODELS, "--interval", "inception_resnet_v1"), "expected MODEL=SECONDS, for example inception_resnet_v1=1"),
        ((*MODELS, "--interval", "vit=1"), "name one of inception_resnet_v1, efficientnet_lite0 and 0 seconds or more"),
        ((*MODELS, "--interval", "efficientnet_lite0=-1"), "0 seconds or more"),
    ],
)
def test_a_wrong_request_is_one_sentence(cli: Callable, arguments: tuple[str, ...], sentence: str) -> None:
    refused = cli("lab", "committee", "faces", *arguments, "--out", "both.json")
    assert refused.code == 2
    assert sentence in refused.err


def test_the_shipped_classifiers_are_fitted_and_a_card_written(cli: Callable, tmp_path: Path) -> None:
    rows = [row | {"shard": "val-00.tar"} for row in pair_rows(6, split="val")]
    shards = write_faces(tmp_path / "faces", rows, landmarks=True, side=1.0)
    fitted = cli(
        "lab", "committee", shards, *MODELS, "--interval", "inception_resnet_v1=1", "--max-difference", "4",
        "--out", "both.json",
    )  # fmt: skip
    assert fitted.code == 0, fitted.err
    card = json.loads((tmp_path / "both.json").read_text())
    assert [member["model"] for member in card["members"]] == ["inception_resnet_v1", "efficientnet_lite0"]
    assert [member["min_score_interval"] for member in card["members"]] == [1.0, 0.0]
    assert card["max_difference"] == 4.0
    assert "fused, out of fold" in fitted.out
