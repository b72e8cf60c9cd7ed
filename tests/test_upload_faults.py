"""Damaged files that people upload: analysed, analysed in part or refused in a sentence, and nothing else happens.

The same as ``tests/benchmarks/measure_uploads.py`` with its thousand, for some of them.
"""

from collections import Counter
from pathlib import Path

import pytest
from benchmarks import measure_uploads as uploads
from support.mutants import mutants

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

LARGEST = 1000  # MB that a reading process may take for files of some kilobytes


@pytest.mark.usefixtures("engines")  # they are compiled once for all
def test_damaged_uploads_are_told_in_a_sentence_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    files = list(mutants(tmp_path / "seeds", 240, seed=20))
    picked = [*files[::11], files[24], files[74], files[124]]
    with uploads.serving(tmp_path / "server") as server:
        uploads.all_fates(server, files[1:5])  # the networks are loaded
        before, own = uploads.settled(server), server.temporary()
        watcher = uploads.Watcher(server)
        watcher.start()
        fates = uploads.all_fates(server, picked)
        watcher.over.set()
        watcher.join()
        assert [(one.mutant.name, one.mutant.kind, one.faults) for one in fates if one.faults] == []
        assert uploads.leftovers(server, own=own) == []
        assert uploads.grown(before, uploads.settled(server)) == []
        assert watcher.peak_child < LARGEST
    outcomes = Counter(one.outcome for one in fates)
    assert len(fates) == len(picked) == sum(outcomes.values())
    assert min(outcomes["analysed"], outcomes["in part"], outcomes["refused"]) > 1, "it tests nothing of that"
