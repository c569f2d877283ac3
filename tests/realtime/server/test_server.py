import signal
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from realtime.conf import DEFAULTS as LIMITS
from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawClient, frame, frame_head
from tests.realtime.server_process import PATIENCE, ServerProcess, limits
from tests.servers.process import free_port

pytestmark = pytest.mark.once

SECRET = "token=SECRET-in-the-query"


@pytest.fixture(scope="module")
def impatient_server() -> Iterator[ServerProcess]:
    """Gives a client that does not read half a second."""
    with ServerProcess(environment=limits(STALL_TIMEOUT=0.5)) as process:
        yield process


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of its own, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(secret + own.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return path


def stalled(server: ServerProcess, path: str) -> RawClient:
    """A client that does not read, and has hardly a buffer in which the system could read for it."""
    return RawClient(server.port, path, receive_buffer=4096)


class TestServingFromAnotherProgram:
    PROGRAM = """
import os
import django
django.setup()
from realtime.server.server import CannotListen, serve
from tests.realtime.asgi_apps import application
host, port = "127.0.0.1", int(os.environ["TEST_PORT"])
try:
    serve(application, host, port, on_ready=lambda: print("ready: Listening on TCP address", f"{host}:{port}"))
except CannotListen as refusal:
    print("refused:", refusal)
else:
    print("returned")
"""

    INTERRUPTED = """
from twisted.internet.tcp import Port
start_listening = Port.startListening
def and_ctrl_c(self):
    start_listening(self)
    raise KeyboardInterrupt
Port.startListening = and_ctrl_c
"""

    INTERRUPTED_LATER = """
import os, signal
from twisted.internet.base import ReactorBase
start_running = ReactorBase._reallyStartRunning
def and_signal(self):
    os.kill(os.getpid(), signal.SIGNAL)
    start_running(self)
ReactorBase._reallyStartRunning = and_signal
"""

    def program(self, port: int, before: str = "") -> ServerProcess:
        return ServerProcess(command=("-c", before + self.PROGRAM), environment={"TEST_PORT": str(port)})

    @pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
    def test_serve_blocks_until_a_signal_and_returns(self, sign: signal.Signals) -> None:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        with self.program(port) as server, RawClient(server.port, "/echo/-") as wire:
            wire.send(frame(b"here"))
            assert wire.receive() == Frame(TEXT, b"here")
            assert server.stop(sign) == 0
        assert server.output.splitlines() == [f"ready: Listening on TCP address 127.0.0.1:{port}", "returned"]

    def test_a_busy_port_is_an_exception_that_says_so(self, server: ServerProcess) -> None:
        busy = f"refused: Port {server.port} on 127.0.0.1 is in use."
        with pytest.raises(AssertionError, match=busy), self.program(server.port):
            pass

    @pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM"])
    def test_a_signal_while_the_reactor_starts_is_not_lost(self, sign: str) -> None:
        with self.program(free_port(), before=self.INTERRUPTED_LATER.replace("SIGNAL", sign)) as server:
            assert server.stop(None) == 0
        assert server.output.splitlines()[-1] == "returned"

    def test_ctrl_c_while_it_begins_to_listen_ends_it_as_ever(self) -> None:
        with pytest.raises(AssertionError, match="KeyboardInterrupt"), self.program(0, before=self.INTERRUPTED):
            pass


class TestHTTP:
    def test_pages_are_served_beside_the_sockets(self, server: ServerProcess) -> None:
        assert server.get("/") == "hello"

    def test_the_limit_of_messages_is_none_of_request_bodies(self, server: ServerProcess) -> None:
        body = MEGABYTE.encode() * 3
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/length", data=body, timeout=PATIENCE) as response:
            assert response.read() == str(len(body)).encode()

    def test_a_page_that_raises_is_500(self, server: ServerProcess) -> None:
        with pytest.raises(HTTPError) as raised:
            server.get("/raise")
        with raised.value as answer:
            assert answer.code == 500


class TestSending:
    def test_a_client_that_does_not_read_does_not_fill_the_memory(self, impatient_server: ServerProcess) -> None:
        impatient_server.get("/")
        before = int(impatient_server.get("/memory"))
        with stalled(impatient_server, "/flood"):
            assert impatient_server.get("/board/flooded") == "1006"  # 200 sends of 1 MB have returned
        grown = int(impatient_server.get("/memory")) - before
        assert grown < 40_000_000, "The send gate is off: see LiveProtocol.connectionMade and LiveServer.handle_reply."

    def test_a_client_that_does_not_read_is_dropped_and_the_application_told(
        self, impatient_server: ServerProcess
    ) -> None:
        with stalled(impatient_server, "/stall/dropped"):
            assert impatient_server.get("/board/dropped") == "1006"
        impatient_server.wait_for("has not read for 0.5 s: closed")

    def test_a_client_that_says_goodbye_and_does_not_read_is_dropped(self, impatient_server: ServerProcess) -> None:
        with stalled(impatient_server, "/stall/goodbye") as wire:
            wire.send(frame(b"\x03\xe8", CLOSE))
            assert int(impatient_server.get("/board/goodbye")) in (1000, 1006)

    def test_messages_of_concurrent_senders_keep_their_order(self, server: ServerProcess) -> None:
        with stalled(server, "/choir") as wire:
            *songs, end = wire.rest()
        assert [int(song.payload.split()[0]) for song in songs] == list(range(40))
        assert end.close_code == 4000

    def test_a_client_that_leaves_in_good_order_is_not_dropped_later(self, impatient_server: ServerProcess) -> None:
        with RawClient(impatient_server.port, "/echo/-") as wire:
            address = wire.socket.getsockname()[1]
            wire.send(frame(b"\x03\xe8", CLOSE))
            assert wire.close_code() == 1000
        with stalled(impatient_server, "/stall/later"):  # whose deadline is over after that of the first
            impatient_server.get("/board/later")
        assert f"{address}] has not read" not in impatient_server.output

    def test_a_close_does_not_wait_for_a_send_and_ends_its_waiting(self, server: ServerProcess) -> None:
        with stalled(server, "/interrupt") as wire:
            assert int(server.get("/board/waited")) > 0
            assert server.get("/board/interrupted") == '"before the connection was gone"'
            frames = wire.rest(answers=False)
        assert [each.close_code for each in frames if each.opcode == CLOSE] == [4001]
        assert frames[-1].opcode == CLOSE, "Something was sent after the close frame."

    def test_what_was_sent_arrives_before_the_close_code_of_a_failure(self, server: ServerProcess) -> None:
        with stalled(server, "/stall/failure") as wire:
            assert wire.receive() == Frame(TEXT, MEGABYTE.encode())
            wire.send(frame(b"\xff"))
            frames = wire.rest(answers=False)
        assert frames[-1].close_code == 1007
        assert not wire.was_reset, "The connection was aborted where it had only to be ended."

    def test_sending_to_a_client_that_has_left_neither_raises_nor_hangs(self, server: ServerProcess) -> None:
        RawClient(server.port, "/talk-on").leave()
        assert server.get("/board/talked-on") == "true"

    def test_what_may_go_out_is_not_limited_by_what_may_come_in(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/large") as wire:
            assert wire.receive() == Frame(TEXT, MEGABYTE.encode() * 2)
            assert wire.receive() == Frame(BINARY, b"bytes")


class TestCloseCodes:
    MOST = LIMITS.MAX_MESSAGE_BYTES

    def test_a_message_of_the_largest_size_is_received(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/echo/largest") as wire:
            wire.send(frame(b"x" * self.MOST))
            assert wire.receive() == Frame(TEXT, b"x" * self.MOST)

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("by one byte", frame(b"x" * (MOST + 1))),
            ("by far", frame(b"x" * 5_000_000)),
            ("only announced", frame_head(1 << 40)),
            ("in fragments", frame(b"x" * MOST, fin=False) + frame(b"x", CONTINUATION)),
        ],
    )
    def test_a_message_that_is_too_large_is_1009(self, server: ServerProcess, name: str, data: bytes) -> None:
        with RawClient(server.port, f"/echo/{name.replace(' ', '-')}") as wire:
            wire.send(data)
            assert wire.close_code() == 1009
        assert server.get(f"/board/{name.replace(' ', '-')}") == "1006"

    def test_the_codes_arrive_over_tls(self, certificate: Path) -> None:
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.check_hostname = False
        endpoint = f"ssl:0:privateKey={certificate}:certKey={certificate}:interface=127.0.0.1"
        with ServerProcess("--endpoint", endpoint) as server:
            for data, code in ((frame(b"x" * (self.MOST + 1)), 1009), (frame(b"\xff"), 1007)):
                with RawClient(server.port, "/echo/tls", tls=trusting) as wire:
                    wire.send(data)
                    assert wire.close_code() == code

    def test_the_limit_is_a_setting(self) -> None:
        with (
            ServerProcess(environment=limits(MAX_MESSAGE_BYTES=10)) as server,
            RawClient(server.port, "/echo/setting") as wire,
        ):
            wire.send(frame(b"x" * 10))
            assert wire.receive() == Frame(TEXT, b"x" * 10)
            wire.send(frame(b"x" * 11))
            assert wire.close_code() == 1009

    def test_the_limit_is_an_option_of_the_command_line(self) -> None:
        options = ("--websocket-max-message-size", "0", "--websocket-max-frame-size", "0")
        with ServerProcess(*options) as server, RawClient(server.port, "/echo/option") as wire:
            wire.send(frame(MEGABYTE.encode() * 2))
            assert wire.receive() == Frame(TEXT, MEGABYTE.encode() * 2)

    @pytest.mark.parametrize("piece", [60_000, 1])
    def test_bad_utf8_is_1007(self, server: ServerProcess, piece: int) -> None:
        data = frame(b"\xff" * 60_000)
        with RawClient(server.port, "/echo/utf8") as wire:
            for start in range(0, piece * 3, piece):
                wire.send(data[start : start + piece])
            wire.send(data[piece * 3 :])
            assert wire.close_code() == 1007

    def test_a_reason_that_is_not_utf8_is_1007(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/echo/reason") as wire:
            wire.send(frame(b"\x03\xe8\xff", CLOSE))
            assert wire.close_code() == 1007

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(frame(b"x", masked=False), id="not masked"),
            pytest.param(frame(b"x", masked=False) * 100, id="not masked, a hundred times"),
            pytest.param(frame(b"x", opcode=0x3), id="an unknown opcode"),
            pytest.param(frame(b"x", opcode=0xB), id="an unknown control opcode"),
            pytest.param(frame(b"x", rsv=4), id="compressed, though that was not agreed"),
            pytest.param(frame(b"x", CONTINUATION), id="a continuation of nothing"),
            pytest.param(frame(b"x", fin=False) + frame(b"x"), id="a message within a message"),
            pytest.param(frame(b"x" * 126, PING), id="a large ping"),
            pytest.param(frame(b"x", PING, fin=False), id="a ping in fragments"),
            pytest.param(frame(b"\x00\x01", CLOSE), id="a close with an impossible code"),
            pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
        ],
    )
    def test_what_is_against_the_protocol_is_1002(self, server: ServerProcess, data: bytes) -> None:
        with RawClient(server.port, "/echo/protocol") as wire:
            wire.send(data)
            assert wire.close_code() == 1002

    def test_a_client_that_failed_is_not_listened_to(self) -> None:
        endless = frame_head(1 << 40, PING)  # autobahn would collect what follows, for as long as it waits
        with ServerProcess() as server:
            before = int(server.get("/memory"))
            with RawClient(server.port, "/echo/endless") as wire:
                wire.send(endless)
                with suppress(ConnectionError):  # it ends so
                    while True:
                        wire.send(MEGABYTE.encode())
            assert server.get("/board/endless") == "1006"
            assert int(server.get("/memory")) - before < 40_000_000

    @pytest.mark.parametrize(
        ("path", "message", "code"),
        [("/echo/good", "x" * 5_000_000, 1009), ("/close/4001", "", 4001), ("/accept-and-fail", "", 1011)],
    )
    def test_a_good_client_sees_the_codes(self, server: ServerProcess, path: str, message: str, code: int) -> None:
        client = pytest.importorskip("websockets.sync.client", reason="websockets is in requirements-dev.txt")
        exceptions = pytest.importorskip("websockets.exceptions")
        with client.connect(f"ws://127.0.0.1:{server.port}{path}") as connection:
            if message:
                connection.send(message)
            with pytest.raises(exceptions.ConnectionClosed) as closed:
                connection.recv(PATIENCE)
        assert closed.value.rcvd.code == code

    def test_a_close_of_the_application_arrives_with_its_code(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/close/4001") as wire:
            assert wire.close_code() == 4001

    def test_a_close_before_accepting_is_403(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/refuse") as wire:
            assert wire.status == 403

    def test_an_application_that_raises_is_1011_and_the_log_says_why(self) -> None:
        with ServerProcess() as server, RawClient(server.port, "/accept-and-fail") as wire:
            assert wire.close_code() == 1011
            server.wait_for("RuntimeError: The consumer is broken.")

    def test_an_application_that_raises_before_accepting_is_500(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/fail") as wire:
            assert wire.status == 500

    def test_accepting_a_subprotocol_that_was_offered_selects_it(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/subprotocol/bearer", "Sec-WebSocket-Protocol: bearer, abc.def.ghi") as wire:
            assert wire.status == 101
            assert "Sec-WebSocket-Protocol: bearer\r\n" in wire.head

    def test_accepting_a_subprotocol_that_was_not_offered_is_500(self) -> None:
        with ServerProcess() as server, RawClient(server.port, "/subprotocol/bearer") as wire:
            assert wire.status == 500
            server.wait_for("ValueError: The client did not offer the subprotocol 'bearer'")

    @pytest.mark.parametrize("origin", ["null", "https://elsewhere.example"])
    def test_the_application_decides_about_origins(self, server: ServerProcess, origin: str) -> None:
        with RawClient(server.port, "/echo/origin", f"Origin: {origin}") as wire:
            assert wire.status == 101

    def test_a_ping_of_the_client_is_answered(self, server: ServerProcess) -> None:
        with RawClient(server.port, "/echo/ping") as wire:
            wire.send(frame(b"are you there", PING))
            assert wire.receive() == Frame(PONG, b"are you there")


class TestTheQueryString:
    @pytest.mark.parametrize("verbosity", ["1", "2", "3"])
    def test_it_is_in_no_log_whatever_goes_wrong(self, verbosity: str) -> None:
        with ServerProcess("-v", verbosity, "--application-close-timeout", "0") as server:
            query = f"?{SECRET}"
            assert "SECRET" in server.get(f"/scope{query}")  # the application gets it
            for path in ("/", "/%3f/x", "/caf%C3%A9"):
                server.get(path + query)
            with pytest.raises(HTTPError) as raised:
                server.get(f"/raise{query}")
            raised.value.close()
            for path, data in (
                ("/echo/good", frame(b"x")),
                ("/echo/closes", frame(b"", CLOSE)),
                ("/echo/large", frame(MEGABYTE.encode())),
                ("/echo/utf8", frame(b"\xff")),
                ("/echo/unmasked", frame(b"x", masked=False)),
                ("/close/4001", b""),
                ("/close/1008", b""),
                ("/refuse", b""),
                ("/fail", b""),
                ("/accept-and-fail", b""),
                ("/subprotocol/nobody-offered", b""),
                ("/no-such-socket", b""),
                ("/never", b""),
            ):
                with RawClient(server.port, path + query) as wire:
                    wire.send(data)
            for path, header in (
                (f"/echo/x{query}", "Sec-WebSocket-Version: 99"),  # twice, therefore joined
                (f"/echo/x{query}", "Origin: nonsense"),
                (f"/echo/x{query}#{query}", ""),
                (f"/echo/x{query}\x0c", ""),  # a blank to autobahn: the request line has four words
                (f"//[broken/{query}", ""),  # no URL
                (f"http://127.0.0.1/echo/x{query}", f"Referer: http://127.0.0.1/{query}"),
                (f"/echo/caf\u00e9{query}", ""),
                (f"/echo/x{query}\u00e9", ""),
            ):
                with RawClient(server.port, path, *filter(None, [header])) as wire:
                    wire.send(b"x")
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                raw.sendall(f"GET /never{query} HTTP/1.1\r\nHost: x\r\nReferer: http://x/{query}\r\n\r\n".encode())
                server.get("/")
            server.wait_for("took too long to shut down")
            server.wait_for("<LiveRequest GET /never client=")
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                raw.sendall(f"GET /half{query} HTTP/1.1\r\nHost:".encode())
                server.get("/")
            server.stop()
        assert "/never" in server.output
        assert "SECRET" not in server.output

    def test_the_access_log_keeps_the_path(self, server: ServerProcess) -> None:
        server.get(f"/some/page?{SECRET}")
        server.wait_for('"GET /some/page" 200')
        with RawClient(server.port, f"/echo/logged?{SECRET}"):
            server.wait_for('"WSCONNECT /echo/logged"')
