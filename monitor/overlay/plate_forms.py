"""The form of each face's plate: in a picture of many faces, whole plates would cover the scene.

The dashboard's ``viewer/layout.js`` uses the same rules; ``tests/overlay/plate_forms.json`` tests both.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from monitor.types import Label

_WHOLE: Final = 4  # whole plates in one picture
_SHORT: Final = 12  # faces in one picture; above, faces that nobody suspects have no plate


class PlateForm(StrEnum):
    """The content of a plate."""

    WHOLE = "whole"  # sign, label, confidence, id and main reason
    SHORT = "short"  # sign and id
    NONE = "none"


def plate_forms(faces: Sequence[tuple[int, Label]], *, selected: int | None) -> list[PlateForm]:
    """The form of each plate in one picture.

    Up to four faces have whole plates. In a larger group, the selected face and the first four suspicious faces have
    whole plates, all others short ones; above twelve faces, an unsuspicious face has its outline only.

    Args:
        faces: track id and label, the worst label first.
        selected: track id.
    """
    forms, whole = [], 0
    for track_id, label in faces:
        if track_id == selected or len(faces) <= _WHOLE:
            form = PlateForm.WHOLE
        elif label.suspects and whole < _WHOLE:
            form = PlateForm.WHOLE
            whole += 1
        elif label.suspects or len(faces) <= _SHORT:
            form = PlateForm.SHORT
        else:
            form = PlateForm.NONE
        forms.append(form)
    return forms
