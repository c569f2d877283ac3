"""The project's web server."""

import os
import sys
from collections.abc import Mapping, Sequence

from tests.servers.process import Server


class WebServer(Server):
    """The project's web server as a process. `environment` is added to that of the test run.

    `program` is a key of `SERVERS`. All programs use the same database and channel layer.
    """

    SERVERS: Mapping[str, Sequence[str]] = {
        "runwire": ["-m", "realtime.server", "-b", "{host}", "-p", "{port}", "config.asgi:application"],
        "daphne": ["-m", "daphne", "-b", "{host}", "-p", "{port}", "config.asgi:application"],
        "serve": ["manage.py", "serve", "--host", "{host}", "--port", "{port}"],
    }

    def __init__(
        self, environment: Mapping[str, str] | None = None, *, program: str = "runwire", options: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._environment = dict(environment or {})
        self._command = [sys.executable, *self.SERVERS[program], *options]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{self.host}:{self.port}/ws"

    def command(self) -> Sequence[str]:
        return [word.format(host=self.host, port=self.port) for word in self._command]

    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
