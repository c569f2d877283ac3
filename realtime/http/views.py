"""The status page for staff."""

import os

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, JsonResponse

from realtime import asgi_extension
from realtime.conf import limits
from realtime.housekeeping.claims import report
from realtime.housekeeping.jobs import all_jobs
from realtime.http.live_gauges import count_watchers
from realtime.metrics import counts
from realtime.metrics.definitions import help_of


@staff_member_required
def status(request: HttpRequest) -> JsonResponse:
    """Sockets, streams and counts of the process that answers, and what each count means. `server` has the number of
    sockets that wait for their clients (`behind`) and the bytes that are buffered for them; it is null under another
    server. `housekeeping` is of all processes."""
    numbers = counts()
    return JsonResponse(
        {
            "process": os.getpid(),
            **count_watchers(),
            "server": asgi_extension.count_sockets and asgi_extension.count_sockets(),
            "counts": numbers,
            "meanings": {name: help_of(name) for name in numbers},
            "housekeeping": {"runs_in": limits.HOUSEKEEPING, "jobs": report(all_jobs())},
        }
    )
