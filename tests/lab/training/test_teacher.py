from collections.abc import Callable

import pytest
import torch

from monitor.classifiers import engines_dir
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Distillation, Experiment, Stage
from monitor.lab.training.teacher import Teacher

WEIGHTS = engines_dir() / "vit.safetensors"
CPU = torch.device("cpu")


@pytest.fixture
def taught(experiment: Callable[..., Experiment]) -> Callable[..., Experiment]:
    def made(*, size: int = 160, **changes: object) -> Experiment:
        return experiment(stages=(Stage(size, 64, 8),), distillation=Distillation("vit", str(WEIGHTS)), **changes)

    return made


def test_a_teacher_sees_the_pictures_in_its_own_normalisation(taught: Callable[..., Experiment]) -> None:
    pixels = torch.randint(0, 256, (2, 3, 160, 160), generator=torch.Generator().manual_seed(3)).float()
    answers = []
    for mean, std in ((127.5, 128.0), (127.0, 64.0)):
        teacher = Teacher(taught(normalisation=(mean, std)), device=CPU)
        answers.append(teacher.logits((pixels - mean) / std))
    assert answers[0].shape == (2,)
    assert torch.allclose(answers[0], answers[1], atol=1e-4)
    assert not answers[0].requires_grad


def test_a_teacher_that_does_not_take_the_pictures_is_named(taught: Callable[..., Experiment]) -> None:
    with pytest.raises(ExperimentError, match="the teacher vit does not take crops of 150 pixels"):
        Teacher(taught(size=150), device=CPU)


@pytest.mark.parametrize(
    ("distillation", "complaint"),
    [
        (Distillation(model="vit"), "distillation needs model and weights"),
        (Distillation("vit", "vit.safetensors", share=1.1), "share must be from 0 to 1"),
        (Distillation("vit", "vit.safetensors", temperature=0.0), "temperature must be greater than 0"),
    ],
)
def test_impossible_settings_are_named(
    experiment: Callable[..., Experiment], distillation: Distillation, complaint: str
) -> None:
    with pytest.raises(ExperimentError, match=complaint):
        experiment(distillation=distillation)
