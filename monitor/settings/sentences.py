"""Turns pydantic's errors into clauses for people: "must be at least 12", not "Input should be ..."."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_BY_TYPE: Final = {
    "bool_parsing": "must be true or false",
    "extra_forbidden": "there is no such field",
    "float_parsing": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "missing": "is missing",
    "model_type": "is a group, not a single value",
    "path_type": "must be a path",
    "string_type": "must be a text",
}
_CHOICES: Final = re.compile(r"\^\(([\w|-]+)\)\$")  # of a pattern that lists words


def describe(error: ErrorDetails) -> str:
    """The fault of a value as a clause, without the value itself, which may be a secret."""
    if error["type"] in _BY_TYPE:
        return _BY_TYPE[error["type"]]
    if error["type"] == "string_pattern_mismatch" and (match := _CHOICES.fullmatch(error["ctx"]["pattern"])):
        return f"must be {' or '.join(match[1].split('|'))}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = re.sub(r"^(Input|String|Value|Tuple|List) should (not )?", r"must \2", message)
    return message[0].lower() + message[1:]
