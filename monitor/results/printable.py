"""One page of a result with its pictures, to print, to send, or to save as a PDF from the browser."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2

from monitor.errors import OutputError
from monitor.results.formats import REPORT_FILE
from monitor.results.key_frames import key_frames
from monitor.types import Label
from monitor.types.formatting import clock, clock_span, percent_or_unknown, reasons_in_words

PRINTABLE: Final = "report.html"
_TEMPLATE: Final = Path(__file__).with_name("printable.html.j2")
_MAX_PICTURES: Final = 8
CREDENTIALS_NOTE: Final = (
    "Content credentials are claims of their signer, and do not change the verdict. Valid ones show that the file is "
    "as it was signed, not that it shows what happened. They are easily removed from a file."
)
NO_PROOF: Final = (
    "Likely real is no proof either: it means that this classifier found no sign of manipulation, and it misses many "
    "fakes."
)


def printable(folder: Path) -> str:
    """HTML of the result in ``folder``, complete in itself.

    Raises:
        OutputError: there is no readable report.
    """
    try:
        report: Mapping[str, Any] = json.loads((folder / REPORT_FILE).read_bytes())
        return _template().render(**_content(report), pictures=_pictures(folder))
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"the result in {folder.name} cannot be shown ({error}): analyse the file again") from error


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _content(report: Mapping[str, Any]) -> dict[str, Any]:
    verdict, source, model = report["verdict"], report["source"], report["model"]
    label = Label(verdict["label"])
    return {
        "name": source["name"],
        "label": label.in_words,
        "sentence": verdict["in_words"],
        "no_proof": NO_PROOF if label is Label.LIKELY_REAL else "",
        "note": report["note"],
        "limits": model["limits"],
        "facts": {
            "File": source["name"],
            "SHA-256 of the file": source["sha256"] or "none: the source is not one file",
            "Picture": f"{source['width']} x {source['height']} pixels",
            "Duration": "unknown" if source["duration"] is None else clock(source["duration"]),
            "Frames": f"{report['frames']['analysed']} analysed of {report['frames']['read']} read",
            "Notes": "; ".join(source.get("notes", ())) or "none",
            "Classifier": f"{model['id']} (weights {model['weights_sha256'][:16]}...)",
            "Program": f"{report['program']['name']} {report['program']['version']}",
            "Analysed": report["created_at"],
        },
        "spans": [
            {
                "when": clock_span(span["start"], span["end"]),
                "label": Label(span["label"]).in_words,
                "faces": ", ".join(map(str, span["track_ids"])),
            }
            for span in report["spans"]
        ],
        "faces": [
            {
                "number": track["track_id"],
                "label": Label(track["label"]).in_words,
                "probability": percent_or_unknown(track["probability"]),
                "seen": clock_span(track["first_seen"], track["last_seen"]),
                "samples": track["samples"],
                "reasons": reasons_in_words(track["reasons"]) or "none",
            }
            for track in report["tracks"]
        ],
        "credentials": (report.get("content_credentials") or {}).get("in_words", ""),  # earlier reports had none
        "credentials_note": CREDENTIALS_NOTE,
        "hints": [f"{hint['in_words']}, {clock_span(hint['start'], hint['end'])}" for hint in report["hints"]],
    }


def _pictures(folder: Path) -> list[dict[str, str]]:
    found = []
    for moment in key_frames(folder)[:_MAX_PICTURES]:
        content = base64.b64encode((folder / moment.clear_file).read_bytes()).decode("ascii")
        caption = f"face {moment.track_id} at {clock(moment.media_time)}"
        found.append({"uri": f"data:image/jpeg;base64,{content}", "caption": caption})
    return found
