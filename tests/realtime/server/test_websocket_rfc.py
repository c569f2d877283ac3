"""The rules of RFC 6455, in the order of the Autobahn test suite: framing, pings, opcodes, fragments, UTF-8, closes."""

import struct

import pytest

from tests.realtime.raw_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawClient, frame
from tests.realtime.server_process import ServerProcess

pytestmark = pytest.mark.once

MASK = bytes(4)


def head(first: int, second: int, extended: bytes = b"") -> bytes:
    """The head of a frame, byte by byte, with a mask of zeros."""
    return bytes([first, second]) + extended + MASK


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(struct.pack("!H", code) + reason, CLOSE)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65_535, 65_536])
def test_texts_of_each_length_encoding_are_received(server: ServerProcess, size: int) -> None:
    with RawClient(server.port, "/echo/sizes") as wire:
        wire.send(frame(b"*" * size) + frame(b"end"))
        expected = [Frame(TEXT, b"*" * size)] if size else []  # Daphne sends no empty text
        assert [wire.receive() for _ in range(len(expected) + 1)] == [*expected, Frame(TEXT, b"end")]


@pytest.mark.parametrize("payload", [b"", b"\x00\xff\xfe", b"x" * 125])
def test_a_ping_of_any_payload_gets_its_pong(server: ServerProcess, payload: bytes) -> None:
    with RawClient(server.port, "/echo/pings") as wire:
        wire.send(frame(b"nobody asked", PONG) + frame(payload, PING))
        assert wire.receive() == Frame(PONG, payload)


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(frame(b"", opcode=each), id=f"opcode {each}") for each in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *(pytest.param(frame(b"x", rsv=each), id=f"reserved bits {each}") for each in range(1, 8)),
        *(pytest.param(frame(b"x", each, rsv=1), id=f"a reserved bit, opcode {each}") for each in (CLOSE, PING, PONG)),
        *(pytest.param(frame(b"x", each, fin=False), id=f"fragment, opcode {each}") for each in (CLOSE, PING, PONG)),
        *(pytest.param(frame(b"x", each, masked=False), id=f"no mask, opcode {each}") for each in (BINARY, PING)),
        pytest.param(head(0x89, 0x80 | 126, struct.pack("!H", 126)), id="a ping of 126 bytes"),
        pytest.param(head(0x81, 0x80 | 126, struct.pack("!H", 125)), id="125 bytes in the length of two"),
        pytest.param(head(0x81, 0x80 | 127, struct.pack("!Q", 65_535)), id="65,535 bytes in the length of eight"),
        pytest.param(head(0x81, 0x80 | 127, struct.pack("!Q", 1 << 63)), id="2^63 bytes"),
        pytest.param(frame(b"x", CONTINUATION, fin=False), id="a fragment of nothing"),
        pytest.param(frame(b"a", fin=False) + frame(b"b", BINARY), id="binary within text"),
        pytest.param(frame(b"a") + frame(b"b", CONTINUATION), id="a fragment after the last one"),
        pytest.param(frame(b"x", CLOSE), id="a close of one byte"),
        *(
            pytest.param(close(each), id=f"close code {each}")
            for each in (0, 999, 1004, 1005, 1006, 1015, 1016, 2_999, 5_000, 65_535)
        ),
    ],
)
def test_what_breaks_the_protocol_gets_1002(server: ServerProcess, data: bytes) -> None:
    with RawClient(server.port, "/echo/broken") as wire:
        wire.send(data)
        assert wire.close_code() == 1002
    assert "Traceback" not in server.output


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_with_an_allowed_code_is_answered(server: ServerProcess, code: int) -> None:
    with RawClient(server.port, "/echo/closes") as wire:
        wire.send(close(code, "auf Wiedersehen, später".encode()) + frame(b"after the close"))
        frames = wire.rest()
        assert [each.opcode for each in frames] == [CLOSE]


def test_a_close_without_a_code_is_answered(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/closes") as wire:
        wire.send(frame(b"", CLOSE))
        assert [each.opcode for each in wire.rest()] == [CLOSE]


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_character_may_be_split_over_fragments(server: ServerProcess, cut: int) -> None:
    character = "😀".encode()
    with RawClient(server.port, "/echo/split") as wire:
        parts = frame(character[:cut], fin=False), frame(b"", PING), frame(character[cut:], CONTINUATION)
        wire.send(b"".join(parts))
        assert [wire.receive(), wire.receive()] == [Frame(PONG, b""), Frame(TEXT, character)]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"\xce\xba\xe1\xbd\xb9", b"\xed\xa0\x80"], id="half a surrogate pair"),
        pytest.param([b"\xf4", b"\x90\x80\x80"], id="above the last character"),
        pytest.param([b"\xc0", b"\xaf"], id="longer than needed"),
        pytest.param([b"\xf0\x9f", b"x"], id="a character that does not go on"),
        pytest.param([b"x", b"\xf0\x9f\x98"], id="a character that does not end"),
        pytest.param([b"", b"", b"\x80"], id="a character that has not begun"),
    ],
)
def test_bad_utf8_in_fragments_gets_1007(server: ServerProcess, parts: list[bytes]) -> None:
    with RawClient(server.port, "/echo/utf8") as wire:
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            wire.send(frame(part, CONTINUATION if number else TEXT, fin=is_last))
        assert wire.close_code() == 1007
    assert "Traceback" not in server.output


def test_bad_utf8_is_found_before_the_message_ends(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/early") as wire:
        wire.send(frame(b"\xff", fin=False))
        assert wire.close_code() == 1007


def test_compression_is_not_offered(server: ServerProcess) -> None:
    with RawClient(server.port, "/echo/plain", "Sec-WebSocket-Extensions: permessage-deflate") as wire:
        assert "permessage-deflate" not in wire.head
        wire.send(frame(b"x", rsv=4))
        assert wire.close_code() == 1002
