"""An extension of mkdocstrings: the comment beside a dataclass's field becomes its documentation."""

import sys
from dataclasses import is_dataclass
from pathlib import Path
from pydoc import locate

import griffe

sys.path.insert(0, str(Path(__file__).parents[1]))  # this checkout, whatever is installed
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.json_schema import field_comments


class FieldComments(griffe.Extension):
    """Reads the comments of each dataclass."""

    def on_class(self, *, cls: griffe.Class, **_: object) -> None:
        """A class was read."""
        kind = locate(cls.path)
        if not isinstance(kind, type) or not is_dataclass(kind):
            return
        for name, comment in field_comments(kind).items():
            member = cls.members.get(name)
            if comment and isinstance(member, griffe.Attribute) and member.docstring is None:
                member.docstring = griffe.Docstring(comment, parent=member)
