"""The headers of every answer: each URL of the site, and each kind of answer."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, path
from pytest_django import Settings

from config.headers import DENIED, add_headers
from config.urls import urlpatterns as urls_of_site
from executions.models import Graph, GraphExecution

UNIFORM = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def assert_private(answer: Any, *, has_policy: bool = True, referrers: tuple[str, ...] = ("same-origin",)) -> None:
    """It has all headers, and nobody may keep it."""
    assert answer.headers["Referrer-Policy"] in referrers
    assert {name: answer.headers.get(name) for name in UNIFORM} == UNIFORM
    assert "no-store" in answer.headers["Cache-Control"]
    assert "public" not in answer.headers["Cache-Control"]
    assert "default-src" in answer.headers.get("Content-Security-Policy", "") or not has_policy
    policy = answer.headers["Permissions-Policy"].split(", ")
    assert {"camera=()", "geolocation=()", "microphone=()", "payment=()", "usb=()"} <= set(policy)
    assert all(each.endswith("=()") for each in policy)


def patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLPattern):
            yield route
        else:
            yield from patterns(each, route)


ROUTES = sorted(set(patterns(get_resolver("config.urls"))))


def address(route: str, ids: dict[str, str]) -> str:
    """A path that the route matches: with an id that exists, or any."""
    plain = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids.get(found[1], str(uuid4())), route)
    plain = re.sub(r"\(\?P<(\w+)>.*?\)", lambda found: ids.get(found[1], "auth"), plain)
    return "/" + re.sub(r"\\Z|[\^$]", "", plain).replace("(?:.*)", "")


def test_the_site_has_pages_an_api_and_an_admin() -> None:
    assert len(ROUTES) > 60
    assert {route.partition("/")[0] for route in ROUTES} >= {"admin", "api", "executions", "login", "realtime"}


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_every_url_answers_everybody_with_all_headers(
    client: Client, admin_client: Client, admin_user: User, route: str
) -> None:
    graph = Graph.objects.create(owner=admin_user, name="A graph")
    execution = GraphExecution.objects.create(graph=graph, user=admin_user)
    target = address(route, {"execution_id": str(execution.pk), "graph_id": str(graph.pk)})
    # The address of a shared page is a credential.
    referrers = ("same-origin", "no-referrer") if route.startswith("shared/") else ("same-origin",)
    for each in (client, admin_client):
        each.raise_request_exception = False
        for method in ("get", "post", "options"):
            assert_private(getattr(each, method)(target), referrers=referrers)


# Each kind of answer


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a fault of the program")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation


def denied(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


urlpatterns = [
    path("fail", fail),
    path("suspicious", suspicious),
    path("denied", denied),
    path("missing", missing),
    path("moved", lambda request: HttpResponseRedirect("/elsewhere")),
    path("stream", lambda request: StreamingHttpResponse([b"one", b"two"])),
    path("empty", lambda request: HttpResponse(status=204)),
    path("own", lambda request: HttpResponse(headers={"Cache-Control": "private, max-age=60"})),
    *urls_of_site,
]
KINDS = [
    *[("fail", 500), ("suspicious", 400), ("denied", 403), ("missing", 404), ("moved", 302), ("stream", 200)],
    *[("empty", 204), ("own", 200), ("no/such/page", 404), ("api/no/such/path", 404), ("admin", 301), ("login", 301)],
]


@pytest.mark.urls("tests.config.test_headers")
@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(("target", "status"), KINDS)
def test_every_kind_of_answer_has_all_headers(settings: Settings, target: str, status: int, debug: bool) -> None:
    settings.DEBUG = debug
    answer = Client(raise_request_exception=False).get(f"/{target}")
    assert answer.status_code == status
    # Django's own pages for developers have inline styles; which of them have no policy, its version decides.
    assert_private(answer, has_policy=not (debug and status >= 400))


@pytest.mark.urls("tests.config.test_headers")
@pytest.mark.parametrize(("target", "status"), [("fail", 500), ("missing", 404), ("moved", 302), ("stream", 200)])
async def test_under_asgi_they_are_the_same(target: str, status: int) -> None:
    answer = await AsyncClient(raise_request_exception=False).get(f"/{target}")
    assert answer.status_code == status
    assert_private(answer)


@pytest.mark.django_db
def test_refusals_before_a_view_have_all_headers(user: User) -> None:
    foreign_host = Client().get("/login/", headers={"host": "elsewhere.example"})
    without_token = Client(enforce_csrf_checks=True).post("/login/", {"username": "x", "password": "y"})
    to_https = Client().get("/login/")
    assert (foreign_host.status_code, without_token.status_code, to_https.status_code) == (400, 403, 200)
    for answer in (foreign_host, without_token, to_https):
        assert_private(answer)


@pytest.mark.django_db
def test_a_redirect_to_https_has_all_headers_but_those_of_later_middleware(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/login/")
    assert answer.status_code == 301
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Permissions-Policy"]


@pytest.mark.django_db  # to close an answer closes connections
@pytest.mark.parametrize("status", [200, 304])
def test_a_static_file_keeps_its_caching(settings: Settings, status: int) -> None:
    address = "/static/realtime/client.js"
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    client = Client()
    first = client.get(address)
    modified = {"if-modified-since": first.headers["Last-Modified"]} if status == 304 else {}
    answer = client.get(address, headers=modified)
    for each in (first, answer):
        each.close()
    assert answer.status_code == status
    assert answer.headers["Cache-Control"].endswith("public")
    assert "no-store" not in answer.headers["Cache-Control"]
    assert "Cross-Origin-Resource-Policy" not in answer.headers  # pages of other origins may load the client
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_view_may_allow_a_feature_for_itself() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Permissions-Policy": "camera=(self)"})

    assert add_headers(view)(RequestFactory().get("/")).headers["Permissions-Policy"] == "camera=(self)"


def test_each_feature_is_denied_once() -> None:
    assert len(set(DENIED)) == len(DENIED)
