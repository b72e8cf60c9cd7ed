"""AUC by generator and by source of footage."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from support.outcomes import outcome

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import Domain, read_card
from monitor.errors import DatasetError
from monitor.lab.evaluation.domains import domains_of, write_domains
from monitor.lab.evaluation.outcomes import Outcome


def clip(name: str, *, label: int, probability: float, method: str = "", group: str = "") -> list[Outcome]:
    """Three crops of one clip around a probability."""
    return [
        outcome(f"{name}-{frame:05d}", label=label, probability=probability + step, method=method, group=group or name)
        for frame, step in ((0, -0.05), (5, 0.0), (10, 0.05))
    ]


def by_name(found: tuple[Domain, ...]) -> dict[str, Domain]:
    return {domain.name: domain for domain in found}


def made() -> list[Outcome]:
    """One generator that is always found, one that never is, and two sources of footage."""
    crops: list[Outcome] = []
    for number in range(6):
        crops += clip(f"fake__found__{number}", label=1, probability=0.9, method="found")
        crops += clip(f"fake__missed__{number}", label=1, probability=0.1, method="missed")
        crops += clip(f"real__studio__{number}", label=0, probability=0.2)
    return crops + clip("real__street__1", label=0, probability=0.7)


def test_each_generator_is_compared_with_all_genuine_clips_and_each_source_with_all_fakes() -> None:
    found = by_name(domains_of(made(), material="made"))
    assert [domain.kind for domain in found.values()] == ["all", "generator", "generator", "footage", "footage"]
    assert (found["found"].auc, found["found"].finding) == (1.0, "too few clips to tell")  # every resample agrees
    assert found["missed"].auc == 0.0
    assert found["studio"].auc == found["street"].auc == 0.5
    assert (found["studio"].clips, found["street"].clips) == (6, 1)
    assert found["all"].clips == 19


def test_a_clip_counts_once_however_many_crops_it_has() -> None:
    random = np.random.default_rng(2)
    crops, labels, means = [], [], []
    for number in range(40):
        label = number % 2
        count = int(random.integers(1, 9))
        probabilities = np.clip(random.normal(0.4 + 0.2 * label, 0.2, count), 0.02, 0.98)
        labels.append(label)
        means.append(float(np.mean(np.log(probabilities / (1 - probabilities)))))
        crops += [
            outcome(f"clip{number}-{frame:05d}", label=label, probability=float(probability), group=f"{number}")
            for frame, probability in enumerate(probabilities)
        ]
    whole = domains_of(crops, material="made")[0]
    assert whole.auc == pytest.approx(roc_auc_score(labels, means), abs=0.0006)
    assert whole.ci95 is not None
    assert whole.ci95[0] < whole.auc < whole.ci95[1]
    assert whole.groups == 40


def test_crops_without_a_folder_or_a_generator_belong_to_their_data_set() -> None:
    crops = [*clip("a", label=1, probability=0.8), *clip("b", label=0, probability=0.3)]
    assert [domain.name for domain in domains_of(crops, material="made")] == ["all", "made", "made"]


def test_one_class_alone_is_refused_in_a_sentence() -> None:
    with pytest.raises(DatasetError, match="real and fake"):
        domains_of(clip("a", label=0, probability=0.4), material="made")


@pytest.mark.parametrize(
    ("interval", "groups", "finding"),
    [
        ((0.52, 0.8), 5, "better than chance"),
        ((0.45, 0.8), 5, "no better than chance"),
        ((0.2, 0.48), 5, "worse than chance"),
        ((0.9, 1.0), 4, "too few clips to tell"),
        (None, 9, "too few clips to tell"),
    ],
)
def test_a_finding_needs_five_groups_and_an_interval_beside_chance(
    interval: tuple[float, float] | None, groups: int, finding: str
) -> None:
    domain = Domain(material="m", kind="generator", name="n", clips=9, groups=groups, auc=0.6, ci95=interval)
    assert domain.finding == finding
    assert domain.is_blind == (finding in ("no better than chance", "worse than chance"))


def test_a_card_keeps_the_domains_of_other_material(tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"meso4{suffix}", weights.with_suffix(suffix))
    before = json.loads(weights.with_suffix(".json").read_text())
    for material in ("first", "second", "first"):
        path = write_domains(weights, domains_of(made(), material=material))
    card = read_card(path, weights=weights)
    assert [domain.material for domain in card.domains] == ["second"] * 5 + ["first"] * 5
    after = json.loads(path.read_text())
    assert {**after, "domains": None} == {**before, "domains": None}
