"""The page `/inside`, which shows the state of a server process, beside the project's own pages.

`tasks` counts the tasks of its event loop by the names of their coroutines, so that a test can see tasks that are left.
"""

import asyncio
from collections import Counter

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from realtime.hub.registry import hub_of_this_loop, live_hubs
from realtime.metrics import counts


async def inside(request: HttpRequest) -> JsonResponse:
    hub = hub_of_this_loop()
    subscriptions = [each for stream in hub.streams.values() for each in stream.subscriptions.each()] if hub else []
    current = asyncio.current_task()
    return JsonResponse(
        {
            "hubs": len(live_hubs()),
            "sockets": hub.sockets if hub else 0,
            "streams": len(hub.streams) if hub else 0,
            "subscriptions": len(subscriptions),
            "buffered": sum(len(each._buffer) for each in subscriptions),
            "tasks": Counter(
                getattr(task.get_coro(), "__qualname__", "?")
                for task in asyncio.all_tasks()
                # This request and the tasks of Redis connections do not belong to a socket.
                if task is not current and "channels_redis" not in task.get_coro().cr_code.co_filename
            ),
            "counts": counts(),
        }
    )


urlpatterns = [path("inside", inside), path("", include("config.urls"))]
