"""Cursors of pages: a page, or an error that says that this is no cursor."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.api.errors import Problem
from executions.api.paging import page_of
from executions.models import GraphExecution
from tests.fuzz.inputs import spliced, texts
from tests.fuzz.oracles import SLOW, rolled_back
from tests.fuzz.world import make_world

pytestmark = pytest.mark.django_db

TIMES = [
    *("2024-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2024-W01-1"),
    *(
        "2024-01-01T00:00:00+00:00:00.000001",
        "2024-01-01T00:00:00Z",
        "20240101T000000+0000",
        "2024-01-01T00:00:00-00:00",
    ),
]
IDS = ["00000000-0000-0000-0000-000000000000", "f" * 32, "{" + "f" * 32 + "}", "urn:uuid:" + "0" * 32, "x"]
inside = st.builds(lambda time, id: f"{time}|{id}".encode(), st.sampled_from(TIMES), st.sampled_from(IDS))
cursors = st.one_of(
    spliced(inside).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")),
    inside.map(lambda data: base64.urlsafe_b64encode(data).decode()),
    texts,
)


@SLOW
@given(cursors, st.booleans())
def test_a_cursor_gives_a_page_or_is_refused(cursor: str, newest_first: bool) -> None:
    with rolled_back():
        make_world()
        try:
            page = page_of(GraphExecution.objects.all(), limit=1, cursor=cursor, newest_first=newest_first)
        except Problem as refused:
            assert (refused.status, refused.path) == (422, "cursor")
            return
        again = page_of(GraphExecution.objects.all(), limit=1, cursor=cursor, newest_first=newest_first)
        assert [each.pk for each in page.items] == [each.pk for each in again.items]
        assert page.next_cursor is None
