"""Finds the execution that a page is about. One that a user may not see is a 404."""

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from executions.access import find_execution, may_change
from executions.models import GraphExecution


def get_execution(request: HttpRequest, execution_id: str, *, only: Sequence[str] = ()) -> GraphExecution:
    """`only` names the fields to read; empty: all. Raises Http404."""
    execution = find_execution(request.user, execution_id, only=only)
    if execution is None:
        raise Http404
    return execution


def get_changeable_execution(request: HttpRequest, execution_id: str) -> GraphExecution:
    """With the field `user` only. Raises Http404, and PermissionDenied if the user may see it and not change it."""
    execution = get_execution(request, execution_id, only=("user",))
    if not may_change(request.user, execution):
        raise PermissionDenied
    return execution
