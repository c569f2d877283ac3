"""The pages of a person's account: their sessions, and their password."""

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_GET, require_POST

from executions.web import sessions

MAX_PASSWORD: Final = 4_096  # characters


@login_required
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    shown = sessions.sessions_of(request.user, request.session.session_key)
    return render(request, "executions/account.html", {"sessions": shown, "has_others": len(shown) > 1})


@login_required
@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    if sessions.end_session(request.user, session_id):
        messages.success(request, "The session has ended.")
    return redirect("account")


@login_required
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    ended = sessions.end_other_sessions(request.user, request.session.session_key)
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("account")


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


class PasswordPage(PasswordChangeView):
    """A new password keeps this session and ends the others."""

    form_class = PasswordForm
    template_name = "executions/password_change.html"
    success_url = reverse_lazy("account")

    def get_form(self, form_class: Any = None) -> Any:
        form: Any = super().get_form(form_class)
        form.request = self.request
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        old_key = self.request.session.session_key
        response = super().form_valid(form)
        new_key = self.request.session.session_key
        sessions.move(old_key, new_key)
        sessions.end_other_sessions(self.request.user, new_key)
        messages.success(self.request, "The password is changed, and your other sessions have ended.")
        return response
