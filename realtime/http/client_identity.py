"""Whose request it is, for `RequestSlots`, which asks before Django reads the request.

The address says it, unless it is a loopback address: a proxy on this machine puts all clients behind one. Then the
credentials say it. Only Django can check them, so the middleware `remember_client` remembers those that it has
accepted, and later requests with them belong to their user. Credentials that were not accepted yet belong to nobody:
otherwise a client would be many clients by inventing them.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.http.response import HttpResponseBase

from realtime.throttling import is_loopback

MAX_REMEMBERED: Final = 10_000  # credentials; 64 bytes each, and those that were not used for the longest time go


class Remembered:
    """Credentials that Django has accepted, as digests, with their user. Thread-safe."""

    def __init__(self) -> None:
        self._users: OrderedDict[bytes, Hashable] = OrderedDict()
        self._lock = Lock()

    def add(self, credential: str, user: Hashable) -> None:
        with self._lock:
            self._users[_digest(credential)] = user
            self._users.move_to_end(_digest(credential))
            if len(self._users) > MAX_REMEMBERED:
                self._users.popitem(last=False)

    def find(self, credential: str | None) -> Hashable:
        """The user, or None."""
        with self._lock:
            return self._users.get(_digest(credential)) if credential else None


_remembered = Remembered()


def client_of(scope: dict[str, Any]) -> Hashable:
    """The address, or the user behind a loopback address. None if nothing says who it is."""
    client = scope.get("client")
    if client and not is_loopback(client[0]):
        return str(client[0])
    headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
    session = parse_cookie(headers.get(b"cookie", "")).get(settings.SESSION_COOKIE_NAME)
    return _remembered.find(session) or _remembered.find(headers.get(b"authorization"))


def remember_client(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], Any]:
    """The innermost middleware: the view has looked at the credentials."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        user = getattr(request, "auth", None)  # of the API; a user or a worker
        header = request.headers.get("Authorization") if user else None
        if user is None and request.session.accessed and request.user.is_authenticated:
            user = request.user
        if user and (credential := header or request.COOKIES.get(settings.SESSION_COOKIE_NAME)):
            _remembered.add(credential, (user._meta.label, user.pk))
        return response

    return middleware


def _digest(credential: str) -> bytes:
    return blake2b(credential.encode(errors="surrogateescape"), digest_size=16).digest()
