"""Keyset pagination: a page starts after the last row of the page before. Each page costs the same, and rows that are
inserted between two requests neither repeat nor hide other rows.

A cursor holds the time and the id of the last row. It is opaque to clients.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connections
from django.db.models import Model, Q, QuerySet
from pydantic import Field

from executions.api.errors import invalid
from executions.conf import DEFAULTS, limits

M = TypeVar("M", bound=Model)

Limit = Annotated[
    int | None,
    Field(ge=1, le=DEFAULTS.MAX_PAGE_SIZE, description=f"Rows of a page; {DEFAULTS.PAGE_SIZE} where it is not given."),
]
Cursor = Annotated[str | None, Field(max_length=200, description="The `next_cursor` of the page before.")]


class Page(NamedTuple, Generic[M]):
    items: Sequence[M]
    next_cursor: str | None


def page_of(
    *parts: QuerySet[M],
    limit: int | None,
    cursor: str | None,
    time: str = "created_at",
    newest_first: bool = True,
    load: Callable[[QuerySet[M]], tuple[list[M], bool]] = lambda rows: (list(rows), False),
) -> Page[M]:
    """One page of the rows, ordered by the `time` column and the id. `load` reads them, and may leave out the last
    ones; it says whether it did. One query by default. Several parts, which may share rows, are one list: one query
    more. Raises Problem for an invalid cursor."""
    size = min(limit or limits.PAGE_SIZE, limits.MAX_PAGE_SIZE)
    sign, beyond = ("-", "lt") if newest_first else ("", "gt")
    order = f"{sign}{time}", f"{sign}pk"
    rows = reduce(or_, parts)
    if cursor is not None:
        moment, pk = _decode(cursor)
        # The first condition is redundant; an index scan can start at it.
        start = Q(**{f"{time}__{beyond}e": moment})
        start &= Q(**{f"{time}__{beyond}": moment}) | Q(**{time: moment, f"pk__{beyond}": pk})
        rows, *parts = (part.filter(start) for part in (rows, *parts))  # type: ignore[assignment]
    # SQLite has no LIMIT in the parts of a UNION: it sorts the rows of all parts.
    if len(parts) > 1 and connections[rows.db].features.supports_slicing_ordering_in_compound:
        first, *others = (part.order_by(*order).values_list(time, "pk")[: size + 1] for part in parts)
        keys = first.union(*others).order_by(*order)[: size + 1]
        rows = rows.filter(pk__in=[pk for _, pk in keys])
    found: list[Any]
    found, is_cut = load(rows.order_by(*order)[: size + 1])
    items = found[:size]
    has_more = is_cut or len(found) > size
    return Page(items, _encode(getattr(items[-1], time), items[-1].pk) if has_more else None)


def _encode(moment: datetime, pk: Any) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{pk}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, pk = text.split("|")
        time = datetime.fromisoformat(moment)
        if time.utcoffset() is None or time.utcoffset():
            raise ValueError
        return time, UUID(pk)
    except (ValueError, binascii.Error):
        raise invalid("This is no cursor.", "cursor", "Send a next_cursor as you got it, or none.") from None
