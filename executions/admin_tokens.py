"""The admin of the tokens of workers: who may do what, since when, and an action that revokes. It makes no tokens: they
are shown once, on the terminal of `manage.py tokens create`."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from executions.models import WorkerToken

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[WorkerToken]
else:
    _ModelAdmin = admin.ModelAdmin


class WorkerTokenAdmin(_ModelAdmin):
    list_display = ("name", "scope", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name",)
    ordering = ("-created_at",)
    actions = ("revoke_selected",)
    fields = readonly_fields = list_display

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[WorkerToken]:
        return super().get_queryset(request).prefetch_related("users", "graphs")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="may start runs for")
    def scope(self, token: WorkerToken) -> str:
        return token.scope

    @admin.action(description="Revoke selected worker tokens", permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: models.QuerySet[WorkerToken]) -> None:
        tokens = list(queryset.filter(revoked_at__isnull=True))
        for token in tokens:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"{len(tokens)} worker tokens are refused from now on.", messages.SUCCESS)
