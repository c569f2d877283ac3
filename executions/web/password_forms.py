"""The forms that check a password."""

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

MAX_PASSWORD: Final = 4_096  # characters


class PasswordField(forms.CharField):
    """Cuts what is longer than any password, so that it is a wrong one. Django's own fields have no limit, and forms
    and their errors stay in memory for a while."""

    def __init__(self, label: str) -> None:
        attributes = {"autocomplete": "current-password", "maxlength": MAX_PASSWORD}
        super().__init__(label=label, strip=False, widget=forms.PasswordInput(attributes))

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value))[: MAX_PASSWORD + 1]


class LoginForm(AuthenticationForm):
    password = PasswordField("Password")


class AdminLoginForm(AdminAuthenticationForm):
    password = PasswordField("Password")


class PasswordForm(PasswordChangeForm[Any] if TYPE_CHECKING else PasswordChangeForm):  # type: ignore[misc]
    """The old password is checked by the authentication backends, as at a login: so guesses are bounded there, too."""

    request: HttpRequest
    old_password = PasswordField("Old password")

    def clean_old_password(self) -> str:
        old_password = str(self.cleaned_data["old_password"])
        name = {self.user.USERNAME_FIELD: self.user.get_username()}
        if authenticate(self.request, **name, password=old_password) != self.user:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old_password
