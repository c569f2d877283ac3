"""The sessions of a person: written at the login, listed, ended.

The session's engine decides whether a session is valid. A row without a valid session is removed when it is seen, or
when the session has expired.
"""

import time
from collections import OrderedDict
from datetime import timedelta
from importlib import import_module
from ipaddress import ip_address
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from executions.conf import limits
from executions.models import UserSession
from executions.models.user_session import BROWSER_LENGTH, KEY_LENGTH

INTERVAL = 60.0  # seconds between two records of one session by one process
_REMEMBERED = 10_000  # sessions of a process, in memory
_CLEANUP_BATCH = 100  # expired rows that are removed with each login
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari", "curl")  # the first that fits: Edge names Chrome, too
_NAMES = {"Edg": "Edge", "OPR": "Opera"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")

_last_noted: OrderedDict[str, float] = OrderedDict()


class ShownSession(NamedTuple):
    row: UserSession
    browser: str
    is_current: bool


def connect() -> None:
    user_logged_in.connect(_on_login, dispatch_uid="executions.sessions")
    user_logged_out.connect(_on_logout, dispatch_uid="executions.sessions")


def is_due(key: str) -> bool:
    """Whether this process has not recorded the session with this key for a while."""
    interval = min(INTERVAL, limits.SESSION_IDLE_TIMEOUT / 4 or INTERVAL)
    return time.monotonic() - _last_noted.get(key, -INTERVAL) >= interval


def note(request: HttpRequest, user: Any) -> None:
    """Records that the session of this request is used, and puts off its end if it has an idle timeout."""
    session = request.session
    if limits.SESSION_IDLE_TIMEOUT:
        session.set_expiry(max(1, int(limits.SESSION_IDLE_TIMEOUT)))
    if not session.session_key:
        session.save()
    key = session.session_key or ""
    _last_noted[key] = time.monotonic()
    _last_noted.move_to_end(key)
    while len(_last_noted) > _REMEMBERED:
        _last_noted.popitem(last=False)
    if len(key) > KEY_LENGTH:
        return
    seen = {"last_seen_at": timezone.now(), "address": _address(request), "browser": _browser_header(request)}
    UserSession.objects.update_or_create(session_key=key, defaults={**seen, "user": user})


def sessions_of(user: Any, current_key: str | None) -> list[ShownSession]:
    """The valid sessions of this user, the last used first."""
    shown = []
    for row in UserSession.objects.filter(user=user).order_by("-last_seen_at", "-pk"):
        if _is_valid(row, user):
            shown.append(ShownSession(row, browser_name(row.browser), row.session_key == current_key))
        else:
            row.delete()
    return shown


def end_session(user: Any, id: int) -> bool:
    """Ends a session of this user. False if there is none with this id."""
    return _end(UserSession.objects.filter(user=user, pk=id)) > 0


def end_other_sessions(user: Any, current_key: str | None) -> int:
    """Ends the sessions of this user except the current one. Returns how many."""
    return _end(UserSession.objects.filter(user=user).exclude(session_key=current_key))


def move(old_key: str | None, new_key: str | None) -> None:
    """The session has a new key, as after a change of the password."""
    UserSession.objects.filter(session_key=old_key).update(session_key=new_key)


def browser_name(header: str) -> str:
    """A User-Agent in two words. Browsers name each other there, so it is a guess."""
    browser = next((each for each in _BROWSERS if each in header), "")
    system = next((each for each in _SYSTEMS if each in header), "")
    name = _NAMES.get(browser, browser) or "Unknown browser"
    return f"{name} on {system}" if system else name


def _on_login(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    note(request, user)
    oldest = UserSession.objects.filter(user=user).order_by("-last_seen_at", "-pk").values("pk")
    if surplus := [row["pk"] for row in oldest[limits.MAX_SESSIONS_OF_USER :][:_CLEANUP_BATCH]]:
        _end(UserSession.objects.filter(pk__in=surplus))
    before = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    expired = UserSession.objects.filter(last_seen_at__lt=before)
    expired.filter(pk__in=list(expired.values_list("pk", flat=True)[:_CLEANUP_BATCH])).delete()


def _on_logout(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    if key := request.session.session_key:
        UserSession.objects.filter(session_key=key).delete()


def _end(rows: Any) -> int:
    ended = 0
    for row in rows:
        _store(row.session_key).delete()
        row.delete()
        ended += 1
    return ended


def _is_valid(row: UserSession, user: Any) -> bool:
    """Whether the session is there, and is of this user's present password."""
    store = _store(row.session_key)
    stored_hash = store.get(HASH_SESSION_KEY, "")
    return store.get(SESSION_KEY) == str(user.pk) and constant_time_compare(stored_hash, user.get_session_auth_hash())


def _store(key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def _address(request: HttpRequest) -> str | None:
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def _browser_header(request: HttpRequest) -> str:
    header = request.META.get("HTTP_USER_AGENT", "")
    return "".join(each for each in header[:BROWSER_LENGTH] if each.isprintable())
