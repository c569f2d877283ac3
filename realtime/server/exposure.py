"""With DEBUG on, the server listens for this machine only: pages of errors show code and values, and the passwords of
demo accounts are public."""

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings

_INTERFACE = re.compile(r":interface=((?:[^:\\]|\\.)*)")


class DebugExposed(Exception):  # noqa: N818 - the name says what happened
    """DEBUG is on, and other machines could connect. str() names the address and the cure in one line."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the address, or to all addresses of the name."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)} if host else set()
    except (OSError, UnicodeError):  # nobody can listen there
        return False
    return bool(found) and all(ip_address(each.partition("%")[0]).is_loopback for each in found)


def refuse_debug_on(hosts: Iterable[str]) -> None:
    """Raises DebugExposed if DEBUG is on and one of the hosts is not of the loopback."""
    exposed = [host or "all addresses" for host in hosts if not is_loopback(host)]
    if settings.DEBUG and exposed:
        raise DebugExposed(
            f"DEBUG is on, so the server does not listen on {' and '.join(exposed)}: error pages would show its code "
            "and data to other machines. Set DEBUG=false, or listen on 127.0.0.1."
        )


def hosts_of(endpoints: Iterable[str]) -> list[str]:
    """The hosts of Twisted's descriptions, such as `tcp:port=8000:interface=127.0.0.1`. A socket file and a descriptor
    that was opened by another program have none."""
    hosts = []
    for endpoint in endpoints:
        if endpoint.startswith(("tcp", "ssl")):
            found = _INTERFACE.search(endpoint)
            hosts.append(found[1].replace("\\", "") if found else "")
    return hosts
