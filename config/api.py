"""The HTTP API below `/api/`: its routers and their authentication."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from config import api_budgets
from config.content_security import SELF, also_allows
from executions.api import errors, executions, graphs, notifications, worker
from executions.api.auth import SessionCookie, WorkerBearer
from executions.api.parser import JSONParser
from realtime.bridge import api as bridge
from realtime.http.api import make_router
from realtime.http.bearer import UserBearer
from realtime.log.types import EventTooLarge

DESCRIPTION = """
Graphs, their executions and notifications. Changes arrive over the WebSocket at `/ws`; this is for what it does not
carry.

**People** show the session cookie (and, to change something, the header `X-CSRFToken` with the value of the cookie
`csrftoken`), or `Authorization: Bearer TOKEN` with a JSON Web Token whose `sub` is the user's id. **Workers** show the
token that `manage.py tokens create NAME` has printed.

Every error is `{"code", "message", "path", "hint"}`: `code` for programs, `path` for the field it is about. What does
not exist and what is somebody else's are both 404.

A user, and a token of a worker, may send a number of requests in some seconds. Beyond it the answer is 429 `throttled`,
which names the limit; wait for the seconds of its header `Retry-After`.

To follow an execution: read it, then subscribe on the socket with its `epoch` and `after: head`.
"""

api = NinjaAPI(
    title="Runwire",
    version="1",
    description=DESCRIPTION,
    parser=JSONParser(),
    auth=[UserBearer(), SessionCookie()],
    throttle=[api_budgets.ApiBudgets()],
    urls_namespace="api",
    # The style sheet of the page at /api/docs has its icons in data: URLs.
    docs_decorator=also_allows({"img-src": [SELF, "data:"]}),
)
errors.install(api)
api_budgets.install(api)
bridge.add_read_execution(executions.router)
api.add_router("/graphs", graphs.router)
api.add_router("/executions", executions.router)
api.add_router("/notifications", notifications.router)
api.add_router("", bridge.router)
api.add_router("", make_router(errors.errors))
api.add_router("/worker", worker.router, auth=WorkerBearer())


@api.exception_handler(EventTooLarge)
def on_event_too_large(request: HttpRequest, error: EventTooLarge) -> HttpResponse:
    """A limit of the log, which executions does not know."""
    hint = "Store what is large elsewhere, and put a link into the outputs."
    return errors.Problem(413, "event_too_large", str(error), hint=hint).response()
