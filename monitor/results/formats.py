"""Registry of report formats: each renders a finished report as one text file."""

from collections.abc import Callable, Mapping
from typing import Final

from monitor.results.report_content import ReportContent
from monitor.types.serialise import json_file

REPORT_FILE: Final = "report.json"


def as_json(content: ReportContent) -> str:
    """Render the content of ``report.json``."""
    return json_file(content.to_dict()).decode()


_FORMATS: dict[str, Callable[[ReportContent], str]] = {REPORT_FILE: as_json}


def register(file: str, render: Callable[[ReportContent], str]) -> None:
    """Add a format: the file's name in the results folder, and the function that renders its text (UTF-8)."""
    _FORMATS[file] = render


def report_formats() -> Mapping[str, Callable[[ReportContent], str]]:
    """The render function of each format, by file name."""
    return dict(_FORMATS)
