"""What staff can see of this process's sockets."""

import os

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, JsonResponse

from realtime import asgi_extension
from realtime.hub.registry import live_hubs
from realtime.metrics import counts


@staff_member_required
def status(request: HttpRequest) -> JsonResponse:
    """Sockets, streams and counts of the process that answers; each process has its own. `server` says how many
    sockets wait for their clients (`behind`) and what is kept for them, and is null under another server."""
    hubs = live_hubs()
    return JsonResponse(
        {
            "process": os.getpid(),
            "sockets": sum(hub.sockets for hub in hubs),
            "streams": sum(len(hub.streams) for hub in hubs),
            "subscriptions": sum(len(live.subscriptions) for hub in hubs for live in list(hub.streams.values())),
            "server": asgi_extension.count_sockets and asgi_extension.count_sockets(),
            "counts": counts(),
        }
    )
