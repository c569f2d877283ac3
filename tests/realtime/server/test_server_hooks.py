"""Hooks of Daphne, autobahn and Twisted, and what is lost when an upgrade moves one of them."""

import inspect

import pytest
from autobahn.websocket.protocol import WebSocketProtocol as AutobahnProtocol
from autobahn.websocket.protocol import WebSocketServerFactory
from daphne.cli import CommandLineInterface
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.abstract import FileDescriptor
from twisted.internet.base import ReactorBase
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel
from twisted.web.http import HTTPFactory as TwistedHTTPFactory

from realtime.server.cli import CLI
from realtime.server.http import LiveChannel, LiveHTTPFactory, LiveRequest
from realtime.server.keepalive import PatientProtocol
from realtime.server.server import LiveServer
from realtime.server.websocket import LiveProtocol, with_options_of


@pytest.mark.parametrize(
    ("owner", "name", "parameters", "loss"),
    [
        (Server, "create_application", "self protocol scope", "nothing bounds what comes in, nothing is capped"),
        (Server, "kill_all_applications", "self", "clients see 1006 when the server stops"),
        (Server, "application_checker", "self", "what consumers raise while the server stops is not logged"),
        (Server, "timeout_checker", "self", "silent sockets cost twice as much"),
        (Server, "protocol_connected", "self protocol", "no socket is pinged"),
        (Server, "protocol_disconnected", "self protocol", "a handshake that was refused is answered later"),
        (ReactorBase, "callFromThread", "self f args kwargs", "a second signal is not heard"),
        (HTTPFactory, "acceptableProtocols", "self", "HTTP/2 is agreed to, which the channel does not speak"),
        (HTTPChannel, "dataReceived", "self data", "the second request of a connection has no deadline"),
        (HTTPChannel, "allHeadersReceived", "self", "every request is dropped at its deadline"),
        (HTTPChannel, "allContentReceived", "self", "a stop closes upgraded connections without a word"),
        (HTTPChannel, "checkPersistence", "self request version", "a stop waits for idle connections"),
        (HTTPChannel, "requestDone", "self request", "a stop waits for connections that have been answered"),
        (WebSocketProtocol, "onMessage", "self payload isBinary", "floods are not stopped"),
        (WebSocketProtocol, "check_timeouts", "self", "a ping whose answer was held up is never awaited again"),
        (WebSocketProtocol, "_sendAutoPing", "self", "pings overtake each other, and slow readers are dropped"),
        (WebSocketProtocol, "onAutoPingTimeout", "self", "a client is dropped because its consumer is slow"),
        (
            *(WebSocketProtocol, "onAutoPong", "self ping_sent ping_seq pong_received pong_rtt payload"),
            "a ping is given more and more time",
        ),
        (WebSocketProtocol, "sendData", "self data sync chopsize", "the progress of slow readers is not seen"),
        (
            *(WebSocketProtocol, "sendFrame", "self opcode payload fin rsv mask payload_len chopsize sync"),
            "large messages cannot be sent",
        ),
        (WebSocketProtocol, "dataReceived", "self data", "each answer to a ping costs three times as much"),
        (WebSocketProtocol, "_dataReceived", "self data", "nothing is received"),
        (WebSocketProtocol, "consumeData", "self", "a socket that was paused is not read on"),
        (WebSocketProtocol, "_fail_connection", "self code reason", "a flood is not closed"),
        (FileDescriptor, "pauseProducing", "self", "a slow consumer does not pause its socket"),
        (FileDescriptor, "resumeProducing", "self", "a paused socket stays paused"),
        (Server, "handle_reply", "self protocol message", "sends are not gated"),
        (Server, "log_action", "self protocol action details", "query strings are in the access log"),
        (Server, "listen_error", "self failure", "a busy port is not reported"),
        (Server, "listen_success", "self port", "nobody learns the port"),
        (Server, "run", "self", "our factories are not used: it called ready_callable before reactor.run()"),
        (HTTPFactory, "buildProtocol", "self addr", "requests are Daphne's, whose repr() has the query string"),
        (TwistedHTTPFactory, "log", "self request", "Twisted's access log is written, query string included"),
        (WebRequest, "__repr__", "self", "requests show their query string"),
        (WebSocketProtocol, "serverAccept", "self subprotocol", "an accept of a wrong subprotocol hangs"),
        (WebSocketProtocol, "serverSend", "self content binary", "what is sent is limited by what may come in"),
        (WebSocketProtocol, "connectionMade", "self", "the send gate is not registered"),
        (WebSocketProtocol, "connectionLost", "self reason", "senders to a client that has gone wait"),
        (WebSocketProtocol, "failHandshake", "self reason code responseHeaders", "a bad URL is logged whole"),
        (WebSocketProtocol, "processData", "self", "a client that failed is parsed further"),
        (WebSocketProtocol, "_protocol_violation", "self reason", "a close with a bad code is answered by a reset"),
        (WebSocketProtocol, "_invalid_payload", "self reason", "a close with a bad reason is answered by a reset"),
        (WebSocketProtocol, "sendCloseFrame", "self code reasonUtf8 isReply", "senders wait beyond a close"),
        (WebSocketServerFactory, "prepareMessage", "self payload isBinary doNotCompress", "nothing can be sent"),
        (Connection, "getHandle", "self", "nothing can be sent"),
        (FileDescriptor, "registerProducer", "self producer streaming", "the send gate is not told"),
        (FileDescriptor, "loseWriteConnection", "self", "clients wait two seconds for a close code"),
        (CommandLineInterface, "run", "self args", "a busy port is a traceback"),
    ],
)
def test_a_hook_is_where_it_was(owner: type, name: str, parameters: str, loss: str) -> None:
    hook = getattr(owner, name, None)
    assert hook is not None, f"{owner.__name__}.{name} is gone: {loss}."
    assert " ".join(inspect.signature(hook).parameters) == parameters, (
        f"{owner.__name__}.{name} takes other arguments than it did: {loss}."
    )


@pytest.mark.parametrize("option", ["failByDrop", "closeHandshakeTimeout", "allowNullOrigin"])
def test_an_option_of_autobahn_is_where_it_was(option: str) -> None:
    assert option in inspect.signature(WebSocketServerFactory.setProtocolOptions).parameters, (
        f"autobahn has no option {option}: clients see connections cut, or origins refused, without a reason."
    )


def test_the_options_of_autobahn_are_the_same_for_every_connection() -> None:
    """As attributes of the class; a function among them must not become a method."""
    factory = WebSocketServerFactory()
    factory.setProtocolOptions(perMessageCompressionAccept=lambda offers: offers, autoPingInterval=7)
    protocol = with_options_of(factory)
    assert LiveProtocol.CONFIG_ATTRS, "autobahn names its options elsewhere: each connection formats all of them."
    assert not protocol.CONFIG_ATTRS
    for name in LiveProtocol.CONFIG_ATTRS:
        assert getattr(protocol.__new__(protocol), name) == getattr(factory, name), name


OUR_OWN = {
    *("_admit", "_application_of", "_begin_head", "_end_head", "_figures", "_listen", "_refuse", "_too_late"),
    *("_check_pong", "_give_up", "_is_pong", "_pause", "_read_on", "_resume", "_send_last_frame"),
    *("await_pong_anew", "inbound_queue", "leave", "refuse", "send_control_frame", "send_in_turn"),
    *("_build_frame", "_send_at_once"),
}


def test_what_we_override_exists() -> None:
    for ours in (LiveServer, PatientProtocol, LiveProtocol, LiveRequest, LiveChannel, LiveHTTPFactory, CLI):
        own = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
        lost = {name for name in own if not hasattr(ours.__base__, name)} - OUR_OWN
        assert not lost, f"{ours.__base__} no longer has {lost}: nobody calls ours."


def test_the_states_and_marks_of_a_connection_are_where_they_were() -> None:
    assert AutobahnProtocol.STATE_OPEN != AutobahnProtocol.STATE_CLOSING
    source = inspect.getsource(AutobahnProtocol._connectionMade)
    for mark in ("failedByMe", "data"):
        assert f"self.{mark} = " in source, f"LiveProtocol.processData asks for `{mark}`, which is not set."


def test_daphne_runs_its_ready_callable_between_making_its_factories_and_the_reactor() -> None:
    source = inspect.getsource(Server.run)
    steps = ["self.http_factory = ", "self.ws_factory = ", "self.endpoints", "self.ready_callable()", "reactor.run"]
    places = [source.find(step) for step in steps]
    assert -1 not in places, "Server.run has lost a step: LiveServer._listen replaces what it made."
    assert places == sorted(places), "Server.run has changed its order: LiveServer._listen replaces what it made."


def test_the_write_buffer_is_where_progress_is_looked_for() -> None:
    source = inspect.getsource(FileDescriptor)
    for mark in ("self.dataBuffer = ", "self.offset += ", "self._tempDataLen += ", "bufferSize = 2**2**2**2"):
        assert mark in source, f"FileDescriptor has no {mark!r}: slow readers are cut, or stay for ever."


def test_the_ping_under_way_is_where_it_was() -> None:
    source = inspect.getsource(AutobahnProtocol)
    for mark in ("autoPingPending = None", "autoPingPendingSeq = 0", "current_frame = None"):
        assert f"self.{mark}" in source, f"autobahn has no {mark}: who is alive is dropped."
    assert 'ping_seq = struct.unpack(">L", payload[8:12])[0]' in source, "Who answers in pieces is dropped."


def test_daphne_answers_a_handshake_where_we_refuse_it() -> None:
    source = inspect.getsource(WebSocketProtocol)
    assert "del self.handshake_deferred" in source
    assert "ConnectionDeny(code=403" in source, "Handshakes are refused in another way: caps answer nothing."


def test_daphne_keeps_the_application_of_a_connection_where_we_put_it() -> None:
    assert '"application_instance"' in inspect.getsource(Server.create_application)
    assert '"application_instance"' in inspect.getsource(Server.application_checker)


def test_daphne_says_when_a_connection_has_gone_where_our_rounds_look() -> None:
    assert '["disconnected"]' in inspect.getsource(Server.protocol_disconnected)
    assert '"disconnected"' in inspect.getsource(Server.application_checker)
    assert "self.connections[protocol] = {" in inspect.getsource(Server.protocol_connected)


def test_daphne_looks_at_a_connections_times_as_our_rounds_foresee() -> None:
    source = inspect.getsource(WebSocketProtocol.check_timeouts)
    for term in ("self.duration()", "websocket_timeout >= 0", "self.last_ping", "self.server.ping_interval"):
        assert term in source, "A socket may be looked at too late."
    assert "time.time() - self.socket_opened" in inspect.getsource(WebSocketProtocol.duration)


def test_a_prepared_message_is_one_frame_without_a_mask() -> None:
    prepared = WebSocketServerFactory().prepareMessage(b"hey", False)
    assert prepared.payloadHybi == b"\x81\x03hey", "What is sent at once is not a frame."
