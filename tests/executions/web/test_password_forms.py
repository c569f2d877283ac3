"""The forms that check a password. tests/config/test_logins.py has how many may fail."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from executions.web.password_forms import MAX_PASSWORD, AdminLoginForm, LoginForm, PasswordForm

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("form_class", [LoginForm, AdminLoginForm])
@pytest.mark.parametrize(("length", "is_right"), [(MAX_PASSWORD, True), (MAX_PASSWORD + 1, False)])
def test_a_password_has_a_length(user: User, form_class: type[LoginForm], length: int, is_right: bool) -> None:
    user.is_staff = True
    user.set_password("x" * MAX_PASSWORD)
    user.save()
    form = form_class(RequestFactory().post("/"), {"username": "user", "password": "x" * length})
    assert form.is_valid() is is_right, form.errors
    assert len(form.cleaned_data["password"]) == length
    form = form_class(RequestFactory().post("/"), {"username": "user", "password": "x" * 100 * MAX_PASSWORD})
    assert not form.is_valid()
    assert len(form.cleaned_data["password"]) == MAX_PASSWORD + 1


@pytest.mark.parametrize(("old", "is_right"), [("an old password", True), ("another one", False)])
def test_the_old_password_is_checked(user: User, old: str, is_right: bool) -> None:
    user.set_password("an old password")
    user.save()
    form = PasswordForm(user, {"old_password": old, "new_password1": "another 3974", "new_password2": "another 3974"})
    form.request = RequestFactory().post("/")
    assert form.is_valid() is is_right, form.errors


def test_the_fields_tell_the_browser() -> None:
    assert f'maxlength="{MAX_PASSWORD}"' in Client().get("/login/").content.decode()
