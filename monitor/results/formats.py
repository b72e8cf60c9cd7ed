"""The files that are made of a finished report: a format is one function and one registration."""

from collections.abc import Callable, Mapping
from typing import Final

from monitor.results.report_content import ReportContent
from monitor.types.serialise import json_file

REPORT_FILE: Final = "report.json"


def as_json(content: ReportContent) -> str:
    """``report.json``."""
    return json_file(content.to_dict()).decode()


_FORMATS: dict[str, Callable[[ReportContent], str]] = {REPORT_FILE: as_json}


def register(file: str, render: Callable[[ReportContent], str]) -> None:
    """Write another file of every report: its name in the results' folder, and what makes its text (UTF-8)."""
    _FORMATS[file] = render


def report_formats() -> Mapping[str, Callable[[ReportContent], str]]:
    """What makes the text of each file, by the file's name."""
    return dict(_FORMATS)
