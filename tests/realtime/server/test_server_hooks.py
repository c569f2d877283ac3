"""The parts of Daphne, autobahn and Twisted that the server depends on, and what fails if an upgrade changes one."""

import inspect
import re
from types import ModuleType

import daphne.http_protocol
import daphne.server
import daphne.ws_protocol
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
from realtime.server.http import LiveChannel, LiveHTTPFactory
from realtime.server.keepalive import KeepaliveProtocol
from realtime.server.receiving import ReceivingProtocol
from realtime.server.request import LiveRequest
from realtime.server.request_body import BoundedRequest
from realtime.server.sending import SendingProtocol
from realtime.server.server import LiveServer
from realtime.server.websocket import LiveProtocol, make_protocol_class


@pytest.mark.parametrize(
    ("owner", "name", "parameters", "loss"),
    [
        (
            Server,
            "create_application",
            "self protocol scope",
            "incoming data is not bounded, and connections are not capped",
        ),
        (Server, "kill_all_applications", "self", "clients see 1006 when the server stops"),
        (Server, "application_checker", "self", "exceptions of consumers during a shutdown are not logged"),
        (Server, "timeout_checker", "self", "silent sockets cost twice as much"),
        (Server, "protocol_connected", "self protocol", "no socket is pinged"),
        (Server, "protocol_disconnected", "self protocol", "a refused handshake is answered later"),
        (ReactorBase, "callFromThread", "self f args kwargs", "a second signal has no effect"),
        (HTTPFactory, "acceptableProtocols", "self", "clients may negotiate HTTP/2, which the channel does not speak"),
        (HTTPChannel, "dataReceived", "self data", "the second request of a connection has no deadline"),
        (HTTPChannel, "allHeadersReceived", "self", "every request is dropped at its deadline"),
        (HTTPChannel, "allContentReceived", "self", "a shutdown closes WebSockets without a close code"),
        (HTTPChannel, "checkPersistence", "self request version", "a shutdown waits for idle connections"),
        (HTTPChannel, "requestDone", "self request", "a shutdown waits for connections whose response is sent"),
        (HTTPChannel, "headerReceived", "self line", "a length of 5,000 digits gets no answer"),
        (HTTPChannel, "lineLengthExceeded", "self line", "a long line gets no answer"),
        (HTTPChannel, "rawDataReceived", "self data", "frames that come with the handshake are lost"),
        (HTTPChannel, "loseConnection", "self", "a client that does not read the end of a response stays for ever"),
        (HTTPChannel, "pauseProducing", "self", "responses do not wait for slow clients"),
        (HTTPChannel, "resumeProducing", "self", "a response never goes on"),
        (HTTPChannel, "write", "self data", "the progress of slow readers is not measured"),
        (HTTPChannel, "writeSequence", "self iovec", "the progress of slow readers is not measured"),
        (HTTPChannel, "_respondToBadRequestAndDisconnect", "self", "requests that break HTTP are not counted"),
        (WebRequest, "requestReceived", "self command path version", "an absolute target reaches the application"),
        (WebRequest, "basic_error", "self status status_text body", "error pages name Daphne"),
        (WebRequest, "handle_reply", "self message", "refused requests get no answer"),
        (WebSocketProtocol, "handle_reply", "self message", "a refused handshake does not say why"),
        (WebSocketProtocol, "onConnect", "self request", "a second handshake may follow the first"),
        (WebSocketProtocol, "onOpen", "self", "a client that sent frames with its handshake is never read again"),
        (WebSocketProtocol, "onFrameBegin", "self", "frames are not charged"),
        (WebSocketProtocol, "onMessageFrameData", "self payload", "a frame that comes in bytes takes much memory"),
        (WebSocketProtocol, "onMessageFrameEnd", "self", "a frame that comes in bytes takes much memory"),
        (WebSocketProtocol, "sendHttpErrorResponse", "self code reason responseHeaders", "refusals have no length"),
        (WebSocketProtocol, "onMessage", "self payload isBinary", "messages after our close frame are delivered"),
        (WebSocketProtocol, "check_timeouts", "self", "a pong that was delayed is never awaited again"),
        (
            WebSocketProtocol,
            "_sendAutoPing",
            "self",
            "a second ping is sent before the pong, and slow readers are dropped",
        ),
        (WebSocketProtocol, "onAutoPingTimeout", "self", "a client is dropped because its consumer is slow"),
        (
            *(WebSocketProtocol, "onAutoPong", "self ping_sent ping_seq pong_received pong_rtt payload"),
            "the ping timeout grows with each ping",
        ),
        (WebSocketProtocol, "sendData", "self data sync chopsize", "the progress of slow readers is not measured"),
        (
            *(WebSocketProtocol, "sendFrame", "self opcode payload fin rsv mask payload_len chopsize sync"),
            "large messages cannot be sent",
        ),
        (WebSocketProtocol, "dataReceived", "self data", "each pong costs three times as much"),
        (WebSocketProtocol, "_dataReceived", "self data", "nothing is received"),
        (WebSocketProtocol, "consumeData", "self", "reading from a paused socket does not resume"),
        (WebSocketProtocol, "_fail_connection", "self code reason", "a flood is not closed"),
        (FileDescriptor, "pauseProducing", "self", "a slow consumer does not pause its socket"),
        (FileDescriptor, "resumeProducing", "self", "a paused socket stays paused"),
        (Server, "handle_reply", "self protocol message", "send() does not wait for a slow client"),
        (Server, "log_action", "self protocol action details", "query strings are in the access log"),
        (Server, "listen_error", "self failure", "a busy port is not reported"),
        (Server, "listen_success", "self port", "the ports are not known, and a shutdown does not stop listening"),
        (Server, "run", "self", "our factories are not used: it called ready_callable before reactor.run()"),
        (HTTPFactory, "buildProtocol", "self addr", "requests are Daphne's, whose repr() has the query string"),
        (TwistedHTTPFactory, "log", "self request", "Twisted's access log is written, query string included"),
        (WebRequest, "__repr__", "self", "requests show their query string"),
        (WebSocketProtocol, "serverAccept", "self subprotocol", "an accept with a wrong subprotocol hangs"),
        (WebSocketProtocol, "serverSend", "self content binary", "outgoing messages are limited like incoming ones"),
        (WebSocketProtocol, "connectionMade", "self", "flow control is not registered"),
        (WebSocketProtocol, "connectionLost", "self reason", "senders wait for a client that has gone"),
        (
            WebSocketProtocol,
            "failHandshake",
            "self reason code responseHeaders",
            "a bad URL is logged with its query string",
        ),
        (WebSocketProtocol, "processData", "self", "data after a failure is still parsed"),
        (WebSocketProtocol, "_protocol_violation", "self reason", "a close with a bad code is answered by a reset"),
        (WebSocketProtocol, "_invalid_payload", "self reason", "a close with a bad reason is answered by a reset"),
        (WebSocketProtocol, "sendCloseFrame", "self code reasonUtf8 isReply", "senders wait after a close"),
        (WebSocketServerFactory, "prepareMessage", "self payload isBinary doNotCompress", "nothing can be sent"),
        (Connection, "getHandle", "self", "nothing can be sent"),
        (FileDescriptor, "registerProducer", "self producer streaming", "flow control gets no signals"),
        (FileDescriptor, "loseWriteConnection", "self", "clients wait two seconds for a close code"),
        (CommandLineInterface, "run", "self args", "a busy port is a traceback"),
    ],
)
def test_a_hook_exists_with_its_parameters(owner: type, name: str, parameters: str, loss: str) -> None:
    hook = getattr(owner, name, None)
    assert hook is not None, f"{owner.__name__}.{name} does not exist: {loss}."
    assert " ".join(inspect.signature(hook).parameters) == parameters, (
        f"{owner.__name__}.{name} has other parameters: {loss}."
    )


@pytest.mark.parametrize("option", ["failByDrop", "closeHandshakeTimeout", "allowNullOrigin"])
def test_an_option_of_autobahn_exists(option: str) -> None:
    assert option in inspect.signature(WebSocketServerFactory.setProtocolOptions).parameters, (
        f"autobahn has no option {option}: connections are cut, or origins refused, without a reason."
    )


def test_the_options_of_autobahn_are_the_same_for_every_connection() -> None:
    """They are class attributes. A function among them must not become a method."""
    factory = WebSocketServerFactory()
    factory.setProtocolOptions(perMessageCompressionAccept=lambda offers: offers, autoPingInterval=7)
    protocol = make_protocol_class(factory)
    assert LiveProtocol.CONFIG_ATTRS, "autobahn lists its options elsewhere: each connection formats all of them."
    assert not protocol.CONFIG_ATTRS
    for name in LiveProtocol.CONFIG_ATTRS:
        assert getattr(protocol.__new__(protocol), name) == getattr(factory, name), name


NEW_METHODS = {
    *("_admit", "_build_frame", "_cancel_timer", "_count_sockets", "_listen", "_on_late_head", "_refuse", "_run"),
    *("_await_body", "_check_pong", "_is_pong", "_on_slow_reader", "_pause_reading", "_resume_reading", "_take_turn"),
    *("_close_flood", "_find_refusal", "_join_pieces", "_leave", "_values", "_wait_for_turn", "admit", "body_due"),
    *("_send_last_frame", "_send_without_waiting", "_start_head", "close_with_last_frame", "make_inbound_queue"),
    *("_count_written", "_on_stop_signal", "drain", "refuse_body"),
    *("refuse_handshake", "restart_pong_timeout", "send_control_frame", "send_in_pieces"),
}


def test_a_method_that_we_override_exists() -> None:
    for ours in (
        LiveServer,
        KeepaliveProtocol,
        SendingProtocol,
        ReceivingProtocol,
        LiveProtocol,
        BoundedRequest,
        LiveRequest,
        LiveChannel,
        LiveHTTPFactory,
        CLI,
    ):
        own = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
        missing = {name for name in own if not hasattr(ours.__base__, name)} - NEW_METHODS
        assert not missing, f"{ours.__base__} has no {missing}: nothing calls our override."


def test_the_frame_and_the_pieces_of_a_message_exist() -> None:
    source = inspect.getsource(AutobahnProtocol)
    for mark in ("self.current_frame.opcode", "self.frame_data = []", "self.frame_data.append(payload)"):
        assert mark in source, f"autobahn has no {mark}: frames are not charged, or not received."


def test_twisted_answers_400_to_malformed_chunks_and_reads_no_forms() -> None:
    assert "except _MalformedChunkedDataError:" in inspect.getsource(HTTPChannel.rawDataReceived)
    assert "self._parsePOSTFormSubmission" in inspect.getsource(WebRequest.requestReceived)


def test_the_states_and_attributes_of_a_connection_exist() -> None:
    assert AutobahnProtocol.STATE_OPEN != AutobahnProtocol.STATE_CLOSING
    source = inspect.getsource(AutobahnProtocol._connectionMade)
    for mark in ("failedByMe", "data"):
        assert f"self.{mark} = " in source, f"LiveProtocol.processData reads `{mark}`, which is not set."


def test_daphne_calls_ready_callable_after_making_its_factories_and_before_the_reactor_runs() -> None:
    source = inspect.getsource(Server.run)
    steps = ["self.http_factory = ", "self.ws_factory = ", "self.endpoints", "self.ready_callable()", "reactor.run"]
    positions = [source.find(step) for step in steps]
    assert -1 not in positions, "A step of Server.run is missing: LiveServer._listen replaces its factories."
    assert positions == sorted(positions), (
        "The order of Server.run has changed: LiveServer._listen replaces its factories."
    )


def test_the_write_buffer_has_the_attributes_that_measure_progress() -> None:
    source = inspect.getsource(FileDescriptor)
    for mark in ("self.dataBuffer = ", "self.offset += ", "self._tempDataLen += ", "bufferSize = 2**2**2**2"):
        assert mark in source, f"FileDescriptor has no {mark!r}: slow readers are closed too early, or never."


def test_the_pending_ping_has_its_attributes() -> None:
    source = inspect.getsource(AutobahnProtocol)
    for mark in ("autoPingPending = None", "autoPingPendingSeq = 0", "current_frame = None"):
        assert f"self.{mark}" in source, f"autobahn has no {mark}: clients that are alive are dropped."
    assert 'ping_seq = struct.unpack(">L", payload[8:12])[0]' in source, (
        "Clients whose pong comes in pieces are dropped."
    )


def test_daphne_denies_a_handshake_in_the_way_that_we_use() -> None:
    source = inspect.getsource(WebSocketProtocol)
    assert "del self.handshake_deferred" in source
    assert "ConnectionDeny(code=403" in source, "Handshakes are denied in another way: a cap gives no response."


def test_daphne_stores_the_application_of_a_connection_under_our_key() -> None:
    assert '"application_instance"' in inspect.getsource(Server.create_application)
    assert '"application_instance"' in inspect.getsource(Server.application_checker)


def test_daphne_marks_a_lost_connection_as_the_periodic_checks_expect() -> None:
    assert '["disconnected"]' in inspect.getsource(Server.protocol_disconnected)
    assert '"disconnected"' in inspect.getsource(Server.application_checker)
    assert "self.connections[protocol] = {" in inspect.getsource(Server.protocol_connected)


def test_daphne_checks_the_timeouts_that_next_check_predicts() -> None:
    source = inspect.getsource(WebSocketProtocol.check_timeouts)
    for term in ("self.duration()", "websocket_timeout >= 0", "self.last_ping", "self.server.ping_interval"):
        assert term in source, "A socket may be checked too late."
    assert "time.time() - self.socket_opened" in inspect.getsource(WebSocketProtocol.duration)


@pytest.mark.parametrize("module", [daphne.server, daphne.http_protocol, daphne.ws_protocol])
def test_daphne_measures_durations_only_by_time_time(module: ModuleType) -> None:
    source = inspect.getsource(module)
    assert "\nimport time\n" in source, "A clock that is set changes Daphne's timeouts."
    assert set(re.findall(r"\btime\.\w+", source)) == {"time.time"}, "The server's clock lacks a function."


def test_the_timers_of_the_reactor_use_its_own_clock() -> None:
    source = inspect.getsource(ReactorBase)
    assert "seconds=self.seconds" in source, "A clock that is set stops the timers."
    assert "runtimeSeconds" not in source.replace("seconds = staticmethod(runtimeSeconds)", "")


def test_a_prepared_message_is_one_frame_without_a_mask() -> None:
    prepared = WebSocketServerFactory().prepareMessage(b"hey", False)
    assert prepared.payloadHybi == b"\x81\x03hey", "The fast path sends no valid frame."
