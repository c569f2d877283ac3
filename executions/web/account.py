"""The pages of a person's account: their sessions, and their password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_GET, require_POST

from executions.web import sessions
from executions.web.password_forms import PasswordForm


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
