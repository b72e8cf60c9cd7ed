import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.outcomes import outcome

from monitor.errors import DatasetError
from monitor.lab.evaluation.fairness import LEAST_FACES, LEVEL, CountedShare, Demographics, fairness, person_in, wilson
from monitor.types import Reason


class TestNames:
    @pytest.mark.parametrize(
        ("name", "person"),
        [
            ("25_1_2_20170116174525125", Demographics("20-39", "female", "Asian")),
            ("folder/9_0_0_x", Demographics("0-9", "male", "White")),
            ("part0__10_1_1_20170116225209209", Demographics("10-19", "female", "Black")),
            ("set__part2__60_0_3_x", Demographics("60-120", "male", "Indian")),
            ("utk\\110_0_4_20170103.jpg", Demographics("60-120", "male", "other")),
        ],
    )
    def test_utkface_names_are_read(self, name: str, person: Demographics) -> None:
        assert person_in(name) == person

    @pytest.mark.parametrize(
        "name", ["Aaron_Eckhart_0001", "25_2_0_x", "25_1_5_x", "61_1_20170109142408075", "a_10_1_1_x", "130_1_0_x", ""]
    )
    def test_other_names_say_nothing(self, name: str) -> None:
        assert person_in(name) is None


class TestWilson:
    def test_agrees_with_the_textbook(self) -> None:
        low, high = wilson(10, 100, level=LEVEL)  # Wilson (1927) as tabulated: 5.52 % to 17.44 %
        assert (low, high) == (pytest.approx(0.05523, abs=1e-4), pytest.approx(0.17437, abs=1e-4))

    def test_nothing_of_many_has_an_upper_end(self) -> None:
        rate = CountedShare.share(0, 50)
        assert (rate.value, rate.low) == (0.0, 0.0)
        square = 1.959963984540054**2
        assert rate.high == pytest.approx(square / (50 + square))

    def test_nothing_of_nothing_has_no_value(self) -> None:
        assert CountedShare.share(0, 0) == CountedShare(0, 0, None, None, None)

    @given(n=st.integers(1, 500), data=st.data())
    def test_the_interval_holds_the_share_and_mirrors(self, n: int, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, n))
        rate, mirrored = CountedShare.share(count, n), CountedShare.share(n - count, n)
        assert 0 <= rate.low <= rate.value <= rate.high <= 1
        assert math.isclose(rate.low, 1 - mirrored.high, abs_tol=1e-12)


def people(name: str, count: int, *, accused: int = 0, faceless: int = 0) -> list:
    """Real faces of one group: some accused, some without a usable face."""
    made = [outcome(f"{name}_{number}", probability=0.95 if number < accused else 0.1) for number in range(count)]
    return made + [
        outcome(f"{name}_x{number}", probability=None, reasons=(Reason.TOO_DARK,)) for number in range(faceless)
    ]


class TestFairness:
    def test_rates_by_group_are_counted_by_hand(self) -> None:
        found = fairness([*people("25_0_0", 40, accused=4), *people("25_1_1", 50, accused=20, faceless=10)])
        groups = {(group.by, group.name): group for group in found.groups}
        everyone = groups["everyone", "everyone"]
        assert (everyone.faces, everyone.accused.count, everyone.accused.of) == (100, 24, 90)
        women = groups["sex", "female"]
        assert (women.accused.value, women.not_judged.count, women.faces) == (0.4, 10, 60)
        assert women.mean_probability == pytest.approx(0.4 * 0.95 + 0.6 * 0.1)
        assert groups["race and sex", "White, male"].called_fake.value == 0.1

    def test_the_largest_gap_is_named(self) -> None:
        found = fairness(
            [*people("25_0_0", 60, accused=3), *people("25_0_1", 60, accused=30), *people("25_0_2", 60, accused=6)]
        )
        gap = found.largest
        assert gap is not None
        assert (gap.by, gap.highest, gap.lowest) == ("race", "Black", "White")
        assert gap.difference == pytest.approx(0.45)
        assert 0 < gap.low < 0.45 < gap.high
        assert "real faces of Black are accused" in gap.in_words
        assert "45.0 points" in gap.in_words

    def test_a_small_difference_may_be_chance(self) -> None:
        gap = fairness([*people("25_0_0", 40, accused=4), *people("25_1_0", 40, accused=5)]).largest
        assert gap is not None
        assert gap.low < 0 < gap.high
        assert "may be chance" in gap.in_words

    def test_no_difference_is_said(self) -> None:
        gap = fairness([*people("25_0_0", 40), *people("25_1_0", 40)]).largest
        assert gap is not None
        assert "no two groups differ" in gap.in_words

    def test_looking_at_more_pairs_widens_the_interval(self) -> None:
        two = [*people("25_0_0", 60, accused=3), *people("25_0_1", 60, accused=30)]
        few, many = fairness(two), fairness([*two, *people("25_0_2", 60, accused=9), *people("25_0_3", 60, accused=9)])
        first, second = (next(gap for gap in found.gaps if gap.by == "race") for found in (few, many))
        assert first.difference == second.difference
        assert second.low < first.low

    def test_small_groups_take_no_part_in_a_gap(self) -> None:
        few = people("25_0_1", LEAST_FACES - 1, accused=LEAST_FACES - 1)
        found = fairness([*people("25_0_0", 60), *few])
        assert found.largest is None
        assert any(group.name == "Black" for group in found.groups)

    def test_fakes_are_left_out_and_unlabelled_faces_count_for_everyone_only(self) -> None:
        fake = outcome("25_0_0_f", label=1, probability=0.99)
        found = fairness([*people("25_0_0", 3), outcome("Aaron_Eckhart_0001"), fake])
        assert (found.fakes, found.unlabelled, found.groups[0].faces) == (1, 1, 4)

    def test_without_groups_it_is_one_sentence(self) -> None:
        with pytest.raises(DatasetError, match="age_sex_race_"):
            fairness([outcome("Aaron_Eckhart_0001")])
        with pytest.raises(DatasetError, match="no real faces"):
            fairness([outcome("25_0_0_f", label=1)])

    def test_ages_are_in_order(self) -> None:
        faces = [*people("70_0_0", 1), *people("5_0_0", 1), *people("15_0_0", 1)]
        assert [group.name for group in fairness(faces).groups if group.by == "age"] == ["0-9", "10-19", "60-120"]
