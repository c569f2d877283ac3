"""The status page for staff."""

import os

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, JsonResponse

from realtime import asgi_extension
from realtime.conf import limits
from realtime.housekeeping.claims import report
from realtime.housekeeping.jobs import all_jobs
from realtime.hub.registry import live_hubs
from realtime.metrics import counts


@staff_member_required
def status(request: HttpRequest) -> JsonResponse:
    """Sockets, streams and counts of the process that answers. `server` has the number of sockets that wait for their
    clients (`behind`) and the bytes that are buffered for them; it is null under another server.
    `housekeeping` is of all processes."""
    hubs = live_hubs()
    return JsonResponse(
        {
            "process": os.getpid(),
            "sockets": sum(hub.sockets for hub in hubs),
            "streams": sum(len(hub.streams) for hub in hubs),
            "subscriptions": sum(len(stream.subscriptions) for hub in hubs for stream in list(hub.streams.values())),
            "server": asgi_extension.count_sockets and asgi_extension.count_sockets(),
            "counts": counts(),
            "housekeeping": {"runs_in": limits.HOUSEKEEPING, "jobs": report(all_jobs())},
        }
    )
