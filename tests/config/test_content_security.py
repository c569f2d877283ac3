"""The Content Security Policy. It is the same on every supported version of Django: `make matrix` runs this file on
each."""

from importlib.util import find_spec

import django
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils.module_loading import import_string

from config import content_security
from config.content_security import SELF, also_allows

SITE = {
    "default-src": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}


def policy_of(response: HttpResponse) -> dict[str, list[str]]:
    """The directives of the header; their order does not matter."""
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    assert len({part[0] for part in parts}) == len(parts)
    return {part[0]: part[1:] for part in parts}


@pytest.mark.parametrize("path", ["/login/", "/admin/login/", "/api/executions", "/nowhere"])
@pytest.mark.django_db
def test_every_answer_has_the_policy_of_the_site(client: Client, path: str) -> None:
    response = client.get(path)
    assert policy_of(response) == SITE
    assert "Content-Security-Policy-Report-Only" not in response


def test_the_page_of_the_api_may_show_images_of_data_urls(client: Client) -> None:
    assert policy_of(client.get("/api/docs")) == {**SITE, "img-src": ["'self'", "data:"]}


def test_a_view_may_replace_a_directive_for_itself() -> None:
    @also_allows({"form-action": [SELF, "https://pay.example"]})
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    middleware = import_string(content_security.MIDDLEWARE)
    request = RequestFactory().get("/")
    changed = policy_of(middleware(view)(request))
    assert changed == {**SITE, "form-action": ["'self'", "https://pay.example"]}
    assert policy_of(middleware(lambda request: HttpResponse())(request)) == SITE


def test_the_header_of_a_view_is_not_replaced() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Content-Security-Policy": "sandbox"})

    assert policy_of(import_string(content_security.MIDDLEWARE)(view)(RequestFactory().get("/"))) == {"sandbox": []}


def test_django_sends_the_header_from_version_6_on_and_django_csp_before() -> None:
    has_middleware = find_spec("django.middleware.csp") is not None
    assert has_middleware == (django.VERSION >= (6, 0))
    ours = [name for name in settings.MIDDLEWARE if "csp" in name]
    assert ours == [
        "django.middleware.csp.ContentSecurityPolicyMiddleware" if has_middleware else "csp.middleware.CSPMiddleware"
    ]
    assert ("csp" in settings.INSTALLED_APPS) is not has_middleware
