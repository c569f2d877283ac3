"""Filters from `executions.web.formatting`, and the unread notifications that every page shows."""

from typing import Any

from django import template

from executions.models import Notification
from executions.web import formatting

register = template.Library()
register.filter(formatting.lasted)
register.filter(formatting.label)

MAX_LISTED = 20  # notifications on a page


@register.simple_tag(takes_context=True)
def unread_notifications(context: template.Context) -> dict[str, Any]:
    """The newest unread notifications of the signed-in user, and the number of all unread ones."""
    unread = Notification.objects.filter(user=context["request"].user, read_at__isnull=True)
    newest = list(unread.order_by("-created_at")[: MAX_LISTED + 1])
    count = len(newest) if len(newest) <= MAX_LISTED else unread.count()
    return {"newest": newest[:MAX_LISTED], "count": count}
