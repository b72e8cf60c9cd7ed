import numpy as np
import pytest

from monitor.errors import DatasetError
from monitor.lab.evaluation.grids import CLEAN, CellAlarms, CellScores, Grid
from monitor.lab.evaluation.robustness import summarise


def grid(cells: dict[tuple[str, int], tuple[list[float], list[int]]], labels: list[int]) -> Grid:
    return Grid(
        labels=np.array(labels),
        groups=np.arange(len(labels)),
        cells={
            place: CellScores(np.array(scores, float), np.isin(np.arange(len(labels)), silent))
            for place, (scores, silent) in cells.items()
        },
    )


class TestSummary:
    labels = [0, 0, 0, 0, 1, 1, 1, 1] * 4

    def found(self):
        perfect = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9] * 4
        useless = [0.5] * 32
        half = [0.1, 0.2, 0.7, 0.8, 0.3, 0.4, 0.9, 0.95] * 4  # 12 of 16 pairs in order
        cells = {
            CLEAN: (perfect, []),
            ("noise", 1): (half, []),
            ("noise", 2): (perfect, list(range(8))),
            ("noise", 3): (useless, []),
        }
        return summarise(grid(cells, self.labels))

    def test_areas_drops_and_means_are_those_of_the_hand(self) -> None:
        found = self.found()
        areas = {(cell.perturbation, cell.level): cell.auc.value for cell in found.cells}
        assert areas == {CLEAN: 1.0, ("noise", 1): 0.75, ("noise", 2): 1.0, ("noise", 3): 0.5}
        assert [cell.drop.value for cell in found.cells] == [0.0, 0.25, 0.0, 0.5]
        assert found.mild_drop.value == pytest.approx(0.125)
        assert found.mean_drop.value == pytest.approx(0.25)
        assert (found.worst.perturbation, found.worst.level) == ("noise", 3)
        assert found.clean.perturbation == "clean"

    def test_intervals_of_drops_are_paired(self) -> None:
        noise = next(cell for cell in self.found().cells if cell.level == 3)
        assert (noise.drop.value, noise.drop.low) == (0.5, None)
        assert "no interval" in noise.drop.why
        mild = next(cell for cell in self.found().cells if cell.level == 1)
        assert mild.drop.low < 0.25 < mild.drop.high

    def test_abstentions_are_counted_and_the_judged_ranked_apart(self) -> None:
        cells = {CLEAN: ([0.9, 0.1, 0.2, 0.8], [0]), ("dark", 1): ([np.nan, 0.1, 0.2, 0.8], [0, 1])}
        found = summarise(grid(cells, [0, 0, 1, 1]))
        clean, dark = found.cells
        assert (clean.abstain_share, dark.abstain_share) == (0.25, 0.5)
        assert (clean.auc.value, clean.auc_judged.value) == (0.5, 1.0)
        assert dark.auc.value == 0.75  # without a score: a tie at 0.5
        assert dark.auc_judged.value is None
        assert (dark.auc_judged.n, dark.auc_judged.why) != (4, "")

    def test_alarms_over_genuine_videos_are_a_rate(self) -> None:
        def seen(*alarms: int) -> CellScores:
            return CellScores(
                np.linspace(0, 1, 4),
                np.zeros(4, bool),
                CellAlarms(np.array([90.0, 270.0, 50.0, 70.0]), np.array(alarms)),
            )

        cells = {CLEAN: seen(0, 0, 1, 1), ("noise", 1): seen(1, 2, 0, 1)}
        found = summarise(Grid(labels=np.array([0, 0, 1, 1]), groups=np.arange(4), cells=cells))
        clean, noise = (cell.false_alarms_per_hour for cell in found.cells)
        assert (clean.events, clean.time, clean.value) == (0, 0.1, 0.0)
        assert (noise.events, noise.value) == (3, pytest.approx(30))
        assert (found.false_alarms_per_hour.events, found.false_alarms_per_hour.value) == (3, pytest.approx(15))
        assert self.found().false_alarms_per_hour is None

    def test_one_class_alone_is_one_sentence(self) -> None:
        with pytest.raises(DatasetError, match="2 real and 0 fake"):
            summarise(grid({CLEAN: ([0.1, 0.2], [])}, [0, 0]))
