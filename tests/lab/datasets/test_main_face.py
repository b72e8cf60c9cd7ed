import numpy as np

from monitor.lab.datasets.main_face import flagged_face, protagonist
from monitor.lab.datasets.record import FlaggedFace
from monitor.types import Faces


def frame(*faces: tuple[float, float, float]) -> Faces:
    """Square faces ``(centre x, centre y, height)``, the largest first as they come from the cutter."""
    ordered = sorted(faces, key=lambda face: -face[2])
    boxes = [(x - h / 2, y - h / 2, x + h / 2, y + h / 2) for x, y, h in ordered]
    n = len(boxes)
    return Faces(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        probabilities=np.ones(n, np.float32),
        landmarks=np.zeros((n, 5, 2), np.float32),
    )


def test_one_face_in_each_frame_is_kept_wherever_it_goes() -> None:
    assert protagonist([frame((100, 100, 50)), frame((130, 100, 55)), frame((600, 300, 20))]) == [0, 0, 0]


def test_of_one_frame_the_largest() -> None:
    assert protagonist([frame((100, 100, 50), (300, 100, 80))]) == [0]


def test_who_persists_wins_over_who_is_large_for_a_moment() -> None:
    frames = [frame((100, 100, 50)), frame((105, 100, 50), (400, 200, 120)), frame((110, 100, 50))]
    assert protagonist(frames) == [0, 1, 0]


def test_of_two_who_persist_the_larger() -> None:
    frames = [frame((100 + step, 100, 50), (400 - step, 100, 70)) for step in range(3)]
    assert protagonist(frames) == [0, 0, 0]
    assert all(faces.boxes[0, 2] > 300 for faces in frames)


def test_two_people_who_change_rank_are_not_confused() -> None:
    sizes = [(50, 60), (70, 60), (72, 60), (74, 60)]
    frames = [frame((100, 100, left), (400, 100, right)) for left, right in sizes]
    assert protagonist(frames) == [1, 0, 0, 0]


def test_a_frame_without_that_person_gives_nothing_if_others_are_there() -> None:
    frames = [frame((100, 100, 50)), frame((100, 100, 50)), frame((600, 100, 50), (800, 100, 50)), frame()]
    assert protagonist(frames) == [0, 0, None, None]


def test_a_sudden_change_of_size_is_someone_else() -> None:
    frames = [frame((100, 100, 50)), frame((100, 100, 50)), frame((100, 100, 150), (300, 300, 30))]
    assert protagonist(frames) == [0, 0, None]


def test_nobody_at_all() -> None:
    assert protagonist([frame(), frame()]) == [None, None]
    assert protagonist([]) == []


class TestFlaggedFace:
    FACES = frame((100, 100, 80), (300, 100, 50))

    def test_the_face_that_overlaps_the_box_most(self) -> None:
        assert flagged_face(self.FACES, [FlaggedFace((70, 70, 130, 130))], at=None) == 0
        assert flagged_face(self.FACES, [FlaggedFace((280, 80, 320, 120))], at=None) == 1

    def test_nobody_where_none_overlaps_enough(self) -> None:
        assert flagged_face(self.FACES, [FlaggedFace((180, 60, 260, 140))], at=None) is None
        assert flagged_face(self.FACES, [FlaggedFace((320, 100, 400, 180))], at=None) is None
        assert flagged_face(frame(), [FlaggedFace((0, 0, 9, 9))], at=None) is None

    def test_a_box_holds_from_its_start_to_its_end(self) -> None:
        box = [FlaggedFace((280, 80, 320, 120), 1.0, 2.0)]
        assert [flagged_face(self.FACES, box, at=at) for at in (0.5, 0.9995, 1.5, 2.0)] == [None, 1, 1, None]
