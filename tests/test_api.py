import doctest
import json
import re
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.clips import video
from support.json_schema import EVENTS_FILE

import monitor
from monitor import api, errors
from monitor.analysis.pipeline import Engines
from monitor.errors import SourceNotFoundError, UsageError
from monitor.settings import Settings, SourceSettings, stages


def short(settings: Settings, seconds: float = 0.4) -> Settings:
    return settings.model_copy(update={"source": SourceSettings(demo_seconds=seconds)})


def fails(event: monitor.Event) -> None:
    raise RuntimeError(f"no room for {event.type}")


@pytest.mark.usefixtures("engines")  # compiled in the tests' own cache
def test_the_examples_of_the_door_are_true(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.system.user.platformdirs.user_cache_path", lambda *_, **__: settings.cache_dir)
    failed, tried = doctest.testmod(api)
    assert (failed, tried > 8) == (0, True)


def test_the_door_is_listed_and_opens_without_loading_anything_at_first() -> None:
    heavy = "{'torch', 'av', 'cv2', 'numpy'} & set(sys.modules)"
    code = f"import sys, monitor; print(sorted({heavy}), 'analyze' in dir(monitor))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] True"
    assert set(api.__all__) | {"__version__"} == set(monitor.__all__)
    assert all(getattr(monitor, name) is getattr(api, name) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        monitor.nonsense  # type: ignore[attr-defined]  # noqa: B018 - that it raises


def test_engines_are_loaded_once_for_the_same_settings(settings: Settings) -> None:
    first = monitor.load_engines(settings)
    assert monitor.load_engines(short(settings)) is first, "a source's settings make no other engines"


def test_a_report_is_what_report_json_holds(engines: Engines, settings: Settings, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=5)
    report = monitor.analyze(clip, settings=settings, engines=engines, out=tmp_path / "out", video=False)
    assert report.folder is not None
    written = json.loads((report.folder / "report.json").read_text(encoding="utf-8"))
    assert written | {"created_at": ""} == report.to_dict() | {"created_at": ""}
    assert report.source.name == str(clip)
    assert (report.engine, report.model.id) == (engines.scorer.engine.name, engines.classifier.card.id)


def test_an_analysis_ends_when_its_progress_says_so(engines: Engines, settings: Settings) -> None:
    report = monitor.analyze("demo:", settings=short(settings, 60.0), engines=engines, on_progress=lambda _: False)
    assert 0 < report.frames.frames_analysed < 1500


def test_an_observer_is_required_by_an_analysis_unless_it_is_said_otherwise(
    engines: Engines, settings: Settings
) -> None:
    brief = short(settings)
    with pytest.raises(RuntimeError, match="no room for stream_opened"):
        monitor.analyze("demo:", settings=brief, engines=engines, observers=[fails])
    spare = monitor.Subscription(fails, "spare", monitor.FailurePolicy.BEST_EFFORT)
    report = monitor.analyze("demo:", settings=brief, engines=engines, observers=[spare])
    assert report.frames.frames_analysed == 10


def test_what_is_live_is_refused_by_an_analysis(engines: Engines, settings: Settings, tmp_path: Path) -> None:
    source = monitor.open_source(video(tmp_path / "clip.mp4", frames=5))
    source.info = replace(source.info, live=True)
    with pytest.raises(UsageError, match="is live and has no end"):
        monitor.analyze(source, settings=settings, engines=engines)


def test_an_observer_outside_the_package_posts_events_as_json(engines: Engines, settings: Settings) -> None:
    """A webhook, say: one file, and nothing of the package changes."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever).start()

        def post(event: monitor.Event) -> None:
            if not isinstance(event, monitor.FrameAnalysed):
                request = urllib.request.Request(
                    f"http://127.0.0.1:{server.server_port}", json.dumps(event.to_dict()).encode()
                )
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - of this machine

        try:
            with monitor.watch("demo:", settings=short(settings), engines=engines, observers=[post]) as events:
                seen = [event.to_dict() for event in events if not isinstance(event, monitor.FrameAnalysed)]
        finally:
            server.shutdown()
    assert received == seen
    assert {"stream_opened", "stream_closed"} <= {event["type"] for event in received}
    of_events = Draft202012Validator(json.loads(EVENTS_FILE.read_text(encoding="utf-8")))
    for event in received:
        of_events.validate(event)


def test_everything_of_the_door_is_on_the_page_of_the_api() -> None:
    page = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\w+", page)) | {name for name in dir(errors) if name.endswith("Error")} | {"Event"}
    shown |= {name for name in dir(stages) if name.endswith("Settings")}
    assert set(api.__all__) - shown == set()


def test_one_function_makes_every_supervised_stream() -> None:
    """``watch``, the command line and the server open, observe and stop their streams alike."""
    package = Path(monitor.__file__).parent
    makers = [path for path in package.rglob("*.py") if "StreamSupervisor(" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(package).as_posix() for path in makers] == ["api.py"]


def test_a_watch_of_nothing_says_so_after_its_last_event(engines: Engines, settings: Settings, tmp_path: Path) -> None:
    states = []
    with monitor.watch(str(tmp_path / "nothing.mp4"), settings=settings, engines=engines) as events:
        states.append(next(events))
        with pytest.raises(SourceNotFoundError, match="nothing"):
            next(events)
    assert [event.to_dict()["state"] for event in states] == ["failed"]
