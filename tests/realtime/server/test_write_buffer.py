"""The bytes that wait in Twisted's buffer."""

from types import SimpleNamespace

from realtime.server.write_buffer import bytes_buffered, tcp_of


def test_the_buffer_has_a_part_that_is_sent_and_a_part_that_waits() -> None:
    tcp = SimpleNamespace(dataBuffer=b"x" * 100, offset=40, _tempDataLen=7)
    assert bytes_buffered(tcp) == 67
    tls = SimpleNamespace(transport=tcp)
    assert bytes_buffered(tls) == 67
    assert tcp_of(tls) is tcp
