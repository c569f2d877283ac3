"""The ASGI application: HTTP to Django, WebSockets to realtime."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http_application = get_asgi_application()

from realtime.routing import websocket_application  # noqa: E402 - Django must be set up before the consumers load

application = ProtocolTypeRouter({"http": http_application, "websocket": websocket_application})
