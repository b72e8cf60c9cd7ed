import torch
from torch import Tensor

from monitor.lab.fakes.coverings import Covering

SIZE = 96


def drawn(landmarks: Tensor, *, covered: float = 0.0, grey: float = 0.0, seed: int = 1) -> Covering:
    generator = torch.Generator().manual_seed(seed)
    return Covering.draw(landmarks, size=SIZE, generator=generator, covered=covered, grey=grey)


def test_without_a_share_every_picture_stays_as_it_is(faces: tuple[Tensor, Tensor]) -> None:
    images, landmarks = faces
    assert torch.equal(drawn(landmarks).apply(images), images)


def test_both_halves_of_a_pair_are_covered_alike(faces: tuple[Tensor, Tensor]) -> None:
    images, landmarks = faces
    covering = drawn(landmarks, covered=1.0)
    first, second = covering.apply(images), covering.apply(images.flip(2))
    hidden = (covering.opacity == 1).expand_as(images)
    assert torch.equal(first[hidden], second[hidden])
    share = hidden.float().mean((1, 2, 3))
    assert (share > 0.02).float().mean() > 0.7
    assert share.max() < 0.7
    assert torch.equal(
        first[(covering.opacity == 0).expand_as(images)], images[(covering.opacity == 0).expand_as(images)]
    )


def test_the_share_of_covered_rows_is_the_wanted_one(faces: tuple[Tensor, Tensor]) -> None:
    landmarks = faces[1][:1].repeat(400, 1, 1)
    rows = drawn(landmarks, covered=0.3).opacity.amax((1, 2, 3)) > 0
    assert 0.22 < rows.float().mean() < 0.38


def test_black_and_white_rows_have_no_colour_and_the_same_light(faces: tuple[Tensor, Tensor]) -> None:
    images, landmarks = faces
    made = drawn(landmarks, grey=1.0).apply(images)
    assert (made.amax(1) - made.amin(1)).max() < 1e-6
    luma = (images * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1)
    torch.testing.assert_close(made[:, 0], luma)
