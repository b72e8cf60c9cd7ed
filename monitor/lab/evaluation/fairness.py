"""False-alarm rates on real faces by age band, sex and race, as a data set labels them.

UTKFace (Zhang, Song & Qi, CVPR 2017) writes its labels into file names, ``age_sex_race_*``: sex 0 male, 1 female;
race 0 White, 1 Black, 2 Asian, 3 Indian, 4 other. Most labels were guessed by a program and checked by people;
nobody described themselves.

A rate is the number of accusations divided by the number of judged real faces. Its interval is Wilson's (1927), which
is reliable for small groups and rates near 0. Faces without a judgement for lack of quality are counted separately,
because a group that is judged less often is treated differently, too.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from scipy.stats import binomtest

from monitor.errors import DatasetError
from monitor.lab.evaluation.outcomes import Outcome
from monitor.types import Label

AGE_BANDS: Final = ((0, 9), (10, 19), (20, 39), (40, 59), (60, 120))
SEXES: Final = ("male", "female")
RACES: Final = ("White", "Black", "Asian", "Indian", "other")
LEAST_FACES: Final = 30  # judged faces; smaller groups are left out of the largest gap
LEVEL: Final = 0.95
_NAME = re.compile(r"(?:^|[/\\]|__)(\d{1,3})_([01])_([0-4])_[^/\\]*$")  # `lab prepare` writes folders as "part1__"
_ACCUSATIONS: Final = ("accused", "called_fake")


@dataclass(frozen=True, slots=True)
class Demographics:
    """The data set's labels of the person in a file."""

    age: str  # band of years, "20-39"
    sex: str
    race: str


@dataclass(frozen=True, slots=True)
class CountedShare:
    """A share of a count, with Wilson's 95 % interval."""

    count: int
    of: int
    value: float | None  # None if ``of`` is 0
    low: float | None
    high: float | None

    @classmethod
    def share(cls, count: int, of: int) -> "CountedShare":
        """``count`` out of ``of``."""
        if not of:
            return cls(count, of, None, None, None)
        return cls(count, of, count / of, *wilson(count, of, level=LEVEL))


def wilson(count: int, of: int, *, level: float) -> tuple[float, float]:
    """Wilson's interval of the share ``count`` / ``of`` (> 0) at a confidence level of 0..1."""
    low, high = binomtest(count, of).proportion_ci(confidence_level=level, method="wilson")
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Group:
    """The real faces of one group."""

    by: str  # "everyone", "age", "sex", "race", "race and sex"
    name: str
    faces: int
    accused: CountedShare  # share of judged faces with SUSPICIOUS or LIKELY_FAKE
    called_fake: CountedShare  # share of judged faces with LIKELY_FAKE
    not_judged: CountedShare  # share of all faces without a usable face, or unreadable
    mean_probability: float | None  # mean P(fake) of the judged faces


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between two groups of one kind."""

    by: str
    measure: str  # "accused" or "called_fake"
    highest: str
    lowest: str
    difference: float  # of the rates
    low: float  # 95 % interval of the difference (Newcombe 1998, method 10), corrected for the number of pairs
    high: float

    @property
    def in_words(self) -> str:
        """One sentence for the terminal."""
        what = "accused (suspicious or likely fake)" if self.measure == "accused" else "called likely fake"
        if self.difference <= 0:
            return f"by {self.by}, no two groups differ in how often their real faces are {what}"
        sure = "" if self.low > 0 else "; the interval holds 0, so this may be chance"
        return (
            f"by {self.by}, real faces of {self.highest} are {what} {100 * self.difference:.1f} points more often than "
            f"those of {self.lowest} [{100 * self.low:.1f}, {100 * self.high:.1f}]{sure}"
        )


@dataclass(frozen=True, slots=True)
class Fairness:
    """False alarms on real faces, by group."""

    groups: tuple[Group, ...]  # "everyone" first
    gaps: tuple[Gap, ...]  # the largest of each kind, for each measure
    unlabelled: int  # real faces without labels, counted in "everyone" only
    fakes: int  # left out, since a false alarm concerns real faces

    @property
    def largest(self) -> Gap | None:
        """The largest gap in accusations; None where no two groups have enough faces."""
        return max((gap for gap in self.gaps if gap.measure == "accused"), key=lambda gap: gap.difference, default=None)


def person_in(name: str) -> Demographics | None:
    """The labels in a UTKFace file name such as ``20_1_3_2017...``; None if it has none.

    The name may follow ``folder/`` or ``folder__``.
    """
    found = _NAME.search(name)
    age = int(found.group(1)) if found else -1
    band = next((f"{low}-{high}" for low, high in AGE_BANDS if low <= age <= high), None)
    if found is None or band is None:
        return None
    return Demographics(age=band, sex=SEXES[int(found.group(2))], race=RACES[int(found.group(3))])


def fairness(outcomes: Iterable[Outcome]) -> Fairness:
    """False-alarm rates by group.

    Args:
        outcomes: of files or crops with UTKFace names as ids; fakes are left out.

    Raises:
        DatasetError: no real face has labels in its name.
    """
    everything = list(outcomes)
    reals = [outcome for outcome in everything if outcome.label == 0]
    known = [(outcome, person) for outcome in reals if (person := person_in(outcome.id)) is not None]
    if not known:
        example = reals[0].id if reals else "there are no real faces at all"
        raise DatasetError(
            f"no real face has a name of the form age_sex_race_*, as UTKFace writes them ({example}): no groups"
        )
    kinds: dict[str, Callable[[Demographics], str]] = {
        "age": lambda person: person.age,
        "sex": lambda person: person.sex,
        "race": lambda person: person.race,
        "race and sex": lambda person: f"{person.race}, {person.sex}",
    }
    groups = [_group("everyone", "everyone", reals)]
    for by, name_of in kinds.items():
        names = sorted({name_of(person) for _, person in known}, key=_order)
        groups += [_group(by, name, [one for one, person in known if name_of(person) == name]) for name in names]
    gaps = [
        _largest_gap([group for group in groups if group.by == by], measure) for by in kinds for measure in _ACCUSATIONS
    ]
    return Fairness(
        groups=tuple(groups),
        gaps=tuple(gap for gap in gaps if gap is not None),
        unlabelled=len(reals) - len(known),
        fakes=len(everything) - len(reals),
    )


def _order(name: str) -> tuple[int, str]:
    """Sort key: numbers by value, words in the order of the data set's labels."""
    first = name.split("-")[0].split(",")[0]
    return (int(first) if first.isdecimal() else (*SEXES, *RACES).index(first), name)


def _group(by: str, name: str, outcomes: Sequence[Outcome]) -> Group:
    judged = [outcome for outcome in outcomes if outcome.probability is not None]
    probabilities = [outcome.probability for outcome in judged if outcome.probability is not None]
    fakes = sum(outcome.decision is Label.LIKELY_FAKE for outcome in judged)
    return Group(
        by=by,
        name=name,
        faces=len(outcomes),
        accused=CountedShare.share(sum(outcome.accused for outcome in judged), len(judged)),
        called_fake=CountedShare.share(fakes, len(judged)),
        not_judged=CountedShare.share(len(outcomes) - len(judged), len(outcomes)),
        mean_probability=sum(probabilities) / len(probabilities) if probabilities else None,
    )


def _largest_gap(groups: Sequence[Group], measure: str) -> Gap | None:
    """The largest gap of all pairs of groups with enough faces, with Bonferroni-corrected intervals."""
    pairs = list(combinations([group for group in groups if group.accused.of >= LEAST_FACES], 2))
    gaps = [_gap(one, other, measure=measure, looks=len(pairs)) for one, other in pairs]
    return max(gaps, key=lambda gap: gap.difference, default=None)


def _gap(one: Group, other: Group, *, measure: str, looks: int) -> Gap:
    level = 1 - (1 - LEVEL) / looks

    def rated(group: Group) -> tuple[float, float, float]:
        rate = group.called_fake if measure == "called_fake" else group.accused
        return (rate.count / rate.of, *wilson(rate.count, rate.of, level=level))

    if rated(one)[0] < rated(other)[0]:
        one, other = other, one
    (p, p_low, p_high), (q, q_low, q_high) = rated(one), rated(other)
    return Gap(
        by=one.by,
        measure=measure,
        highest=one.name,
        lowest=other.name,
        difference=p - q,
        low=p - q - math.hypot(p - p_low, q_high - q),
        high=p - q + math.hypot(p_high - p, q - q_low),
    )
