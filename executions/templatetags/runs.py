"""How templates say what `executions.web.formatting` knows, and what every page shows of the person's notifications."""

from typing import Any

from django import template

from executions.models import Notification
from executions.web import formatting

register = template.Library()
register.filter(formatting.lasted)
register.filter(formatting.label)

MAX_LISTED = 20


@register.simple_tag(takes_context=True)
def unread_notifications(context: template.Context) -> dict[str, Any]:
    """The newest unread ones of the signed-in person, and how many there are."""
    unread = Notification.objects.filter(user=context["request"].user, read_at__isnull=True)
    newest = list(unread.order_by("-created_at")[: MAX_LISTED + 1])
    count = len(newest) if len(newest) <= MAX_LISTED else unread.count()
    return {"newest": newest[:MAX_LISTED], "count": count}
