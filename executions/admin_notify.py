"""The admin action that notifies users. A page between asks for type and text."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from executions.models import Notification
from executions.services import notify_user

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Notification]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelForm = forms.ModelForm
    _ModelAdmin = admin.ModelAdmin

_SHOWN = 20  # names of users on the page; of the others it shows the number


class NotificationForm(_ModelForm):
    class Meta:
        model = Notification
        fields = ("type", "event")
        widgets = {"event": forms.Textarea(attrs={"rows": 4, "cols": 60})}

    type = forms.CharField(max_length=100, initial="info")


class NotifyUsers(_ModelAdmin):
    """Adds the action `notify_selected` to an admin, which must name it in `actions`. The action needs the permission
    to add notifications."""

    def users_to_notify(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """The users to notify for the selected rows."""
        raise NotImplementedError

    def has_notify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("executions.add_notification")

    @admin.action(description="Notify the users of the selection", permissions=["notify"])
    def notify_selected(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        users = self.users_to_notify(queryset)
        form = NotificationForm(request.POST if "notify" in request.POST else None)
        if form.is_valid():
            # All or none, so that a retry after an error notifies no user twice.
            with transaction.atomic():
                count = 0
                for user in users:
                    notify_user(user, **form.cleaned_data)
                    count += 1
            self.message_user(
                request, f"{count} {'user was' if count == 1 else 'users were'} notified.", messages.SUCCESS
            )
            return None
        count = users.count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Notify users",
            "opts": self.opts,
            "form": form,
            "users": users[:_SHOWN],
            "count": count,
            "more": max(0, count - _SHOWN),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/executions/notify_users.html", context)
