"""The client of the worker API, against a real server and against servers that misbehave."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.models import User

from executions.api.worker_tokens import create_token, revoke_token
from executions.models import Graph, GraphExecution
from executions.simulation import worker_client
from executions.simulation.worker_client import RequestRefused, ServerUnusable, WorkerClient
from tests.conftest import StartWebServer
from tests.servers.process import free_port


def test_reports_are_recorded_and_refusals_are_raised(web_server: StartWebServer, user: User, graph: Graph) -> None:
    server = web_server()
    _, token = create_token("press")
    with closing(WorkerClient(f"{server.url}/", token)) as client:
        client.check()
        wanted = {"user_id": str(user.pk), "graph_id": str(graph.pk)}
        run = client.post("executions", wanted, key="one")
        assert client.post("executions", wanted, key="one") == run
        assert client.post(f"executions/{run['id']}/report", {"status": "RUNNING"})["status"] == "RUNNING"
        assert GraphExecution.objects.get().runner == "worker:press"

        with pytest.raises(RequestRefused, match="Use a new key") as caught:
            client.post("executions", {**wanted, "is_dry_run": True}, key="one")
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_used")

        revoke_token("press")
        with pytest.raises(ServerUnusable, match=r"refuses the token.*`manage.py tokens create NAME`"):
            client.post("executions", wanted)
    with (
        closing(WorkerClient(f"{server.url}/elsewhere", token)) as lost,
        pytest.raises(ServerUnusable, match="without /api"),
    ):
        lost.check()


Answer = tuple[int, dict[str, str], bytes] | None
GOOD: Answer = (200, {}, b'{"items": []}')


class Misbehaving(ThreadingHTTPServer):
    """Gives its answers in order, and repeats the last one. For None it closes the connection."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.requests: list[tuple[str, str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Misbehaving

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, self.headers["Idempotency-Key"]))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


Talk = Callable[..., tuple[Misbehaving, WorkerClient]]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    """Starts a server with the given answers, and a client for it."""
    monkeypatch.setattr(worker_client, "_PAUSES", (0.0, 0.01))
    with _several() as start:
        yield start


@contextmanager
def _several() -> Iterator[Talk]:
    started: list[tuple[Misbehaving, WorkerClient, threading.Thread]] = []

    def start(*answers: Answer, prefix: str = "") -> tuple[Misbehaving, WorkerClient]:
        server = Misbehaving(list(answers))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = WorkerClient(server.url + prefix, "rwk_token")
        started.append((server, client, thread))
        return server, client

    yield start
    for server, client, thread in started:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("answer", [None, (503, {}, b""), (502, {}, b"<html>"), (429, {}, b"")])
def test_a_request_without_an_answer_is_sent_again_with_its_key(talk: Talk, answer: Answer) -> None:
    server, client = talk(answer, answer, GOOD)

    assert client.post("executions", {}, key="one") == {"items": []}

    assert server.requests == [("POST", "/api/worker/executions", "one")] * 3


@pytest.mark.parametrize(
    ("told", "waits"), [("10", [10, 10]), ("3600", [60, 60]), ("Fri, 27 Nov 2026 22:00:00 GMT", [0, 0.01])]
)
def test_it_waits_as_long_as_the_server_says(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, told: str, waits: list[float]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(worker_client.time, "sleep", slept.append)
    refusal = (429, {"Retry-After": told}, b"")
    _, client = talk(refusal, refusal, GOOD)
    assert client.post("executions", {}) == {"items": []}
    assert slept == waits


def test_a_connection_is_reused_and_reopened_when_the_server_has_closed_it(talk: Talk) -> None:
    server, client = talk(GOOD, GOOD, None, GOOD)
    for _ in range(3):
        client.post("reports", {})
    assert len(server.requests) == 4


def test_a_url_may_have_a_path(talk: Talk) -> None:
    server, client = talk(GOOD, prefix="/runs/")
    client.check()
    assert server.requests == [("GET", "/runs/api/worker/executions?limit=1", None)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"There is no answer from .*Start the server \(`manage.py serve`\), or give its address"),
        ((503, {}, b""), r"is overloaded or stopping \(503\)"),
        ((301, {"Location": "https://example.com/x"}, b""), "leads on to https://example.com/x. Give the address"),
        ((200, {}, b"<html>"), r"does not answer as Runwire does \(200\)"),
        ((404, {}, b'{"detail": "Not Found"}'), r"does not answer as Runwire does \(404\)"),
        ((500, {}, b"[]"), r"\(500\).* the server's own log says what went wrong"),
        ((401, {}, b'{"code": "unauthorized", "message": "No."}'), "refuses the token: it is unknown, expired"),
    ],
)
def test_an_unusable_server_is_an_error_with_its_remedy(talk: Talk, answer: Answer, message: str) -> None:
    _, client = talk(answer)
    with pytest.raises(ServerUnusable, match=message):
        client.check()
    with pytest.raises(ServerUnusable, match=message):
        client.post("executions", {})


def test_a_check_does_not_retry() -> None:
    client = WorkerClient(f"http://127.0.0.1:{free_port()}", "rwk_token")
    with pytest.raises(ServerUnusable, match="Connection refused"):
        client.check()


@pytest.mark.parametrize(
    "url",
    ["", "runs.example.com", "ftp://runs.example.com", "http://", "http://[::1", "http://a:b", "http://bücher.example"],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address of a server"):
        WorkerClient(url, "rwk_token")


@pytest.mark.parametrize("token", ["rwk_ü", "two words", "rwk_\n"])
def test_an_invalid_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="Was it copied whole"):
        WorkerClient("http://127.0.0.1:8000", token)
