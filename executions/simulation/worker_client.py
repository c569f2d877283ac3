"""A client for the HTTP API of workers, with the standard library only.

    client = WorkerClient("http://127.0.0.1:8000", token)
    client.check()
    run = client.post("executions", {"username": "ada", "graph_id": "…"}, key=str(uuid4()))
    client.post(f"executions/{run['id']}/report", {"status": "RUNNING"})

Thread-safe: each thread has its own connection. `close` closes the connection of the calling thread.
"""

import json
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

TIMEOUT: Final = 30.0  # seconds for one answer
MAX_WAIT: Final = 60.0  # seconds, of a Retry-After
_PAUSES: Final = (
    0.0,
    0.5,
    1.0,
    2.0,
)  # seconds before each retry; the first is 0, because the server may have closed an idle connection
_UNAVAILABLE: Final = frozenset({429, 502, 503, 504})  # the server has not processed the request


class ServerUnusable(Exception):  # noqa: N818 - it is about the server
    """The server cannot be used. The message has the reason and the remedy."""


class RequestRefused(Exception):  # noqa: N818 - it is an answer
    """The server refuses the request with an error of the API."""

    def __init__(self, status: int, code: str, message: str, path: str | None, hint: str | None) -> None:
        super().__init__(" ".join(filter(None, (message, hint))))
        self.status, self.code, self.path = status, code, path


class _Answer(NamedTuple):
    status: int
    body: bytes
    location: str
    retry_after: float  # seconds


class WorkerClient:
    def __init__(self, url: str, token: str) -> None:
        """Raises ValueError for an invalid `url` or token."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not url.isascii() or parts.scheme not in ("http", "https"):
            raise ValueError(f"{url} is no address of a server; http://127.0.0.1:8000 is one.")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("The token holds characters that none has. Was it copied whole?")
        self.url = url.rstrip("/")
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = host, port
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._of_thread = threading.local()

    def check(self) -> None:
        """Checks that the server answers, has this API and accepts the token. Raises ServerUnusable, without a
        retry."""
        self._read(self._send("GET", "executions?limit=1", b"", {}, pauses=()))

    def post(self, path: str, data: Any, *, key: str = "") -> Any:
        """Posts `data` to a path below `/api/worker/`, and returns the JSON answer. Sends again if there is no answer:
        a request that must not happen twice needs a `key`. Raises RequestRefused, and ServerUnusable after the last
        retry."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._read(self._send("POST", path, json.dumps(data).encode(), headers, pauses=_PAUSES))

    def close(self) -> None:
        """Closes the connection of this thread. The next request opens a new one."""
        connection = self._of_thread.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str], *, pauses: tuple[float, ...]
    ) -> _Answer:
        remaining = list(pauses)
        while True:
            wait = 0.0
            try:
                answer = self._send_once(method, path, body, headers)
            except (OSError, HTTPException) as error:
                self.close()
                if not remaining:
                    raise ServerUnusable(
                        f"There is no answer from {self.url}: {error or type(error).__name__}. Start the server "
                        "(`manage.py serve`), or give its address."
                    ) from None
            else:
                if answer.status not in _UNAVAILABLE or not remaining:
                    return answer
                wait = answer.retry_after
            time.sleep(max(wait, remaining.pop(0)))

    def _send_once(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> _Answer:
        connection = self._of_thread.__dict__.get("connection")
        if connection is None:
            connection = self._of_thread.connection = self._kind(self._host, self._port, timeout=TIMEOUT)
        connection.request(method, f"{self._path}/api/worker/{path}", body, {**self._headers, **headers})
        response = connection.getresponse()
        told = response.headers.get("Retry-After", "")
        wait = min(int(told), MAX_WAIT) if told.isdecimal() else 0.0
        return _Answer(response.status, response.read(), response.headers.get("Location", ""), wait)

    def _read(self, answer: _Answer) -> Any:
        if 300 <= answer.status < 400:
            raise ServerUnusable(
                f"{self.url} leads on to {answer.location}. Give the address where the server itself is."
            )
        try:
            data = json.loads(answer.body)
        except ValueError:
            data = None
        if answer.status < 300 and data is not None:
            return data
        if answer.status in _UNAVAILABLE:
            raise ServerUnusable(f"{self.url} is overloaded or stopping ({answer.status}). Try again later.")
        if not isinstance(data, dict) or not data.keys() >= {"code", "message"}:
            raise ServerUnusable(
                f"{self.url} does not answer as Runwire does ({answer.status}). Is it the address of the server, "
                "without /api? If it is, the server's own log says what went wrong."
            )
        if answer.status == 401:
            raise ServerUnusable(
                f"{self.url} refuses the token: it is unknown, expired or revoked. "
                "Make a new one with `manage.py tokens create NAME`."
            )
        raise RequestRefused(answer.status, data["code"], data["message"], data.get("path"), data.get("hint"))
