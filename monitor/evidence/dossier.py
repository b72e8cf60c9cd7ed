"""Flags as a page for people who do not have this program: one HTML file, pictures inside, made to be printed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2

import monitor
from monitor.overlay import clock
from monitor.overlay.plates import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.evidence.exhibits import Exhibits
    from monitor.evidence.log import Event
    from monitor.types import Flag

_TEMPLATE: Final = Path(__file__).with_name("dossier.html.j2")
_PICTURES: Final = {".jpg": "image/jpeg", ".png": "image/png"}
LIMITS: Final = (
    "A verdict is an indication, not proof: it is the output of a statistical model that errs in both directions, most "
    "of all on material unlike what it was trained on. A low probability does not show that a face is genuine.",
    "The heat-map shows where the evidence of the model came from. It does not show where a picture was altered.",
    "The hashes show that the files were not changed after they were kept. They say nothing of what happened to the "
    "material before this program saw it.",
)


def page(flags: Sequence[Flag], *, events: Sequence[Event], exhibits: Exhibits, missing: Sequence[str] = ()) -> str:
    """The page, self-contained but for the clips, which lie beside it in the bundle.

    Args:
        flags: in the order of the page.
        events: of these flags.
        exhibits: where their files lie.
        missing: ``<flag id>/<name>`` of files that are recorded but not there.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"clock": clock, "utc": _utc, "percent": _percent}
    entries = [
        {
            "flag": flag,
            "pictures": _pictures(exhibits, flag),
            "events": [event for event in events if event.flag_id == flag.id],
            "missing": [name.partition("/")[2] for name in missing if name.startswith(f"{flag.id}/")],
        }
        for flag in flags
    ]
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(entries=entries, limits=LIMITS, program=f"deepfake-monitor {monitor.__version__}")


def _percent(probability: float | None) -> str:
    return "unknown" if probability is None else percent(probability)


def _utc(moment: datetime | str) -> str:
    """To the second, for people; the files have it in full."""
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _pictures(exhibits: Exhibits, flag: Flag) -> list[dict[str, str]]:
    """Those that are there, each with its name and its data URI."""
    paths = [exhibits.folder(flag.id) / exhibit.name for exhibit in flag.exhibits]
    return [
        {
            "name": path.name,
            "data": f"data:{_PICTURES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}",
        }
        for path in paths
        if path.suffix in _PICTURES and path.is_file()
    ]
