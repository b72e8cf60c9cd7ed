"""Draws an observation on its frame: boxes, labels, heat-map."""

from dataclasses import dataclass

from monitor.overlay import plates
from monitor.overlay.bitmaps import Bitmap
from monitor.overlay.heat import EvidenceMemory, colours
from monitor.overlay.layout import Layout, Rectangle, leader, unit_of
from monitor.overlay.outlines import draw_leader, draw_outline
from monitor.overlay.plate_forms import PlateForm, plate_forms
from monitor.types import Floats, Frame, Observation, Pixels
from monitor.types.formatting import clock

_MIN_TEXT_SIDE = 96  # pixels; text would cover most of a smaller picture


@dataclass(frozen=True, slots=True)
class OverlaySettings:
    """The drawn elements and their style."""

    heat_map: bool = True
    opacity: float = 0.5  # of the heat-map at evidence of ``scale`` and more, 0..1
    scale: float = 4.0  # logits at full opacity; fixed, so that colours are comparable between frames
    hold: float = 1.0  # seconds of media time for which an evidence map stays visible
    status: bool = True


class Overlay:
    """Draws one stream's frames in order; stores evidence maps and the side of each plate between frames.

    In a scored frame, the map covers exactly the scored square; in the frames between scores it moves and scales with
    the face's box.
    """

    def __init__(self, settings: OverlaySettings | None = None) -> None:
        self._settings = settings or OverlaySettings()
        self._evidence = EvidenceMemory(self._settings.hold)
        self._layout = Layout()

    def draw(self, frame: Frame, observation: Observation, *, selected: int | None = None) -> Pixels:
        """A copy of the frame's pixels (H, W, 3) RGB with all elements drawn.

        Args:
            frame: of the observation.
            observation: its faces and verdicts.
            selected: track id of a face that has a whole plate even in a crowd.
        """
        canvas = frame.pixels.copy()
        self._evidence.update(observation)
        side = min(frame.width, frame.height)
        size, unit = max(12, round(side / 44)), unit_of(frame.width, frame.height)
        boxes = observation.tracked.faces.boxes
        if self._settings.heat_map:
            for track, box in zip(observation.tracked.track_ids.tolist(), boxes, strict=True):
                self._draw_evidence(canvas, track, box)
        for verdict, box in zip(observation.verdicts, boxes, strict=True):
            draw_outline(canvas, box, label=verdict.label, unit=unit)
        if side >= _MIN_TEXT_SIDE:
            margins = self._draw_margins(canvas, observation, size)
            self._draw_plates(canvas, observation, size=size, unit=unit, taken=margins, selected=selected)
        return canvas

    def _draw_evidence(self, canvas: Pixels, track: int, box: Floats) -> None:
        found = self._evidence.of(track, box)
        if found is None:
            return
        evidence, square = found
        left, top, right, bottom = (round(edge) for edge in square.tolist())
        if right > left and bottom > top:
            heat = colours(
                evidence, (right - left, bottom - top), scale=self._settings.scale, opacity=self._settings.opacity
            )
            heat.paste(canvas, (left, top))

    def _draw_margins(self, canvas: Pixels, observation: Observation, size: int) -> list[Rectangle]:
        """Status line bottom left, legend bottom right (above the status line in a narrow frame)."""
        drawn: list[Rectangle] = []
        height, width = canvas.shape[:2]
        edge = size // 2
        if self._settings.status:
            text = f"{clock(observation.media_time)} · {observation.engine} · an indication, not proof"
            line = plates.status(text, size)
            drawn.append(_paste(line, canvas, (edge, height - edge - line.size[1])))
        if self._settings.heat_map:
            key = plates.legend(self._settings.scale, self._settings.opacity, size)
            left, top = width - edge - key.size[0], height - edge - key.size[1]
            if drawn and left < drawn[0].right + edge:
                top -= key.size[1] + edge // 2
            drawn.append(_paste(key, canvas, (left, top)))
        return drawn

    def _draw_plates(
        self,
        canvas: Pixels,
        observation: Observation,
        *,
        size: int,
        unit: float,
        taken: list[Rectangle],
        selected: int | None,
    ) -> None:
        """The plates, the worst labels first; a leader line joins a face with a distant plate."""
        frame = canvas.shape[1], canvas.shape[0]
        faces = [Rectangle(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in observation.tracked.faces.boxes.tolist()]
        rows = sorted(
            zip(observation.verdicts, faces, strict=True), key=lambda row: (-row[0].label.severity, row[0].track_id)
        )
        forms = plate_forms([(verdict.track_id, verdict.label) for verdict, _ in rows], selected=selected)
        bare = [face for (_, face), form in zip(rows, forms, strict=True) if form is PlateForm.NONE]
        kept = [(row, form) for row, form in zip(rows, forms, strict=True) if form is not PlateForm.NONE]
        rows = [row for row, _ in kept]
        bitmaps = [plates.plate(verdict, size, short=form is PlateForm.SHORT) for (verdict, _), form in kept]
        places = self._layout.place(
            [(verdict.track_id, bitmap.size) for (verdict, _), bitmap in zip(rows, bitmaps, strict=True)],
            [face for _, face in rows],
            frame=frame,
            taken=taken,
            bare=bare,
        )
        for (verdict, face), place in zip(rows, places, strict=True):
            line = leader(face, place, frame=frame)
            if line is not None:
                draw_leader(canvas, *line, label=verdict.label, unit=unit)
        for bitmap, place in zip(bitmaps, places, strict=True):
            _paste(bitmap, canvas, (round(place.left), round(place.top)))


def _paste(bitmap: Bitmap, canvas: Pixels, at: tuple[int, int]) -> Rectangle:
    bitmap.paste(canvas, at)
    return Rectangle(*at, *bitmap.size)
