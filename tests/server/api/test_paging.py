"""Cursors."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.server.api.paging import Paging, cut, decode_cursor, encode_cursor

PARTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(PARTS).map(tuple))
def test_a_cursor_is_read_as_it_was_written(position: tuple[str | int | float, ...]) -> None:
    found = decode_cursor(encode_cursor(position))
    assert found == position
    assert list(map(type, found)) == list(map(type, position))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{}", b"[NaN]", b"[1e999]", b'["\\ud800"]', b"[true]", b"[null]", b"[[1]]", b"\xff", b"[" * 400],
)
def test_another_text_is_no_cursor(content: bytes) -> None:
    with pytest.raises(UsageError, match="begin again without a cursor"):
        decode_cursor(base64.urlsafe_b64encode(content).decode())


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_a_sentence(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(decode_cursor(text), tuple)


def test_a_whole_number_beyond_those_of_a_database_belongs_to_no_list() -> None:
    with pytest.raises(UsageError):
        Paging(after=decode_cursor(encode_cursor((2**70,)))).position(int)


@given(st.sets(st.integers(0, 500)), st.integers(1, 20))
def test_all_pages_together_are_the_list(numbers: set[int], limit: int) -> None:
    items, found, cursor, pages = sorted(numbers), [], "", 0
    while cursor is not None:
        paging = Paging(limit, decode_cursor(cursor) if cursor else None)
        after = paging.position(int)
        rest = [number for number in items if after is None or number > after[0]][: limit + 1]
        kept, cursor = cut(rest, paging, position=lambda number: (number,))
        found, pages = found + list(kept), pages + 1
    assert found == items
    assert pages == max(1, -(-len(items) // limit))
