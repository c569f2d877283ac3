"""Headers that every answer of Django has. The first middleware, so that redirects, errors and admin have them, too.

An answer that says itself how long it may be kept (a static file) is public, and stays as it is. All others may depend
on the user, or hold a CSRF token: no browser and no proxy keeps them. Django's own SecurityMiddleware adds nosniff, the
Referrer-Policy and the Cross-Origin-Opener-Policy.
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.decorators import sync_and_async_middleware

# Powerful features of browsers. The site uses none of them, so no script and no frame may.
DENIED = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation"),
    *("gyroscope", "hid", "identity-credentials-get", "idle-detection", "local-fonts", "magnetometer", "microphone"),
    *("midi", "payment", "picture-in-picture", "publickey-credentials-create", "publickey-credentials-get"),
    *("screen-wake-lock", "serial", "storage-access", "usb", "window-management", "xr-spatial-tracking"),
)
PERMISSIONS = ", ".join(f"{feature}=()" for feature in DENIED)


@sync_and_async_middleware
def add_headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            return add_to(await cast(Awaitable[HttpResponseBase], get_response(request)))

        return async_middleware
    return lambda request: add_to(get_response(request))


def add_to(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    if not is_public(response):
        patch_cache_control(response, no_store=True)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return response


def is_public(response: HttpResponseBase) -> bool:
    """Whether it is a static file: WhiteNoise names the time for which each may be kept."""
    caching = response.headers.get("Cache-Control", "")
    return "public" in [part.strip() for part in caching.split(",")]
