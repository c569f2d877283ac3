"""The close codes that clients see."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from realtime.conf import DEFAULTS
from tests.realtime.asgi_apps import MEGABYTE
from tests.realtime.raw_client import CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawClient, frame, frame_head
from tests.realtime.server_process import PATIENCE, ServerProcess, limits

pytestmark = pytest.mark.once

LIMIT = DEFAULTS.MAX_MESSAGE_BYTES


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a self-signed certificate, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(secret + own.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return path


def test_a_message_of_the_maximum_size_is_received(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/largest") as wire:
        wire.send(frame(b"x" * LIMIT))
        assert wire.receive() == Frame(TEXT, b"x" * LIMIT)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("by one byte", frame(b"x" * (LIMIT + 1))),
        ("by far", frame(b"x" * 5_000_000)),
        ("only announced", frame_head(1 << 40)),
        ("in fragments", frame(b"x" * LIMIT, fin=False) + frame(b"x", CONTINUATION)),
    ],
)
def test_a_message_that_is_too_large_gives_1009(server: ServerProcess, name: str, data: bytes) -> None:
    with RawClient(server.port, f"/echo/{name.replace(' ', '-')}") as wire:
        wire.send(data)
        assert wire.close_code() == 1009
    assert server.get(f"/board/{name.replace(' ', '-')}") == "1006"


def test_close_codes_arrive_over_tls(certificate: Path) -> None:
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    endpoint = f"ssl:0:privateKey={certificate}:certKey={certificate}:interface=127.0.0.1"
    with ServerProcess("--endpoint", endpoint) as server:
        for data, code in ((frame(b"x" * (LIMIT + 1)), 1009), (frame(b"\xff"), 1007)):
            with RawClient(server.port, "/echo/tls", tls=context) as wire:
                wire.send(data)
                assert wire.close_code() == code


def test_a_setting_changes_the_limit() -> None:
    with (
        ServerProcess(environment=limits(MAX_MESSAGE_BYTES=10)) as server,
        RawClient(server.port, "/echo/setting") as wire,
    ):
        wire.send(frame(b"x" * 10))
        assert wire.receive() == Frame(TEXT, b"x" * 10)
        wire.send(frame(b"x" * 11))
        assert wire.close_code() == 1009


def test_an_option_of_the_command_line_changes_the_limit() -> None:
    options = ("--websocket-max-message-size", "0", "--websocket-max-frame-size", "0")
    with ServerProcess(*options) as server, RawClient(server.port, "/echo/option") as wire:
        wire.send(frame(MEGABYTE.encode() * 2))
        assert wire.receive() == Frame(TEXT, MEGABYTE.encode() * 2)


@pytest.mark.parametrize("piece", [60_000, 1])
def test_bad_utf8_gives_1007(server: ServerProcess, piece: int) -> None:
    data = frame(b"\xff" * 60_000)
    with RawClient(server.port, "/echo/utf8") as wire:
        for start in range(0, piece * 3, piece):
            wire.send(data[start : start + piece])
        wire.send(data[piece * 3 :])
        assert wire.close_code() == 1007


def test_a_close_reason_that_is_not_utf8_gives_1007(server: ServerProcess) -> None:
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
        pytest.param(frame(b"x", rsv=4), id="compressed without negotiation"),
        pytest.param(frame(b"x", CONTINUATION), id="a continuation of nothing"),
        pytest.param(frame(b"x", fin=False) + frame(b"x"), id="a message within a message"),
        pytest.param(frame(b"x" * 126, PING), id="a large ping"),
        pytest.param(frame(b"x", PING, fin=False), id="a ping in fragments"),
        pytest.param(frame(b"\x00\x01", CLOSE), id="a close with an invalid code"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
    ],
)
def test_a_protocol_error_gives_1002(server: ServerProcess, data: bytes) -> None:
    with RawClient(server.port, "/echo/protocol") as wire:
        wire.send(data)
        assert wire.close_code() == 1002


def test_data_after_a_failure_is_dropped() -> None:
    endless = frame_head(1 << 40, PING)  # autobahn would store the following data until the close times out
    with ServerProcess() as server:
        before = int(server.get("/memory"))
        with RawClient(server.port, "/echo/endless") as wire:
            wire.send(endless)
            with suppress(ConnectionError):  # the server ends the connection
                while True:
                    wire.send(MEGABYTE.encode())
        assert server.get("/board/endless") == "1006"
        assert int(server.get("/memory")) - before < 40_000_000


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [("/echo/good", "x" * 5_000_000, 1009), ("/close/4001", "", 4001), ("/accept-and-fail", "", 1011)],
)
def test_a_client_library_reports_the_close_codes(server: ServerProcess, path: str, message: str, code: int) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is in requirements-dev.txt")
    exceptions = pytest.importorskip("websockets.exceptions")
    with client.connect(f"ws://127.0.0.1:{server.port}{path}") as connection:
        if message:
            connection.send(message)
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            connection.recv(PATIENCE)
    assert closed.value.rcvd.code == code


def test_the_close_code_of_the_application_arrives(server: ServerProcess) -> None:
    with RawClient(server.port, "/close/4001") as wire:
        assert wire.close_code() == 4001


def test_a_close_before_the_accept_gives_403(server: ServerProcess) -> None:
    with RawClient(server.port, "/refuse") as wire:
        assert wire.status == 403


def test_an_exception_of_the_application_gives_1011_and_is_logged() -> None:
    with ServerProcess() as server, RawClient(server.port, "/accept-and-fail") as wire:
        assert wire.close_code() == 1011
        server.wait_for("RuntimeError: The consumer is broken.")


def test_an_exception_before_the_accept_gives_500(server: ServerProcess) -> None:
    with RawClient(server.port, "/fail") as wire:
        assert wire.status == 500


def test_an_accept_selects_an_offered_subprotocol(server: ServerProcess) -> None:
    with RawClient(server.port, "/subprotocol/bearer", "Sec-WebSocket-Protocol: bearer, abc.def.ghi") as wire:
        assert wire.status == 101
        assert "Sec-WebSocket-Protocol: bearer\r\n" in wire.head


def test_an_accept_with_a_subprotocol_that_was_not_offered_gives_500() -> None:
    with ServerProcess() as server, RawClient(server.port, "/subprotocol/bearer") as wire:
        assert wire.status == 500
        server.wait_for("ValueError: The client did not offer the subprotocol 'bearer'")


@pytest.mark.parametrize("origin", ["null", "https://elsewhere.example"])
def test_the_server_accepts_any_origin(server: ServerProcess, origin: str) -> None:
    with RawClient(server.port, "/echo/origin", f"Origin: {origin}") as wire:
        assert wire.status == 101


def test_a_ping_of_the_client_gets_a_pong(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/ping") as wire:
        wire.send(frame(b"are you there", PING))
        assert wire.receive() == Frame(PONG, b"are you there")
