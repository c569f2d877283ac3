"""Loads node executions with their inputs and outputs, up to a number of bytes. The database counts before it sends."""

from collections.abc import Collection
from typing import Any

from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast, Length

from executions.conf import limits
from executions.models import NodeExecution

_BYTES = Length(Cast(F("input_data"), TextField())) + Length(Cast(F("output_data"), TextField()))


def load_within(rows: QuerySet[NodeExecution]) -> tuple[list[NodeExecution], bool]:
    """The first of the rows, in their order, whose inputs and outputs together have up to MAX_ANSWER_BYTES; at least
    one row. Also returns whether rows were left out. Two queries."""
    pks: list[Any] = []
    size = 0
    is_cut = False
    for pk, length in rows.annotate(data_bytes=_BYTES).values_list("pk", "data_bytes"):
        size += length
        is_cut = bool(pks) and size > limits.MAX_ANSWER_BYTES
        if is_cut:
            break
        pks.append(pk)
    return load(pks), is_cut


def load(pks: Collection[Any]) -> list[NodeExecution]:
    """These rows, in this order."""
    found = NodeExecution.objects.in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]
