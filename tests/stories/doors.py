"""Doors: the ways to open a socket. The same tests run through each of them.

    asgi       the ASGI application, in the test's own loop
    runwire    realtime/server, as its own process
    daphne     stock Daphne
    uvicorn    uvicorn, if it is installed

The servers get the changes of the test like those of any process: through Redis if the test run has one, else by the
sweep.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as Browser

from realtime import metrics
from realtime.auth.jwt import issue_token
from tests.conftest import address_of_test_database
from tests.database import in_db
from tests.realtime import traces
from tests.realtime.clients import PATIENCE, Client, InProcess, OverNetwork
from tests.servers import Nginx, WebServer

NAMES = ("asgi", "runwire", "daphne", "uvicorn")
APPLICATION = "config.asgi:application"
QUICK_SWEEPS = {"SWEEP_INTERVAL": 0.05, "SWEEP_GRACE": 0.05}
NO_HOUSEKEEPING = {"HOUSEKEEPING": "off"}  # a server that outlives its test would do the jobs of others


def need(program: str) -> None:
    """Skips the test if this server is not installed."""
    if program == "uvicorn" and find_spec(program) is None:
        pytest.skip("uvicorn is not installed")


def token_of(user: Any, lifetime: timedelta = timedelta(hours=1)) -> str:
    return issue_token(user.pk, lifetime)


class Door(ABC):
    """Connects clients, and disconnects those that are still open at the end."""

    address: str  # host and port, as Host and Origin name them

    def __init__(self) -> None:
        self._clients: list[Client] = []

    @abstractmethod
    def _client(self, path: str, how: dict[str, Any]) -> Client: ...

    async def client(self, user: Any = None, path: str = "/ws", **how: Any) -> Client:
        """A connected client, with a token of the user, or with the given headers and subprotocols."""
        if user is not None:
            how["subprotocols"] = ["bearer", token_of(user)]
        client = self._client(path, how)
        await client.connect()
        self._clients.append(client)
        return client

    async def leave(self) -> None:
        for client in self._clients:
            await client.disconnect()

    @abstractmethod
    async def nothing_is_left(self) -> None:
        """Returns when the server has no open sockets."""

    @abstractmethod
    async def count_of(self, name: str) -> int:
        """What the process that serves has counted (`realtime.metrics`)."""


class AsgiDoor(Door):
    address = "localhost"

    def _client(self, path: str, how: dict[str, Any]) -> Client:
        return InProcess(path, **how)

    async def leave(self) -> None:
        self._clients = [client for client in self._clients if not client.communicator.future.done()]  # type: ignore[attr-defined]
        await super().leave()

    async def nothing_is_left(self) -> None:
        await traces.nothing_is_left()

    async def count_of(self, name: str) -> int:
        return metrics.counts().get(name, 0)


class ServerDoor(Door):
    def __init__(self, server: WebServer) -> None:
        super().__init__()
        self.server = server
        self.address = f"{server.host}:{server.port}"
        self._cookie = ""  # of a session of staff

    def _client(self, path: str, how: dict[str, Any]) -> Client:
        return OverNetwork(f"ws://{self.address}{path}", **how)

    async def nothing_is_left(self) -> None:
        await in_db(self.server.wait_until)(self._is_empty)

    async def count_of(self, name: str) -> int:
        return int((await in_db(self._status)())["counts"].get(name, 0))

    def _is_empty(self) -> bool:
        status = self._status()
        return not (status["sockets"] or status["streams"] or status["subscriptions"])

    def _status(self) -> dict[str, Any]:
        if not self._cookie:
            browser = Browser()
            browser.force_login(User.objects.create_superuser("watches"))
            self._cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
        page = Request(f"http://{self.address}/realtime/status", headers={"Cookie": self._cookie})
        with urlopen(page, timeout=PATIENCE) as answer:
            status: dict[str, Any] = json.load(answer)
        return status


class ProxyDoor(Door):
    """Through nginx, which chooses a server process."""

    def __init__(self, nginx: Nginx) -> None:
        super().__init__()
        self.nginx = nginx
        self.address = f"{nginx.host}:{nginx.port}"

    def _client(self, path: str, how: dict[str, Any]) -> Client:
        return OverNetwork(f"ws://{self.address}{path}", **how)

    async def nothing_is_left(self) -> None:
        raise NotImplementedError("Ask the servers behind it.")

    async def count_of(self, name: str) -> int:
        raise NotImplementedError("Ask the servers behind it.")


class LiveServer(WebServer):
    """A server on the test database, with the limits and the channel layer of the test. Skips the test if the program
    is not installed."""

    SERVERS: ClassVar[Mapping[str, Sequence[str]]] = {
        **WebServer.SERVERS,
        "uvicorn": [
            *("-m", "uvicorn", "--host", "{host}", "--port", "{port}", "--lifespan", "off", "--no-access-log"),
            *("--ws-per-message-deflate", "false", APPLICATION),
        ],
    }

    def __init__(
        self,
        program: str = "runwire",
        *,
        application: str = APPLICATION,
        limits: Mapping[str, Any] | None = None,
        layers: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
        **environment: str,
    ) -> None:
        need(program)
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.stories.settings",
            "DATABASE_URL": address_of_test_database(),
            "TEST_REALTIME": json.dumps({**QUICK_SWEEPS, **NO_HOUSEKEEPING, **(limits or {})}),
            "TEST_CHANNEL_LAYERS": json.dumps(layers),
        }
        super().__init__({**settings, **environment}, program=program, options=options)
        self._command = [application if word == APPLICATION else word for word in self._command]
        self.program = program


class Servers:
    """One server of each kind, started at its first use."""

    def __init__(self) -> None:
        self._servers: dict[str, LiveServer] = {}

    @staticmethod
    def need_a_client() -> None:
        if find_spec("websockets") is None:
            pytest.skip("websockets is not installed, so there is no client: pip install -r requirements-dev.txt")

    def get(self, program: str) -> LiveServer:
        self.need_a_client()
        if program not in self._servers:
            server = LiveServer(program)
            server.__enter__()
            self._servers[program] = server
        return self._servers[program]

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
