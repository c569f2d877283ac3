"""The ASGI application. realtime serves probes, metrics and WebSockets, Django serves other HTTP requests."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http_application = get_asgi_application()

from realtime.http.health import HealthPages  # noqa: E402 - Django must be set up before the consumers load
from realtime.http.metrics import MetricsPage  # noqa: E402
from realtime.http.request_slots import RequestSlots  # noqa: E402
from realtime.routing import websocket_application  # noqa: E402

http = HealthPages(MetricsPage(RequestSlots(http_application)))
application = ProtocolTypeRouter({"http": http, "websocket": websocket_application})
