import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from support.face_shards import pair_rows, write_faces


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(8, split="val"), landmarks=True)


@pytest.fixture(autouse=True)
def _shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured has tests of its own; here the same is asked less often."""
    for name, value in (("RANDOMISED", (0.05, 1.0)), ("SHUFFLES", 1), ("STEPS", 2)):
        monkeypatch.setattr(f"monitor.lab.evaluation.faithfulness.{name}", value)
    monkeypatch.setattr(import_module("monitor.cli.lab.explain_check"), "_EXAMPLES", 1)


def test_all_four_questions_are_answered_and_drawn(cli: Callable, shards: Path, tmp_path: Path) -> None:
    said = cli("lab", "explain-check", shards, "--size", "139", "--limit", "8", "--out", "check")
    assert said.code == 0, said.err
    for question in ("energy in the mask", "contrast", "deletion", "parameters shuffled", "crop disturbed"):
        assert question in said.out
    record = json.loads((tmp_path / "check" / "faithfulness.json").read_text(encoding="utf-8"))
    assert record["pairs"] >= 4
    assert record["input_size"] == 139
    assert min(record["cells"]) >= 2
    assert set(record["energy"]["all"]) >= {"evidence", "centre", "edges", "random"}
    assert record["energy"]["all"]["centre"]["value"] > 0
    assert set(record["randomisation"]) == {"5%", "5%, own part", "100%", "100%, own part"}
    assert (tmp_path / "check" / "faithfulness.png").read_bytes().startswith(b"\x89PNG")


def test_any_architecture_explains_itself(cli: Callable, shards: Path, tmp_path: Path) -> None:
    from support.random_weights import written

    weights = written("meso4", tmp_path)
    said = cli(
        "lab", "explain-check", shards, "--model", "meso4", "--weights", weights, "--limit", "8", "--out", "check"
    )
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "check" / "faithfulness.json").read_text(encoding="utf-8"))
    assert record["model"] == "meso4-random"
    assert min(record["cells"]) >= 4


def test_an_unwritable_place_is_told_first(
    cli: Callable, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object, **__: object) -> None:
        pytest.fail("fakes were made first")

    monkeypatch.setattr("monitor.lab.evaluation.region_fakes.make_pairs", made)
    (tmp_path / "file").write_text("in the way")
    said = cli("lab", "explain-check", shards, "--size", "139", "--out", "file/check")
    assert said.code != 0
    assert "in the way" in said.err.replace("\n", " ")


def test_a_map_without_places_is_one_sentence(cli: Callable, shards: Path, tmp_path: Path) -> None:
    said = cli("lab", "explain-check", shards, "--model", "inception_resnet_v1", "--size", "96", "--out", "check")
    assert said.code == 2
    assert "says nothing about where" in said.err.replace("\n", " ")
    assert not (tmp_path / "check").exists()
