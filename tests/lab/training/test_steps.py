from collections.abc import Callable

import pytest
import torch

from monitor.classifiers import architecture
from monitor.lab.training.batches import Batch
from monitor.lab.training.experiment import Distillation, Experiment, Optimizer
from monitor.lab.training.steps import Learner, classification_loss, distillation_loss, learning_rate


class Small(torch.nn.Module):
    """A BatchNorm, dropout and a linear layer on four numbers."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.norm, self.linear = torch.nn.BatchNorm2d(3), torch.nn.Linear(12, 1)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.dropout(self.norm(x).flatten(1)))


@pytest.fixture
def batch() -> Batch:
    images = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    return Batch(images, (torch.arange(8) >= 4).float())


def weights(learner: Learner) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in learner.network.parameters()])


def test_the_same_seed_drops_the_same_units(batch: Batch, experiment: Callable[..., Experiment]) -> None:
    learners = [Learner(Small(), experiment=experiment(), half=False) for _ in range(3)]
    for learner, seed in zip(learners, (1, 1, 2), strict=True):
        torch.rand(seed)  # the global generator stands elsewhere each time
        learner.step(batch, lr=0.1, seed=(seed,))
    assert torch.equal(weights(learners[0]), weights(learners[1]))
    assert not torch.equal(weights(learners[0]), weights(learners[2]))


def test_steps_learn(batch: Batch, experiment: Callable[..., Experiment]) -> None:
    learner = Learner(Small(), experiment=experiment(), half=False)
    for number in range(100):
        learner.step(batch, lr=0.03, seed=(number,))
    logits = learner.network.eval()(batch.images).flatten()
    assert ((logits > 0) == (batch.labels > 0)).all()


def test_gradients_are_clipped(batch: Batch, experiment: Callable[..., Experiment]) -> None:
    steep = Batch(batch.images * 1e3, batch.labels)
    learner = Learner(Small(), experiment=experiment(optimizer=Optimizer(clip_norm=1e-3)), half=False)
    learned = learner.step(steep, lr=0.0, seed=(1,))
    gradients = torch.cat([p.grad.flatten() for p in learner.network.parameters() if p.grad is not None])
    assert learned.gradient_norm > 1e-3
    assert gradients.norm() == pytest.approx(1e-3, rel=1e-3)


def test_only_matrices_decay(experiment: Callable[..., Experiment]) -> None:
    decayed, plain = Learner(Small(), experiment=experiment(), half=False).optimizer.param_groups
    assert [p.ndim for p in decayed["params"]] == [2]
    assert decayed["weight_decay"] > 0 == plain["weight_decay"]
    assert {p.ndim for p in plain["params"]} == {1}


def test_a_position_embedding_does_not_decay(experiment: Callable[..., Experiment]) -> None:
    network = architecture("vit").body()
    _, plain = Learner(network, experiment=experiment(), half=False).optimizer.param_groups
    assert any(parameter is network.get_parameter("pos_embed") for parameter in plain["params"])


def test_sharpness_aware_steps_use_the_gradient_at_the_worst_neighbour(
    batch: Batch, experiment: Callable[..., Experiment]
) -> None:
    """SAM, eq. 2 and 3: the gradient at w + rho g / |g|, the weights back at w before the step."""
    network = Small()
    network.dropout.p = 0.0
    sharp = experiment(optimizer=Optimizer(sam_radius=0.5, clip_norm=1e9, label_smoothing=0.0))
    learner = Learner(network, experiment=sharp, half=False)
    start = {name: value.clone() for name, value in network.state_dict().items()}

    twin = Small()
    twin.dropout.p = 0.0
    parameters = list(twin.parameters())

    def gradients() -> list[torch.Tensor]:
        twin.zero_grad()
        classification_loss(twin(batch.images).flatten(), batch.labels, Optimizer(label_smoothing=0.0)).backward()
        return [p.grad.clone() for p in parameters if p.grad is not None]

    first = gradients()
    norm = torch.cat([g.flatten() for g in first]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, first, strict=True):
            parameter.add_(gradient * 0.5 / norm)
    expected = gradients()

    learner.step(batch, lr=0.0, seed=(1,))
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    for name, value in network.named_parameters():
        torch.testing.assert_close(value, start[name], rtol=0, atol=1e-6)
    assert network.norm.num_batches_tracked == 2
    mean = batch.images.mean((0, 2, 3))
    torch.testing.assert_close(network.norm.running_mean, 0.1 * mean, rtol=1e-3, atol=1e-5)


def test_smoothed_labels_pull_certainty_back() -> None:
    settings = Optimizer(label_smoothing=0.1)
    logits = torch.tensor([2.9444, -2.9444], requires_grad=True)  # log-odds of 0.95
    classification_loss(logits, torch.tensor([1.0, 0.0]), settings).backward()
    torch.testing.assert_close(logits.grad, torch.zeros(2), atol=1e-4, rtol=0)


def test_the_learning_rate_warms_up_and_falls_like_a_cosine() -> None:
    settings = Optimizer(lr=1.0, final_lr=0.1, warmup_images=100)
    rates = [learning_rate(images, total=1100, settings=settings) for images in range(0, 1101, 10)]
    assert rates[0] == pytest.approx(1 / 101)
    assert max(rates) == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55), "half way"
    assert rates[-1] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[:11] == sorted(rates[:11])


def test_frozen_parameters_are_left_alone(batch: Batch, experiment: Callable[..., Experiment]) -> None:
    network = Small()
    network.norm.requires_grad_(requires_grad=False)
    before = {name: value.clone() for name, value in network.named_parameters()}
    Learner(network, experiment=experiment(), half=False).step(batch, lr=0.1, seed=(1,))
    changed = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"linear.weight", "linear.bias"}


class Contrary:
    """A teacher that says the opposite of every label."""

    def __init__(self, labels: torch.Tensor) -> None:
        self._logits = 4.0 - 8.0 * labels

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return self._logits


@pytest.mark.parametrize(("share", "follows_teacher"), [(0.0, False), (0.9, True)])
def test_a_learner_follows_its_teacher_as_far_as_its_share(
    batch: Batch, experiment: Callable[..., Experiment], share: float, follows_teacher: bool
) -> None:
    named = experiment(distillation=Distillation(model="vit", weights="vit.safetensors", share=share))
    learner = Learner(Small(), experiment=named, half=False, teacher=Contrary(batch.labels))  # type: ignore[arg-type]
    for number in range(100):
        learner.step(batch, lr=0.03, seed=(number,))
    logits = learner.network.eval()(batch.images).flatten()
    assert ((logits > 0) == (batch.labels > 0)).all() != follows_teacher


def test_softening_keeps_the_size_of_the_gradient() -> None:
    sizes = []
    for temperature in (1.0, 4.0):
        logits = torch.tensor([0.2, -0.1], requires_grad=True)
        distillation_loss(logits, torch.tensor([0.6, -0.4]), temperature=temperature).backward()
        assert logits.grad is not None
        sizes.append(float(logits.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
