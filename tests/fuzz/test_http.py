"""Bytes of a client on a new connection: the application gets the requests that another implementation reads, and the
client gets one well-formed answer to each request."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.conf import limits
from tests.fuzz.connection import exchange, in_pieces
from tests.fuzz.inputs import spliced
from tests.fuzz.oracles import LONG_REPR, SLOW

h11 = pytest.importorskip("h11", reason="pip install -r requirements-dev.txt")

pytestmark = [pytest.mark.once, LONG_REPR]

METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"get", b"CONNECT", b"A-B", b"GET\xff", b""]
TARGETS = [
    *(b"/", b"/a?b=c", b"/%00%ff", b"/a;b", b"//a/b", b"*", b"http://h/a?b", b"HTTP://h", b"http://u@h/", b"h:80"),
    *(b"/a#b", b"/\xc3\xa9", b"/a?\xff", b"", b"/" + b"a" * 20_000, b"/?a=b?c"),
]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1", b"HTTP/1.1 ", b""]
HEADERS = [
    *(
        b"Host: h",
        b"Host: h:1",
        b"Host:",
        b"host : h",
        b" folded",
        b"\tfolded",
        b"A: b",
        b"A_b: c",
        b": d",
        b"E",
        b"F: ",
    ),
    *(
        b"Content-Length: 3",
        b"Content-Length: 0",
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Content-Length: -1",
    ),
    *(
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 0x3",
        b"Content-Length: 3_0",
        b"Content-Length: " + b"9" * 5_000,
    ),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding: identity", b"Connection: close", b"Connection: keep-alive"),
    *(
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
    ),
    *(
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Protocol: a, b",
        b"Sec-WebSocket-Extensions: x; =;",
    ),
    *(b"Daphne-Root-Path: /x", b"Daphne-Root-Path: \xff", b"X-A: \xff\x00", b"X-B: " + b"b" * 20_000, b"Cookie: a\x7f"),
    *(b"Content-Type: multipart/form-data; boundary=b", b"Content-Type: application/x-www-form-urlencoded"),
]
BODIES = [
    *(b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n", b"3\nabc\n0\n\n"),
    *(
        b"-3\r\nabc\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"3\r\nabcd\r\n",
        b"1\r\na\r\n" * 200 + b"0\r\n\r\n",
    ),
    b"3 \r\nabc\r\n0\r\n\r\n",
]


def _request(method: bytes, target: bytes, version: bytes, headers: list[bytes], body: bytes, end: bytes) -> bytes:
    lines = [method + b" " + target + b" " + version, b"Host: h", *headers]
    return end.join([*lines, b"", b""]) + body


requests = st.builds(
    _request,
    st.sampled_from(METHODS[:3] * 4 + METHODS),
    st.sampled_from(TARGETS[:2] * 8 + TARGETS),
    st.sampled_from(VERSIONS),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.sampled_from(BODIES),
    st.sampled_from([b"\r\n"] * 9 + [b"\n"]),
)
connections = st.one_of(
    st.lists(requests, min_size=1, max_size=3).map(b"".join), spliced(requests), spliced(st.just(b"GET / HTTP/1.1\r\n"))
)

Read = tuple[str, bytes, bytes]


def read_by_another(data: bytes) -> Iterator[Read]:
    """The complete requests that h11 reads from these bytes, up to the first that it refuses."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    reader.receive_data(data)
    reader.receive_data(b"")
    try:
        while isinstance(request := reader.next_event(), h11.Request):
            body = b""
            while isinstance(event := reader.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                return
            yield request.method.decode(), request.target, body
            reader.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            reader.send(h11.EndOfMessage())
            reader.start_next_cycle()
    except h11.ProtocolError:
        return


def count_answers(data: bytes, methods: list[str], sent: bytes) -> int:
    """How many well-formed responses there are to what was sent. Fails if one is not."""
    found = 0
    while data:
        method = methods[found] if found < len(methods) else "GET"
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method if method == "HEAD" else "GET", target="/", headers=[("Host", "h")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(data)
        event = reader.next_event()
        while isinstance(event, h11.InformationalResponse) and event.status_code == 100:
            event = reader.next_event()
        if isinstance(event, h11.InformationalResponse):
            assert event.status_code == 101
            return found + 1  # what follows are frames
        assert isinstance(event, h11.Response), (event, data[:200])
        assert event.status_code < 500 or event.status_code in (501, 503, 505), data[:200]
        assert not any(name in (b"server", b"x-powered-by") for name, _ in event.headers)
        while isinstance(event := reader.next_event(), h11.Data):
            pass
        if event is h11.NEED_DATA:
            if found >= len(methods) and b"HEAD" in sent:
                return found + 1  # a refused HEAD: the length is that of the body that GET would get
            reader.receive_data(b"")  # ends with the connection
            event = reader.next_event()
        assert isinstance(event, h11.EndOfMessage), event
        found += 1
        data = reader.trailing_data[0]
    return found


@SLOW
@given(connections, st.lists(st.integers(1, 300), max_size=3))
def test_the_application_gets_the_requests_that_another_implementation_reads(data: bytes, sizes: list[int]) -> None:
    if len(data) > 3_000:
        sizes = [each * 100 for each in sizes]
    seen, transport = exchange(in_pieces(data, sizes))
    expected = [*read_by_another(data)]
    for ours, others in zip(seen.requests, expected, strict=False):
        method, target, body = others
        if target.startswith(b"/"):
            assert ours == (method, target, body)
    answers = count_answers(transport.value(), [method for method, _, _ in seen.requests], data)
    assert answers >= len(seen.requests) or transport.is_aborted
    assert answers <= data.count(b"\n") + 1
    assert len(transport.value()) < 2_000 * (answers + 1) + 2 * len(data)
    assert sum(len(body) for _, _, body in seen.requests) <= min(len(data), limits.MAX_BODY_BYTES)
    again, _ = exchange([data])
    assert again.requests == seen.requests
