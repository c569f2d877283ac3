"""Logins: how many may fail, for whom, and what the refused one sees. Every password here is checked by Django."""

import gc
import re
from types import FrameType
from unittest import mock

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from config.logins import address_of
from realtime.metrics import counts

pytestmark = pytest.mark.django_db

RIGHT, NEW = "a password of user", "another one 3974"
PAGES = ("/login/", "/admin/login/")
HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.REALTIME = {
        "LOGIN_FAILURES": 3,
        "LOGIN_ADDRESS_FAILURES": 6,
        "LOGIN_ACCOUNT_FAILURES": 8,
        "LOGIN_WINDOW": 86_400,  # no window ends during a test
    }


def login(name: str, password: str = "wrong", address: str = HERE, page: str = "/login/") -> HttpResponse:
    return Client(REMOTE_ADDR=address).post(page, {"username": name, "password": password})


def is_in(response: HttpResponse) -> bool:
    return response.status_code == 302


def fail(times: int, name: str, address: str = HERE) -> None:
    for _ in range(times):
        assert login(name, address=address).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_after_some_failures_the_right_password_is_refused_as_a_wrong_one_is(user: User, page: str) -> None:
    user.is_staff = True
    user.save()
    fail(3, "user")
    right, wrong = login("user", RIGHT, page=page), login("user", page=page)
    assert right.status_code == wrong.status_code == 429
    assert re.sub(r"\d+", "", right.content.decode()) == re.sub(r"\d+", "", wrong.content.decode())
    assert "sessionid" not in right.cookies


def test_the_old_password_of_a_change_is_not_guessed_either(user: User) -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.force_login(user)
    answers = [
        client.post("/account/password/", {"old_password": old, "new_password1": NEW, "new_password2": NEW})
        for old in ("wrong", "wrong", "wrong", RIGHT)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    user.refresh_from_db()
    assert user.check_password(RIGHT)
    assert client.get("/admin/password_change/")["Location"] == "/account/password/"


def test_the_refusal_is_a_page_that_names_the_limit_and_the_time(user: User) -> None:
    fail(3, "user")
    before = counts().get("throttled_logins", 0)
    answer = login("user")
    text = answer.content.decode()
    assert 0 < int(answer["Retry-After"]) <= 86_400
    assert "More than 3 failed logins with this name from your address" in text
    assert "LOGIN_FAILURES" in text
    assert "Try again in" in text
    assert counts()["throttled_logins"] == before + 1


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("failures", [0, 3])
def test_a_huge_password_does_not_stay_in_memory(without_collector: None, user: User, page: str, failures: int) -> None:
    fail(failures, "user")
    gc.collect()
    login("user", "x" * 1_000_007, page=page)
    others = (each for each in gc.get_objects() if type(each) is not FrameType or each.f_code is not login.__code__)
    kept = (each for holder in others for each in gc.get_referents(holder) if type(each) is str)
    assert 1_000_007 not in map(len, kept)


def test_an_unknown_name_is_refused_as_a_known_one_is(user: User) -> None:
    answers = []
    for name, address in (("user", HERE), ("nobody", THERE)):
        fail(3, name, address)
        answers.append(re.sub(r"\d+", "", login(name, address=address).content.decode()))
    assert answers[0] == answers[1]


def test_an_unknown_name_costs_the_same_work(user: User) -> None:
    """A hash for each failed login, and none for a refused one."""
    with mock.patch.object(PBKDF2PasswordHasher, "encode", autospec=True, side_effect=PBKDF2PasswordHasher.encode) as h:
        for name in ("user", "nobody"):
            h.reset_mock()
            fail(3, name)
            hashed = h.call_count
            login(name, RIGHT)
            assert (hashed, h.call_count) == (3, 3), name


def test_a_spelling_of_the_name_has_no_budget_of_its_own(user: User) -> None:
    fail(2, "user")
    fail(1, "USER")
    assert login("\uff55ser", RIGHT).status_code == 429  # a full-width u, which Django reads as u


def test_other_addresses_are_not_locked_out(user: User) -> None:
    fail(3, "user")
    assert is_in(login("user", RIGHT, THERE))


def test_one_address_with_many_accounts(user: User) -> None:
    for number in range(6):
        fail(1, f"account-{number}")
    assert "failed logins from your address" in login("user", RIGHT).content.decode()
    assert is_in(login("user", RIGHT, THERE))


def test_a_success_does_not_reset_the_budget_of_the_address(user: User) -> None:
    for number in range(5):
        fail(1, f"account-{number}")
    assert is_in(login("user", RIGHT))
    fail(1, "account-6")
    assert login("account-7").status_code == 429


def test_successful_logins_cost_nothing(user: User) -> None:
    for _ in range(10):
        assert is_in(login("user", RIGHT))


def test_many_addresses_against_one_account(user: User) -> None:
    for number in range(8):
        fail(1, "user", f"198.51.100.{number}")
    assert "failed logins with this name in" in login("user", RIGHT, "198.51.100.100").content.decode()


def test_the_owner_still_logs_in_from_a_known_address(user: User) -> None:
    assert is_in(login("user", RIGHT, THERE))
    for number in range(8):
        fail(1, "user", f"203.0.113.{number}")
    assert login("user", RIGHT, HERE).status_code == 429
    assert is_in(login("user", RIGHT, THERE))


def test_a_known_address_has_its_own_budget_all_the_same(user: User) -> None:
    assert is_in(login("user", RIGHT))
    fail(3, "user")
    assert login("user", RIGHT).status_code == 429


def test_the_address_of_this_machine_has_no_budget_of_its_own(user: User) -> None:
    for number in range(10):
        fail(1, f"account-{number}", "127.0.0.1")
    assert is_in(login("user", RIGHT, "127.0.0.1"))


def test_an_account_has_its_budget_from_this_machine_too(user: User) -> None:
    fail(3, "user", "127.0.0.1")
    assert login("user", RIGHT, "127.0.0.1").status_code == 429


def test_a_refused_login_writes_nothing(user: User, django_assert_num_queries: object) -> None:
    fail(3, "user")
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert login("user", RIGHT).status_code == 429


def test_code_that_checks_a_password_is_bound_too(user: User) -> None:
    for _ in range(3):
        assert authenticate(username="user", password="wrong") is None
    assert authenticate(username="user", password=RIGHT) is None


@pytest.mark.parametrize("name", ["LOGIN_FAILURES", "LOGIN_ADDRESS_FAILURES", "LOGIN_ACCOUNT_FAILURES"])
def test_zero_switches_a_budget_off(user: User, settings: Settings, name: str) -> None:
    everything = {"LOGIN_FAILURES": 1, "LOGIN_ADDRESS_FAILURES": 0, "LOGIN_ACCOUNT_FAILURES": 0}
    settings.REALTIME = {**everything, "LOGIN_FAILURES": 0, name: 0}
    fail(12, "user")
    assert is_in(login("user", RIGHT))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("a socket's path", ""),
    ],
)
def test_the_address_of_a_request(text: str, address: str) -> None:
    assert address_of(RequestFactory(REMOTE_ADDR=text).get("/")) == address
    assert address_of(None) == ""
