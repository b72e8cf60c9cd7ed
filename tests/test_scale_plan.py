"""The plan of docs/scale.md: computed from the figures that docs/measurements.md states."""

import numpy as np
import pytest
from benchmarks.scale_plan import BEGIN, END, FIGURES, PAGE, ROOT, Result, plan_archive, plan_wall, tables, with_figure


def median(results: object, name: str) -> float:
    (found,) = [one for one in results if one.name == name]  # type: ignore[attr-defined]
    return float(np.median(found.values))


def test_the_page_has_the_tables_that_the_figures_give() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == tables(), "write them: PYTHONPATH=tests:. python tests/benchmarks/scale_plan.py --write"


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_assumed_or_stands_in_the_measurements(name: str) -> None:
    figure = FIGURES[name]
    assert figure.low <= figure.likely <= figure.high
    assert bool(figure.measured) != bool(figure.assumed)
    assert figure.measured in (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")


def test_twice_the_streams_on_a_core_need_half_the_cores() -> None:
    before, after = plan_wall(), plan_wall(with_figure("streams a core holds", 2.0))
    assert median(after, "vCPUs that watch") == pytest.approx(median(before, "vCPUs that watch") / 2)
    assert median(after, "flags") == median(before, "flags")


def test_a_slower_analysis_costs_more_machines_and_no_more_review() -> None:
    before, after = plan_archive(), plan_archive(with_figure("analysis of a second of video", 3.0))
    assert median(after, "machines") == pytest.approx(3 * median(before, "machines"))
    assert median(after, "review of all of them") == median(before, "review of all of them")


def test_a_plan_is_proportional_to_its_cameras_and_hours() -> None:
    assert median(plan_wall(cameras=1000), "flags") == pytest.approx(2 * median(plan_wall(), "flags"))
    assert median(plan_archive(hours=1000), "work") == pytest.approx(median(plan_archive(), "work") / 100)


def test_a_result_states_two_digits_and_its_range() -> None:
    assert Result("cores", np.linspace(0.0, 12_345.0, 1001), "").text == "6,200 [620, 12,000]"
    assert Result("share", np.full(10, 0.0123), "").text == "0.012 [0.012, 0.012]"
    assert Result("none", np.zeros(10), "").text == "0 [0, 0]"
