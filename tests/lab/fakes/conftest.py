import pytest
import torch
from support.footage import FACE, portrait
from torch import Tensor

from monitor.lab.datasets.faceset import USUAL_LANDMARKS
from monitor.lab.fakes.autoencoders import UPSAMPLINGS, Autoencoder, Autoencoders
from monitor.lab.fakes.jitter import Jitter, draw_squares, recrop, recrop_landmarks

SIZE = 96


@pytest.fixture(scope="session")
def stored() -> Tensor:
    """The portrait's face as a stored crop, (1, 3, 128, 128) float32."""
    x1, y1, x2, y2 = FACE
    height = y2 - y1
    x, y, half = (x1 + x2) / 2, (y1 + y2) / 2 + 0.06 * height, 0.85 * height / 2
    frame = torch.tensor(portrait()).permute(2, 0, 1)[None]
    return recrop(frame, torch.tensor([[x - half, y - half, x + half, y + half]]), size=128)


@pytest.fixture(scope="session")
def faces(stored: Tensor) -> tuple[Tensor, Tensor]:
    """Twelve different crops of the portrait, each of another tint: images (12, 3, 96, 96), landmarks (12, 5, 2)."""
    n, generator = 12, torch.Generator().manual_seed(5)
    jitter = Jitter(scale=(0.8, 1.0), shift=0.08, centre=0.0)
    squares = draw_squares(torch.ones(n), torch.zeros(n), stored=128, jitter=jitter, generator=generator)
    images = recrop(stored.expand(n, -1, -1, -1), squares, size=SIZE)
    tint = 0.85 + 0.15 * torch.rand(n, 3, 1, 1, generator=generator)
    landmarks = recrop_landmarks((torch.tensor(USUAL_LANDMARKS) * 128).expand(n, -1, -1), squares, size=SIZE)
    return (images * tint).clamp(0, 1), landmarks


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.fixture(scope="session")
def autoencoders() -> Autoencoders:
    """Untrained ones: what they make is far from the face."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Autoencoders(
            {name: Autoencoder(name).eval().requires_grad_(requires_grad=False) for name in UPSAMPLINGS}
        )
