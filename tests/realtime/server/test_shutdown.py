"""How the server shuts down."""

import json
import signal
import socket
import threading
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.realtime.raw_client import TEXT, Frame, RawClient
from tests.realtime.server_process import PATIENCE, ServerProcess, limits

pytestmark = pytest.mark.once

SHORT_TIMEOUT = {"DRAIN_TIMEOUT": 0.5}
NO_TIMEOUT = {"DRAIN_TIMEOUT": 3_600}


def test_sockets_get_last_frame_and_close_code_and_consumers_end_before_the_process() -> None:
    with ServerProcess() as server:
        wires = [RawClient(server.port, f"/last-frame/{number}") for number in range(3)]
        plain = RawClient(server.port, "/echo/plain")
        server.send_signal()
        for wire in wires:
            with wire:
                last_frame, end = wire.rest()
            assert last_frame == Frame(TEXT, b"last frame for 1012")
            assert end.close_code == 1012
        with plain:
            assert [each.close_code for each in plain.rest()] == [1012]  # it has registered no last frame
        assert server.stop(None) == 0
        assert "cancelled" not in server.output


def test_new_connections_are_refused() -> None:
    with ServerProcess(environment=limits(**NO_TIMEOUT)) as server:
        with RawClient(server.port, "/never") as wire:
            server.send_signal()
            assert wire.close_code() == 1012
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        assert server.stop() == 0


def test_a_request_in_progress_is_answered() -> None:
    with ServerProcess(environment=limits(**NO_TIMEOUT)) as server, RawClient(server.port, "/echo/leaves") as wire:
        page = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        page.request("GET", "/board/leaves")
        server.get("/")  # the request before it is in progress now
        server.send_signal()
        assert wire.close_code() == 1012
        assert json.load(page.getresponse()) == 1012
        page.close()
        assert server.stop(None) == 0


def test_a_keep_alive_connection_gets_an_answer_during_the_shutdown() -> None:
    with ServerProcess(environment=limits(**NO_TIMEOUT)) as server, RawClient(server.port, "/never") as wire:
        kept = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        kept.request("GET", "/")
        kept.getresponse().read()
        server.send_signal()
        assert wire.close_code() == 1012
        kept.request("GET", "/")
        answer = kept.getresponse()
        assert (answer.read(), answer.getheader("Connection")) == (b"hello", "close")
        kept.close()
        assert server.stop() == 0


def test_unfinished_requests_and_handshakes_and_silent_clients_do_not_delay_the_shutdown() -> None:
    with ServerProcess() as server:
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"GET /half HTTP/1.1\r\nHost:")
        statuses: list[Any] = []

        def begin_handshake() -> None:
            with RawClient(server.port, "/handshake") as wire:
                statuses.append(wire.status)

        thread = threading.Thread(target=begin_handshake)
        thread.start()
        server.get("/board/handshake-begun")
        with RawClient(server.port, "/echo/silent", receive_buffer=4096) as silent:
            server.send_signal()
            thread.join()
            assert statuses == [503]
            assert [each.close_code for each in silent.rest(answers=False)] == [1012]
        assert server.stop(None) == 0
        half.close()
        assert "Traceback" not in server.output


def test_a_consumer_that_does_not_end_is_cancelled() -> None:
    with ServerProcess(environment=limits(**SHORT_TIMEOUT)) as server, RawClient(server.port, "/never"):
        assert server.stop() == 0
        assert "1 applications were cancelled" in server.output


def test_a_second_signal_stops_at_once() -> None:
    with ServerProcess(environment=limits(**NO_TIMEOUT)) as server, RawClient(server.port, "/never") as wire:
        server.send_signal()
        assert wire.close_code() == 1012
        assert server.stop(signal.SIGINT) == 0
