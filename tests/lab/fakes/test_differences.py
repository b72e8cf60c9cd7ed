from __future__ import annotations

import torch
from support.footage import portrait
from torch.nn.functional import interpolate

from monitor.lab.fakes.blends import self_blended
from monitor.lab.fakes.codecs import jpeg
from monitor.lab.fakes.differences import differences

SIDE = 96
LANDMARKS = torch.tensor([[[33.0, 38.0], [62.0, 38.0], [48.0, 55.0], [36.0, 70.0], [60.0, 70.0]]])


def face(*, moved: int = 0) -> torch.Tensor:
    """(1, 3, 96, 96): the head of the portrait, some pixels to the right of where it is."""
    picture = torch.tensor(portrait()[30:210, 135 - moved : 315 - moved]).permute(2, 0, 1)[None].float() / 255
    return interpolate(picture, size=(SIDE, SIDE), mode="area")


def pasted() -> tuple[torch.Tensor, torch.Tensor]:
    """The head with its middle replaced, and where that is."""
    where = torch.zeros(1, 1, SIDE, SIDE)
    where[:, :, 36:76, 28:68] = 1
    return torch.lerp(face(), face().flip(3) * 0.8, where), where


def test_what_was_pasted_is_found() -> None:
    fake, where = pasted()
    found = differences(face(), fake)
    assert found.known.all()
    assert found.masks[where == 1].mean() > 0.85
    margin = torch.nn.functional.max_pool2d(where, 13, stride=1, padding=6)
    assert not found.masks[margin == 0].any()


def test_compression_is_no_difference() -> None:
    fake, where = pasted()
    quality = torch.tensor([70.0])
    found = differences(jpeg(face(), quality), jpeg(fake, quality + 10))
    assert found.known.all()
    assert found.masks[where == 1].mean() > 0.8
    assert found.masks[where == 0].mean() < 0.2


def test_a_crop_of_another_place_says_nothing() -> None:
    fake, _ = pasted()
    rows = differences(torch.cat((face(), face(moved=9), face())), torch.cat((fake, fake, face().flip(2))))
    assert rows.known.tolist() == [True, False, False]


def test_a_copy_was_altered_nowhere() -> None:
    assert not differences(face(), face()).masks.any()


def test_it_finds_where_a_self_blended_face_was_blended() -> None:
    real = face().expand(32, -1, -1, -1)
    blended = self_blended(real, LANDMARKS.expand(32, -1, -1), generator=torch.Generator().manual_seed(0))
    found = differences(real, blended.images)
    inside, outside = blended.masks > 0.2, blended.masks == 0
    assert (
        found.masks[found.known][inside[found.known]].mean() > 3 * found.masks[found.known][outside[found.known]].mean()
    )
