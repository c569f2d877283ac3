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
from twisted.web.http import HTTPFactory as TwistedHTTPFactory

from realtime.server import CLI, LiveHTTPFactory, LiveProtocol, LiveRequest, LiveServer


@pytest.mark.parametrize(
    ("owner", "name", "parameters", "loss"),
    [
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
        (WebSocketProtocol, "sendPreparedMessage", "self preparedMsg", "nothing can be sent"),
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


def test_what_we_override_exists() -> None:
    for ours in (LiveServer, LiveProtocol, LiveRequest, LiveHTTPFactory, CLI):
        own = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
        lost = {name for name in own if not hasattr(ours.__base__, name)} - {"_give_up", "_listen"}
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
