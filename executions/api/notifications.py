"""List a user's notifications, count the unread ones, and mark them as read."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from executions.api.errors import errors, not_found
from executions.api.paging import Cursor, Limit, page_of
from executions.models import Notification
from executions.services import mark_read

router = Router(tags=["notifications"])


class NotificationOut(Schema):
    id: UUID
    type: str
    event: str
    extra: dict[str, Any] = Field(description="What else the payload says.")
    created_at: datetime
    read_at: datetime | None


class NotificationPage(Schema):
    items: list[NotificationOut]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class Unread(Schema):
    unread: int


class Marked(Schema):
    marked: int = Field(description="How many had been unread.")


@router.get(
    "", response={200: NotificationPage, **errors(422)}, summary="List notifications", operation_id="list_notifications"
)
def list_notifications(
    request: HttpRequest,
    unread: Annotated[bool, Field(description="Only those that have not been read.")] = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> Any:
    """Yours, newest first."""
    rows = Notification.objects.filter(user=request.auth)  # type: ignore[attr-defined]
    if unread:
        rows = rows.filter(read_at__isnull=True)
    return page_of(rows, limit=limit, cursor=cursor)._asdict()


@router.get("/unread", response={200: Unread, **errors()}, summary="Count unread", operation_id="count_unread")
def count_unread(request: HttpRequest) -> Any:
    """How many of your notifications have not been read."""
    return {"unread": Notification.objects.filter(user=request.auth, read_at__isnull=True).count()}  # type: ignore[attr-defined]


@router.post(
    "/read",
    response={200: Marked, **errors(403)},
    summary="Mark all as read",
    operation_id="mark_all_notifications_read",
)
def mark_all_notifications_read(request: HttpRequest) -> Any:
    """All of yours that have not been read."""
    return {"marked": mark_read(request.auth)}  # type: ignore[attr-defined]


@router.post(
    "/{uuid:notification_id}/read",
    response={200: NotificationOut, **errors(403, 404)},
    summary="Mark as read",
    operation_id="mark_notification_read",
)
def mark_notification_read(request: HttpRequest, notification_id: UUID) -> Any:
    """One that has been read already stays as it is."""
    mark_read(request.auth, [notification_id])  # type: ignore[attr-defined]
    notification = Notification.objects.filter(user=request.auth, pk=notification_id).first()  # type: ignore[attr-defined]
    if notification is None:
        raise not_found("Notification")
    return notification
