import numpy as np

from monitor.media.sources import demo_portrait


def test_pictures_are_complete_and_read_only() -> None:
    for picture in (demo_portrait.genuine(), demo_portrait.blended(), demo_portrait.companion()):
        assert (picture.shape, picture.dtype) == ((512, 512, 3), np.uint8)
        assert not picture.flags.writeable


def test_the_blend_changes_the_face_softly_and_nothing_else() -> None:
    x1, y1, x2, y2 = demo_portrait.FACE
    change = np.abs(demo_portrait.blended().astype(int) - demo_portrait.genuine()).max(axis=2)
    face = np.zeros(change.shape, bool)
    face[y1 + 10 : y2 + 20, x1 - 10 : x2 + 10] = True
    assert change[~face].max() == 0
    assert 5 < change[y1 + 40 : y2 - 10, x1 + 20 : x2 - 20].mean() < 40
    border = change[y1 + 10 : y2 + 20, x1 - 10]
    assert border.max() <= 2


def test_the_companion_is_another_person_with_the_same_genuine_face() -> None:
    x1, y1, x2, y2 = demo_portrait.FACE
    mirrored = demo_portrait.companion()[:, ::-1]
    np.testing.assert_array_equal(mirrored[y1:y2, x1:x2], demo_portrait.genuine()[y1:y2, x1:x2])
    assert np.abs(mirrored[300:].astype(int) - demo_portrait.genuine()[300:]).mean() > 20
