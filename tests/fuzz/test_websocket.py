"""Bytes of a client on an open WebSocket: the application gets the messages that another implementation reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.connection import exchange, in_pieces
from tests.fuzz.inputs import spliced
from tests.fuzz.oracles import SLOW
from tests.realtime.raw_client import frame, handshake

pytest.importorskip("websockets", reason="pip install -r requirements-dev.txt")
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

pytestmark = pytest.mark.once

payloads = st.one_of(
    st.sampled_from(
        [b"", b"a", "é€😀".encode(), b"\xc3", b"\xff", b"\xed\xa0\x80", b"\x03\xe8", b"\x03\xed", b"x" * 126]
    ),
    st.sampled_from([b"y" * 65_536, b"\x03\xe8" + b"r" * 124, b"\x0b\xb8\xff", b"\x0f\xa0ok"]),
    st.binary(max_size=20),
)
frames = st.builds(
    frame,
    payloads,
    st.sampled_from([0, 1, 1, 2, 2, 8, 9, 10, 3, 11]),
    fin=st.sampled_from([True, True, True, False]),
)
streams = st.one_of(
    st.lists(frames, max_size=8).map(b"".join),
    spliced(st.lists(frames, max_size=4).map(b"".join)),
    st.binary(max_size=40),
)


def read_by_another(data: bytes) -> tuple[list[str | bytes], int | None]:
    """The messages and the close code that python-websockets reads from these bytes; None if it goes on."""
    protocol = ServerProtocol(state=OPEN, max_size=2**20)
    protocol.receive_data(data)
    messages: list[str | bytes] = []
    pieces, is_text = b"", True
    for event in protocol.events_received():
        each: Any = event
        if each.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if each.opcode is not Opcode.CONT:
                pieces, is_text = b"", each.opcode is Opcode.TEXT
            pieces += each.data
            if each.fin:
                try:
                    messages.append(pieces.decode() if is_text else bytes(pieces))
                except UnicodeDecodeError:
                    return messages, 1007
    sent = protocol.close_sent
    return messages, None if sent is None else sent.code


@SLOW
@given(streams, st.lists(st.integers(1, 40), max_size=4))
def test_the_application_gets_the_messages_that_another_implementation_reads(data: bytes, sizes: list[int]) -> None:
    if len(data) > 5_000:
        sizes = []
    seen, transport = exchange([handshake(8_000, "/"), *in_pieces(data, sizes)])
    assert seen.sockets == 1
    expected, code = read_by_another(data)
    assert seen.messages == expected[: len(seen.messages)]
    if code is None:
        assert seen.messages == expected
    head, _, rest = transport.value().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert len(rest) < 1_000 + 2 * len(data)
    whole, _ = exchange([handshake(8_000, "/"), data])
    assert whole.messages == seen.messages
