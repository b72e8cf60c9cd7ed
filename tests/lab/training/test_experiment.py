from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import monitor.lab
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Data, Experiment, Optimizer, Stage, ValidationSchedule, read_experiment

SHIPPED = sorted((Path(monitor.lab.__file__).parent / "experiments").glob("*.toml"))
PLAIN = """
name = "one"
seed = 7
[[data]]
name = "faces"
share = 2
[[stages]]
size = 96
images = 100
batch = 8
[crops]
scale = [0.8, 1]
[optimizer]
lr = 2e-3
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text)
    return path


def test_a_file_is_read_field_for_field(tmp_path: Path) -> None:
    experiment = read_experiment(written(tmp_path, PLAIN))
    assert experiment.name == "one"
    assert experiment.seed == 7
    assert experiment.data == (Data("faces", share=2.0),)
    assert experiment.stages == (Stage(96, 100, 8),)
    assert experiment.crops.scale == (0.8, 1.0)
    assert experiment.optimizer == Optimizer(lr=2e-3)
    assert experiment.images == 96, "whole batches"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_experiment_makes_sense(path: Path) -> None:
    experiment = read_experiment(path)
    assert experiment.question
    assert experiment.images > 0


def test_there_are_shipped_experiments() -> None:
    assert SHIPPED


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed = 7", "sead = 7", "there is no sead; known are name, model"),
        ("lr = 2e-3", "rate = 1", r"there is no optimizer\.rate"),
        ("size = 96", "", r"stages\[0\]\.size is missing"),
        ("seed = 7", "seed = 'seven'", "seed must be int, got 'seven'"),
        ("seed = 7", "seed = true", "seed must be int, got True"),
        ("lr = 2e-3", "lr = true", r"optimizer\.lr must be float"),
        ("scale = [0.8, 1]", "scale = [0.8]", r"crops\.scale must be 2 values"),
        ("scale = [0.8, 1]", "scale = 0.8", r"crops\.scale must be a list"),
        ("scale = [0.8, 1]", "scale = [1, 0.8]", r"crops\.scale must be two growing sides"),
        ("batch = 8", "batch = 7", r"stages\.batch must be even"),
        ("images = 100", "images = 7", "one batch or more"),
        ("share = 2", "share = 0", "share must be greater than 0"),
        ("share = 2", "split = 'val'", r"no data\[0\]\.split"),
        ("share = 2", "pseudo_fakes = 1.5", "pseudo_fakes must be from 0 to 1"),
        ("seed = 7", 'batch_norm = "off"', "batch_norm must be trained or frozen"),
        ("seed = 7", "frozen_stages = 2", "frozen_stages keep what init brings"),
        ("seed = 7", "precision = 'fp8'", "precision must be auto, bf16 or fp32"),
        ("seed = 7", "dropout = 1.0", "dropout must be"),
        ("seed = 7", "seed = -1", "seed must not be negative"),
        ("seed = 7", "degradation = nan", "degradation must be a finite number"),
        ("seed = 7", "covered = 1.5", "covered must be from 0 to 1"),
        ("seed = 7", "grey = 2.0", "grey must be from 0 to 1"),
        ("share = 2", "[fakes]\nneural = 0.5", "fakes.neural needs autoencoders"),
        ("seed = 7", "degradation = 3.0", "degradation must be from 0 to 2"),
        ("seed = 7", "normalisation = [127.5, 0.0]", "the standard deviation must be greater than 0"),
        ("share = 2", "share = inf", r"data\[0\]\.share must be a finite number"),
        ("scale = [0.8, 1]", "side = 1.3", r"crops\.side must lie in crops\.scale"),
        ("scale = [0.8, 1]", "side = 9.0\nscale = [1, 9]", r"crops\.side must be 4 box heights at the most"),
        ("scale = [0.8, 1]", "centre = -1.5", r"crops\.centre must be from -1 to 1"),
        ("lr = 2e-3", "clip_norm = 0", r"optimizer\.clip_norm must be greater"),
        ("lr = 2e-3", "sam_radius = -0.05", r"optimizer\.sam_radius must not be negative"),
        ("[optimizer]\nlr = 2e-3", "[validation]\nevery_images = 0", r"validation\.every_images must be 1"),
        ("[optimizer]\nlr = 2e-3", "[validation]\nlimit = 1", r"validation\.limit must be 2"),
        (
            "[optimizer]\nlr = 2e-3",
            "[fakes]\nself_blended = 0\ncross_blended = 0\ndecoded = 0",
            "at least one kind must have a share",
        ),
        ("lr = 2e-3", "lr = 0.0", r"optimizer\.lr must be greater"),
        ("lr = 2e-3", "label_smoothing = 0.5", "label_smoothing must be"),
        ('name = "one"', 'name = ""', "name must not be empty"),
        ("[optimizer]", "[optimizer", "cannot be read"),
        ('[[data]]\nname = "faces"\nshare = 2', "", r"no \[\[data\]\]"),
        ("[[stages]]\nsize = 96\nimages = 100\nbatch = 8", "", r"no \[\[stages\]\]"),
        ("[crops]\nscale = [0.8, 1]", "crops = 3", "crops must be a table"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in PLAIN
    text = PLAIN.replace(old, new)
    if new == "crops = 3":
        text = f"crops = 3\n{PLAIN.replace(old, '')}"
    with pytest.raises(ExperimentError, match=sentence) as caught:
        read_experiment(written(tmp_path, text))
    assert "experiment.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"gone\.toml does not exist"):
        read_experiment(tmp_path / "gone.toml")


def test_the_digest_is_of_what_the_weights_depend_on(experiment: Callable[..., Experiment]) -> None:
    plain = experiment()
    assert plain.digest == experiment().digest
    assert (
        replace(plain, question="another?", notes="n", validation=ValidationSchedule(every_images=5)).digest
        == plain.digest
    )
    for change in ({"seed": 2}, {"optimizer": Optimizer(lr=1e-4)}, {"data": (Data("pairs"),)}, {"dropout": 0.1}):
        assert experiment(**change).digest != plain.digest
