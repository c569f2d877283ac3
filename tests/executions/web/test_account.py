"""The pages of a person's account."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.models import UserSession
from tests.executions.web.pages import text_of, url

OLD, NEW = "an old password of theirs", "a new password of theirs"


def login(user: User, password: str = "") -> Client:
    client = Client()
    if password:
        assert client.login(username=user.username, password=password)
    else:
        client.force_login(user)
    return client


@pytest.fixture
def member(user: User) -> User:
    user.set_password(OLD)
    user.save()
    return user


def change(client: Client, old: str = OLD, new: str = NEW, again: str = "") -> object:
    data = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return client.post(url("password-change"), data)


@pytest.mark.parametrize("name", ["account", "password-change", "end-other-sessions"])
def test_the_pages_need_a_login(name: str, db: None) -> None:
    for answer in (Client().get(url(name)), Client().post(url(name))):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/")


def test_the_account_is_linked_from_each_page(page: Client) -> None:
    assert f'href="{url("account")}"' in page.get("/").content.decode()


def test_the_list_names_each_session(page: Client, user: User) -> None:
    login(user)
    UserSession.objects.update(browser="Firefox/140 Linux", address="192.0.2.7")
    text = text_of(page.get(url("account")))
    assert text.count("Firefox on Linux") == 2
    assert text.count("192.0.2.7") == 2
    assert text.count("this session") == 1
    assert not any(row.session_key in page.get(url("account")).content.decode() for row in UserSession.objects.all())


def test_one_session_or_all_others_are_ended(page: Client, user: User, other_user: User) -> None:
    second, third, foreign = login(user), login(user), login(other_user)
    row = UserSession.objects.get(session_key=second.session.session_key)
    page.post(url("end-session", row.pk))
    assert second.get("/").status_code == 302
    assert third.get("/").status_code == 200
    page.post(url("end-other-sessions"))
    assert third.get("/").status_code == 302
    assert page.get("/").status_code == foreign.get("/").status_code == 200


def test_a_session_of_somebody_else_is_not_ended(page: Client, other_user: User) -> None:
    foreign = login(other_user)
    row = UserSession.objects.get(session_key=foreign.session.session_key)
    page.post(url("end-session", row.pk))
    assert foreign.get("/").status_code == 200


def test_a_session_is_ended_by_a_post_with_a_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    row = UserSession.objects.get()
    assert client.post(url("end-session", row.pk)).status_code == 403
    assert client.get(url("end-session", row.pk)).status_code == 405


def test_a_new_password_keeps_this_session_and_ends_the_others(member: User) -> None:
    own, other = login(member, OLD), login(member, OLD)
    answer = change(own)
    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert "your other sessions have ended" in text_of(own.get(url("account")))
    assert other.get("/").status_code == 302
    assert [row.session_key for row in UserSession.objects.all()] == [own.session.session_key]
    assert login(member, NEW).get("/").status_code == 200
    assert not Client().login(username=member.username, password=OLD)


@pytest.mark.parametrize(
    ("old", "new", "again", "message"),
    [
        ("wrong", NEW, "", "incorrect"),
        (OLD, "short", "", "too short"),
        (OLD, "12345678901", "", "numeric"),
        (OLD, "password123", "", "too common"),
        (OLD, NEW, "another", "match"),
    ],
)
def test_a_bad_password_changes_nothing(member: User, old: str, new: str, again: str, message: str) -> None:
    own, other = login(member, OLD), login(member, OLD)
    answer = change(own, old, new, again)
    assert message in text_of(answer)
    assert other.get("/").status_code == 200
    assert Client().login(username=member.username, password=OLD)


def test_only_a_user_with_a_password_is_offered_a_change(page: Client, user: User) -> None:
    user.set_unusable_password()
    user.save()
    page.force_login(user)
    assert "Change the password" not in text_of(page.get(url("account")))
    user.set_password(OLD)
    user.save()
    page.force_login(user)
    assert "Change the password" in text_of(page.get(url("account")))
