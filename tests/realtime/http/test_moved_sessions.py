"""A browser that gets another session key keeps its sockets."""

import pytest
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.database import in_db
from tests.realtime.revocation.conftest import is_closed, is_live, person  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


def change_password(request: HttpRequest) -> HttpResponse:
    request.user.set_password("another password")
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse()


urlpatterns = [path("change/", change_password), path("nothing/", lambda request: HttpResponse())]


async def test_a_new_password_keeps_the_socket_of_its_session_and_closes_the_others(person, user, settings):  # noqa: F811
    settings.ROOT_URLCONF = __name__
    own, other = await person(user), await person(user)
    before = own.browser.cookies["sessionid"].value
    await in_db(own.browser.post)("/change/")
    assert own.browser.cookies["sessionid"].value != before
    await is_closed(other.client, 4001)
    await is_live(own.client, user)


async def test_a_page_that_changes_nothing_sends_nothing(person, user, settings, counted):  # noqa: F811
    settings.ROOT_URLCONF = __name__
    own = await person(user)
    await in_db(own.browser.get)("/nothing/")
    await is_live(own.client, user)
    assert counted["access_rechecks"] <= 1
