"""Refuses a form with too many fields before Django parses it.

Django refuses it, too. But Django's exception refers to the form, so both stay in memory until the garbage collector
runs.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase


def refuse_too_many_fields(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware. It comes before those that read a form."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        if most is not None and _count_separators(request) >= most:
            text = f"The form has more than {most:,} fields.\n"
            return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
        return get_response(request)

    return middleware


def _count_separators(request: HttpRequest) -> int:
    if request.content_type != "application/x-www-form-urlencoded":
        return 0
    try:
        return request.body.count(b"&")
    except UnreadablePostError:
        return 0  # the client has gone, which the view finds out
