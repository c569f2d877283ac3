"""Bodies of requests are released at once."""

import json
import weakref
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from config.release_body import ReleaseBody
from executions.api import parser


def test_body_form_and_files_are_gone_after_the_response() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        files.append(request.FILES["file"])
        forms.append(request.POST)
        return HttpResponse(request.POST["name"])

    files: list[Any] = []
    forms: list[Any] = []
    request = RequestFactory().post("/", {"name": "ada", "file": SimpleUploadedFile("f", b"x" * 1_000)})
    assert ReleaseBody(view)(request).content == b"ada"
    assert not {"_body", "_post", "_files"} & request.__dict__.keys()
    assert not forms[0], "A form keeps it as its data."
    assert files[0].closed


def test_a_body_that_no_view_has_read_is_no_error() -> None:
    assert ReleaseBody(lambda request: HttpResponse("ok"))(RequestFactory().get("/")).content == b"ok"


class Values(list[Any]):
    """A list that can be watched."""


@pytest.mark.usefixtures("without_collector")
@pytest.mark.django_db
def test_the_values_of_an_invalid_body_do_not_wait_for_the_garbage_collector(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Values]] = []

    def watched(body: bytes) -> Any:
        values = Values([1] * 1_000)
        alive.append(weakref.ref(values))
        return {**json.loads(body), "name": values}

    monkeypatch.setattr(parser, "parse_json", watched)
    client = Client()
    client.force_login(user)
    assert client.post("/api/graphs", '{"nodes": [{}]}', content_type="application/json").status_code == 422
    assert [each() for each in alive] == [None]
