"""Faces of a clip that are detected again at the export."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import clips
from support.footage import posed

from monitor.errors import SourceError
from monitor.flags.clip_faces import blur_all_faces, boxes_near
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter
from monitor.types import Pixels

LEFT, RIGHT = (150.0, 240.0, 160.0), (480.0, 240.0, 120.0)  # centre x, centre y, height of a face
BOX = (1.0, 2.0, 3.0, 4.0)


def frames(path: Path) -> Iterator[Pixels]:
    with open_source(path) as source:
        for frame in source:
            yield frame.pixels


def test_all_faces_of_a_clip_are_unrecognisable_and_the_scene_stays(tmp_path: Path) -> None:
    scene = posed(LEFT, RIGHT)
    with VideoWriter(tmp_path / "clip.mp4", fps=10) as written:
        for number in range(4):
            written.write(scene, number / 10)
    (tmp_path / "copy.mp4").write_bytes(blur_all_faces(tmp_path / "clip.mp4"))
    pictures = list(frames(tmp_path / "copy.mp4"))
    assert len(pictures) == 4
    for picture in pictures:
        for x, y, height in (LEFT, RIGHT):
            face = slice(int(y - height / 3), int(y + height / 3)), slice(int(x - height / 4), int(x + height / 4))
            edges = [np.abs(np.diff(one[face].astype(float), axis=0)).mean() for one in (picture, scene)]
            assert edges[0] < 0.4 * edges[1]
        assert np.abs(picture[:40].astype(float) - scene[:40]).mean() < 5


def test_a_clip_without_a_face_is_refused(tmp_path: Path) -> None:
    clip = clips.video(tmp_path / "clip.mp4", frames=3)
    with pytest.raises(SourceError, match="no face was found in it"):
        blur_all_faces(clip)


def test_a_face_that_is_missed_in_one_picture_is_blurred_where_it_was_around() -> None:
    seen = [(0.0, [BOX]), (0.2, []), (0.4, [BOX]), (2.0, [])]
    assert boxes_near(seen, 0.2) == [BOX, BOX]
    assert boxes_near(seen, 0.9) == [BOX]
    assert boxes_near(seen, 2.0) == []
