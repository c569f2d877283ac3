"""Puts events on streams. An event is recorded in the transaction of the change, and announced after the commit.

Any app of the project may publish events on streams of its own:

    from django.db import transaction
    from realtime import streams
    from realtime.publish import publish

    def ship(order):
        with transaction.atomic():
            order.shipped = True
            order.save()
            stream = streams.own("orders", str(order.user_id), str(order.pk))
            publish(stream, "order_shipped", "order", {"id": order.pk})

    # settings.py: who may watch; the function returns the owner's id, or None
    REALTIME = {"STREAM_ACCESS": {"orders": "shop.access.order_owner"}}

When the answer of that function changes, call `revoke(stream, user)` in the same transaction, or `revoke(user)` for all
that the user may do: every process asks again at once. Otherwise it asks again every RECHECK_INTERVAL.

A browser subscribes with {"method":"subscribe_stream","data":{"kind":"orders","id":"7","after":0}}.
"""

from realtime.log.types import EventTooLarge
from realtime.publishing.access_notices import revoke
from realtime.publishing.recording import end_stream, publish

__all__ = ["EventTooLarge", "end_stream", "publish", "revoke"]
