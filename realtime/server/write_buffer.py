"""How much of what a connection has sent still waits in Twisted's buffer."""

from typing import Any


def tcp_of(transport: Any) -> Any:
    """The TCP connection, below TLS."""
    return getattr(transport, "transport", transport)


def bytes_buffered(transport: Any) -> int:
    """Bytes that the operating system has not yet taken."""
    tcp = tcp_of(transport)
    return int(len(tcp.dataBuffer) - tcp.offset + tcp._tempDataLen)
