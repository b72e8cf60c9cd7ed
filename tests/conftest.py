"""Fixtures that every test may use."""

from __future__ import annotations

import multiprocessing.spawn  # noqa: F401 - keeps sys.executable as it is now; tests replace it for a while
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from monitor.settings import Settings

if TYPE_CHECKING:
    from monitor.analysis.pipeline import Engines

pytest_plugins = ("support.shared_storage",)
ROOT = Path(__file__).parent.parent
TESTS = Path(__file__).parent
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers share the cores: a second thread of torch only waits
# Pytest rewrites and compiles its files anew, and so does every process that a test starts, where no bytecode is kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it for its workers, and rich keeps the first width that it finds
# A test is slow, and so not part of `make quick`, if it uses one of these fixtures or lies in one of these places: they
# export networks, decode long clips, train, start servers or drive a browser.
SLOW_FIXTURES = frozenset(
    (
        *("bodies", "browser", "bucket", "camera", "engines", "library", "media", "page", "pairs", "postgres"),
        *("provider", "reference", "s3_address", "server", "shared_database"),
    )
)
SLOW_PLACES = (
    *("analysis/test_integrity.py", "analysis/test_tracks.py", "dashboard/pages/test_current_user.py"),
    *("flags/clips", "flags/test_builder.py", "flags/test_bundle.py", "flags/test_database.py"),
    *(
        "flags/test_from_analysis.py",
        "flags/test_pdf.py",
        "media",
        "runtime/test_supervisor.py",
        "test_source_kinds.py",
    ),
    *("classifiers", "cli/lab", "cli/test_analyze.py", "cli/test_bench.py"),
    *("cli/test_engines.py", "cli/test_serve.py", "cli/test_watch.py", "dashboard/pages/test_pages.py"),
    *("dashboard/pages/test_sign_in.py", "dashboard/viewer", "dashboard/webcam", "faces", "inference", "lab"),
    "server/notify/webhooks/test_durability.py",
    *("runtime/test_engine_build.py", "test_deployment.py", "test_media_boundary.py"),
    *("test_faults.py", "test_storage_faults.py", "test_stream_faults.py", "test_upload_faults.py"),
)
_SLOW_PATHS = tuple(str(TESTS / place) for place in SLOW_PLACES)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave slow places out of the fast loop before they are imported."""
    fast = config.getoption("markexpr") == "not slow"
    return True if fast and str(collection_path).startswith(_SLOW_PATHS) else None


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Half as many workers again as cores, because slow tests wait for cameras, servers and browsers."""
    fast = config.getoption("markexpr") == "not slow"
    return None if fast else (3 * (os.cpu_count() or 1) + 1) // 2  # None: as many as cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and put their files first, so that no worker ends with a long test while the others rest."""
    for item in items:
        used = SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        if used or str(item.path).startswith(_SLOW_PATHS):
            item.add_marker("slow")
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of labelled clips, which only the project's own machines have."""
    folder = Path(os.environ.get("DEEPFAKE_TEST_MEDIA", ROOT.parent / "shared" / "media"))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"needs the labelled clips (set DEEPFAKE_TEST_MEDIA): no {folder}/manifest.csv")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(pytestconfig: pytest.Config) -> Iterator[None]:
    """Engines that tests build stay out of the user's cache; all workers, and the next run, find them again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MONITOR_CACHE_DIR", str(pytestconfig.cache.mkdir("engines")))
        yield


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """AppTest leaves its script as ``__main__``, and every process that is spawned later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def _ordinary_scheduling() -> Iterator[None]:
    """An encoder of FFmpeg can make the thread that opens it a real-time one: everything else then starves."""
    before = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    yield
    assert before is None or os.sched_getscheduler(0) == before


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The default settings, with the tests' own cache."""
    return Settings(cache_dir=Path(os.environ["DEEPFAKE_MONITOR_CACHE_DIR"]))


@pytest.fixture(scope="session")
def engines(settings: Settings) -> Engines:
    """The shipped networks, compiled once."""
    from monitor.analysis.pipeline import Engines

    return Engines.load(settings)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 40 kB: a real write fails, half way."""
    resource = pytest.importorskip("resource", reason="needs Unix's resource limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
