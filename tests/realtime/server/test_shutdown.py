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

IMPATIENT = {"DRAIN_TIMEOUT": 0.5}
FOR_EVER = {"DRAIN_TIMEOUT": 3_600}


def test_sockets_are_told_why_and_their_consumers_end_before_the_process_does() -> None:
    with ServerProcess() as server:
        wires = [RawClient(server.port, f"/last-words/{number}") for number in range(3)]
        plain = RawClient(server.port, "/echo/plain")
        server.tell_to_stop()
        for wire in wires:
            with wire:
                words, end = wire.rest()
            assert words == Frame(TEXT, b"last words for 1012")
            assert end.close_code == 1012
        with plain:
            assert [each.close_code for each in plain.rest()] == [1012]  # it left nothing to be said
        assert server.stop(None) == 0
        assert "cancelled" not in server.output


def test_nobody_new_is_let_in() -> None:
    with ServerProcess(environment=limits(**FOR_EVER)) as server:
        with RawClient(server.port, "/never") as wire:
            server.tell_to_stop()
            assert wire.close_code() == 1012
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        assert server.stop() == 0


def test_a_page_under_way_is_finished() -> None:
    with ServerProcess(environment=limits(**FOR_EVER)) as server, RawClient(server.port, "/echo/leaves") as wire:
        asking = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        asking.request("GET", "/board/leaves")
        server.get("/")  # and whoever asked before it is under way
        server.tell_to_stop()
        assert wire.close_code() == 1012
        assert json.load(asking.getresponse()) == 1012
        asking.close()
        assert server.stop(None) == 0


def test_a_kept_connection_is_answered_while_the_server_stops() -> None:
    with ServerProcess(environment=limits(**FOR_EVER)) as server, RawClient(server.port, "/never") as wire:
        kept = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        kept.request("GET", "/")
        kept.getresponse().read()
        server.tell_to_stop()
        assert wire.close_code() == 1012
        kept.request("GET", "/")
        answer = kept.getresponse()
        assert (answer.read(), answer.getheader("Connection")) == (b"hello", "close")
        kept.close()
        assert server.stop() == 0


def test_half_a_request_a_handshake_under_way_and_a_client_that_does_not_answer_hold_nothing_up() -> None:
    with ServerProcess() as server:
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"GET /half HTTP/1.1\r\nHost:")
        shaking: list[Any] = []

        def shake() -> None:
            with RawClient(server.port, "/handshake") as wire:
                shaking.append(wire.status)

        thread = threading.Thread(target=shake)
        thread.start()
        server.get("/board/shaking")
        with RawClient(server.port, "/echo/silent", receive_buffer=4096) as silent:
            server.tell_to_stop()
            thread.join()
            assert shaking == [503]
            assert [each.close_code for each in silent.rest(answers=False)] == [1012]
        assert server.stop(None) == 0
        half.close()
        assert "Traceback" not in server.output


def test_a_consumer_that_does_not_end_is_cancelled_in_the_end() -> None:
    with ServerProcess(environment=limits(**IMPATIENT)) as server, RawClient(server.port, "/never"):
        assert server.stop() == 0
        assert "1 applications were cancelled" in server.output


def test_a_second_signal_stops_at_once() -> None:
    with ServerProcess(environment=limits(**FOR_EVER)) as server, RawClient(server.port, "/never") as wire:
        server.tell_to_stop()
        assert wire.close_code() == 1012
        assert server.stop(signal.SIGINT) == 0
