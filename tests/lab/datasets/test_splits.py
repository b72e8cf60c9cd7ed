from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dataset_trees import archive

from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.splits import Shares, components, leakage, split_records, val_from_train


def record(video_id: str, label: int = 0, **facts: object) -> Record:
    return Record("d", video_id, Path(f"{video_id}.mp4"), label, **facts)


def groups(count: int, fakes: int = 1, **facts: object) -> list[Record]:
    """A real video and its fakes, so many times."""
    return [
        record(f"{number}-{fake}", int(fake > 0), group=str(number), method="m" * int(fake > 0), **facts)
        for number in range(count)
        for fake in range(fakes + 1)
    ]


class TestComponents:
    def test_groups_and_identities_connect(self) -> None:
        records = [
            record("a", group="g1", identities=("ann",)),
            record("b", group="g2", identities=("bob",)),
            record("c", group="g2", identities=("cid",)),
            record("d", group="g3", identities=("cid", "ann")),
            record("e", group="g4"),
            record("f", group=""),
            record("g", group=""),
        ]
        assert components(records) == [[0, 1, 2, 3], [4], [5], [6]]

    def test_groups_of_two_data_sets_are_two_and_people_are_not(self) -> None:
        one, other = record("a", group="1", identities=("ann",)), Record("e", "a", Path("a"), 0, group="1")
        assert components([one, other]) == [[0], [1]]
        third = Record("e", "b", Path("b"), 0, group="2", identities=("ann",))
        assert components([one, other, third]) == [[0, 2], [1]]


class TestSplits:
    def test_shares_are_met_and_labels_balanced(self) -> None:
        done = split_records(groups(200, fakes=2), Shares(0.7, 0.2, 0.1))
        counts = Counter((one.split, one.label) for one in done)
        assert [counts[split, 0] for split in ("train", "val", "test")] == [140, 40, 20]
        assert [counts[split, 1] for split in ("train", "val", "test")] == [280, 80, 40]
        assert not leakage(done)

    def test_methods_are_balanced_each_and_rare_ones_together(self) -> None:
        common = [record(f"a{n}", 1, method="A", group=f"a{n}") for n in range(100)]
        rare = [record(f"r{n}", 1, method=f"rare{n}", group=f"r{n}") for n in range(20)]
        counts = Counter((one.split, one.method[0]) for one in split_records([*common, *rare]))
        assert [counts[split, "A"] for split in ("train", "val", "test")] == [80, 10, 10]
        assert [counts[split, "r"] for split in ("train", "val", "test")] == [16, 2, 2]

    def test_the_seed_decides_and_the_order_of_calls_does_not(self) -> None:
        records = groups(50)
        assert split_records(records, seed=1) == split_records(records, seed=1)
        assert split_records(records, seed=1) != split_records(records, seed=2)

    def test_published_splits_are_kept_and_draw_in_what_belongs_to_them(self) -> None:
        records = [record("a", split="test", group="g"), record("b", group="g"), *groups(20)]
        done = split_records(records)
        assert (done[0].split, done[1].split) == ("test", "test")
        assert not leakage(done)

    def test_published_splits_may_be_forgotten(self) -> None:
        records = groups(40, split="test")
        assert {one.split for one in split_records(records)} == {"test"}
        assert Counter(one.split for one in split_records(records, anew=True))["train"] == 64

    def test_a_share_of_nothing_gets_nothing(self) -> None:
        assert {one.split for one in split_records(groups(9), Shares(0, 0, 1))} == {"test"}

    def test_one_set_of_people_cannot_be_divided_and_that_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        done = split_records([record(str(n), identities=("ann",)) for n in range(30)])
        assert {one.split for one in done} == {"train"}
        assert "no record is left for val and test" in caplog.text

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 1),
                st.sampled_from(["", "g1", "g2", "g3"]),
                st.sets(st.sampled_from(["ann", "bob", "cid", "dan"]), max_size=2),
            ),
            min_size=1,
            max_size=30,
        ),
        st.integers(0, 5),
    )
    @settings(max_examples=60, deadline=None)
    def test_nobody_is_ever_in_two_splits(self, made: list[tuple[int, str, set[str]]], seed: int) -> None:
        records = [
            record(str(n), label, group=group, identities=tuple(sorted(people)))
            for n, (label, group, people) in enumerate(made)
        ]
        done = split_records(records, seed=seed)
        assert all(one.split for one in done)
        assert not leakage(done)
        assert [one.video_id for one in done] == [one.video_id for one in records]


class TestValFromTrain:
    PUBLISHED = (*groups(40, split="train"), *(record(f"t{n}", split="test", group=f"t{n}") for n in range(9)))

    def test_a_published_split_without_val_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        split_records(self.PUBLISHED)
        assert "no record is in val: the published splits have none; --val-from-train 0.1" in caplog.text

    def test_val_is_taken_out_of_train_by_group(self) -> None:
        done = val_from_train(split_records(self.PUBLISHED), 0.1, seed=3)
        counts = Counter((one.split, one.label) for one in done)
        assert counts == {("train", 0): 36, ("train", 1): 36, ("val", 0): 4, ("val", 1): 4, ("test", 0): 9}
        assert not leakage(done)
        assert [one.video_id for one in done] == [one.video_id for one in self.PUBLISHED]

    def test_what_makes_no_sense(self) -> None:
        with pytest.raises(UsageError, match="between 0 and 1"):
            val_from_train(self.PUBLISHED, 1.0)
        with pytest.raises(UsageError, match="there is a val already"):
            val_from_train(groups(3, split="val"), 0.1)


@pytest.mark.parametrize("text", ["0.8,0.1", "a,b,c", "0.8,0.1,0.2", "1.1,-0.1,0", ""])
def test_shares_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="split shares"):
        Shares.parse(text)


class TestLeakage:
    def test_groups_and_people_are_found_with_an_example(self) -> None:
        records = [
            record("a", split="train", group="g", identities=("ann",)),
            record("b", split="test", group="g"),
            record("c", split="val", group="h", identities=("ann", "bob")),
            record("d", group="g", identities=("bob",)),
        ]
        found = leakage(records)
        assert [(one.name, one.splits, one.examples) for one in found.groups] == [
            ("d:g", ("train", "test"), ("a", "b"))
        ]
        assert [(one.name, one.splits) for one in found.identities] == [("ann", ("train", "val"))]
        assert found.files is None
        with pytest.raises(DatasetError, match=r"1 group and 1 identity cross splits: group 'd:g' is in train \(a\)"):
            found.refuse()

    def test_none_is_said_too_and_refuses_nothing(self) -> None:
        found = leakage(split_records(groups(10)))
        found.refuse()
        assert "no group and no identity crosses splits; files were not compared" in found.in_words

    def test_equal_files_are_found_also_in_archives(self, tmp_path: Path) -> None:
        for name, content in (("a.mp4", b"same"), ("b.mp4", b"same"), ("c.mp4", b"other")):
            (tmp_path / name).write_bytes(content)
        archive(tmp_path / "s.tar", {"x/0.png": b"sa", "x/1.png": b"me"})
        records = [
            Record("d", "a", tmp_path / "a.mp4", 0, "train"),
            Record("d", "b", tmp_path / "b.mp4", 0, "test"),
            Record("d", "c", tmp_path / "c.mp4", 0, "val"),
            Record("d", "x", tmp_path / "s.tar" / "x", 0, "val"),
        ]
        found = leakage(records, compare_files=True)
        assert found.files is not None
        assert [(one.splits, one.examples) for one in found.files] == [(("train", "val", "test"), ("a", "x", "b"))]
        assert "file" in found.in_words
        with pytest.raises(DatasetError, match="cannot be compared"):
            leakage([record("absent", split="train")], compare_files=True)
