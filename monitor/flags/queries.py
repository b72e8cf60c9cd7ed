"""Queries for flags: filters and order."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, func, or_

from monitor.flags import tables
from monitor.types import ClipState, Label, Opinion, Origin

_COLUMNS: Final = tables.flags.c
_SEARCHED: Final = (_COLUMNS.source, _COLUMNS.note, _COLUMNS.category, _COLUMNS.reporter)

Order = Literal["newest", "oldest", "most_suspicious"]


@dataclass(frozen=True, slots=True)
class FlagQuery:
    """A filter and an order of flags; None and "" do not restrict."""

    text: str = ""  # occurs in source, note, category or reporter
    named: tuple[str, ...] = ()  # sources whose flags match the text too: their present names contain it
    reviewed: bool | None = None
    opinion: Opinion | None = None
    origin: Origin | None = None
    label: Label | None = None
    clip: ClipState | None = None
    source: str = ""
    since: datetime | None = None
    until: datetime | None = None
    order: Order = "newest"
    before: tuple[datetime, str] | None = None  # time and id of a flag: only flags older than that one

    @property
    def order_columns(self) -> tuple[ColumnElement[Any], ...]:
        """The columns of ORDER BY."""
        return {
            "newest": (_COLUMNS.created_at.desc(), _COLUMNS.id.desc()),
            "oldest": (_COLUMNS.created_at, _COLUMNS.id),
            "most_suspicious": (func.coalesce(_COLUMNS.probability, -1.0).desc(), _COLUMNS.created_at.desc()),
        }[self.order]

    def apply(self, statement: Select[Any]) -> Select[Any]:
        """Adds the conditions of the query to a statement on the flags' table."""
        if self.text:
            escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            found = [column.ilike(f"%{escaped}%", escape="\\") for column in _SEARCHED]
            statement = statement.where(or_(*found, _COLUMNS.source.in_(self.named)))
        if self.reviewed is not None:
            is_reviewed = _COLUMNS.reviewed_at.is_not(None)
            statement = statement.where(is_reviewed if self.reviewed else ~is_reviewed)
        for column, value in (
            (_COLUMNS.opinion, self.opinion),
            (_COLUMNS.origin, self.origin),
            (_COLUMNS.label, self.label),
            (_COLUMNS.clip, self.clip),
            (_COLUMNS.source, self.source or None),
        ):
            if value is not None:
                statement = statement.where(column == str(value))
        if self.since is not None:
            statement = statement.where(_COLUMNS.created_at >= self.since.astimezone(UTC).isoformat())
        if self.until is not None:
            statement = statement.where(_COLUMNS.created_at < self.until.astimezone(UTC).isoformat())
        if self.before is not None:
            moment, flag_id = self.before[0].astimezone(UTC).isoformat(), self.before[1]
            is_twin = and_(_COLUMNS.created_at == moment, _COLUMNS.id < flag_id)
            statement = statement.where(or_(_COLUMNS.created_at < moment, is_twin))
        return statement


ALL: Final = FlagQuery()
