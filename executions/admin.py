"""Django's admin for graphs, executions and notifications.

An edit is an ORM write like any other: it is checked and sends a signal. A value that is not allowed is an error of the
form.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.http import HttpRequest

from executions import services
from executions.admin_notify import NotifyUsers
from executions.admin_status import StatusAdmin, StatusForm, shown
from executions.admin_tokens import WorkerTokenAdmin
from executions.conf import limits
from executions.models import Graph, GraphExecution, NodeExecution, Notification, WorkerToken
from executions.models.graph_execution import OF_ALL_BY_AGE
from executions.statuses import IllegalTransition
from executions.validation import cut
from executions.web.formatting import MAX_NAME

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[NodeExecution, GraphExecution]
    _UserAdmin = UserAdmin[User]
else:
    _ModelAdmin, _TabularInline, _UserAdmin = (
        admin.ModelAdmin,
        admin.TabularInline,
        UserAdmin,
    )

_NEWEST_NODES = 100  # on the page of an execution: Django accepts at most 1,000 form fields
_LARGE_FIELDS = ("definition", "inputs", "credential_inputs", "nodes_input_masks", "outputs", "stats")


@admin.register(Graph)
class GraphAdmin(_ModelAdmin):
    list_display = ("name", "owner", "version", "updated_at")
    list_select_related = ("owner",)
    list_filter = ("updated_at",)
    search_fields = ("^id", "name", "owner__username", "=team_id")
    date_hierarchy = "created_at"
    ordering = ("-updated_at",)
    autocomplete_fields = ("owner",)
    fields = (
        *("name", "owner", "organization_id", "team_id", "description"),
        *("version", "nodes", "links", "created_at", "updated_at"),
    )
    readonly_fields = ("version", "created_at", "updated_at")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Graph]:
        rows = super().get_queryset(request)
        return rows.defer("nodes", "links") if _is_list(request) else rows


class NodeExecutionInline(_TabularInline):
    model = NodeExecution
    form = StatusForm
    extra = 0
    show_change_link = True
    ordering = ("add_time", "id")
    fields = ("node_id", "block_id", "attempt", "status", "add_time", "queue_time", "start_time", "end_time")
    readonly_fields = tuple(name for name in fields if name != "status")
    verbose_name_plural = f"node executions (the newest {_NEWEST_NODES})"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the engine creates them

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[NodeExecution]:
        rows = super().get_queryset(request)
        if request.method == "POST":
            # The posted nodes, which may no longer be the newest. They are locked like their execution.
            return rows.order_by("pk").select_for_update(no_key=True)
        match = request.resolver_match
        of_execution = rows.filter(graph_execution=match.kwargs.get("object_id")) if match else rows.none()
        newest = of_execution.order_by("-add_time", "-id").values("pk")[:_NEWEST_NODES]
        return rows.filter(pk__in=list(newest.values_list("pk", flat=True))).defer("input_data", "output_data")


@admin.register(GraphExecution)
class GraphExecutionAdmin(NotifyUsers, StatusAdmin):
    list_display = ("id", "graph", "user", "status", "created_at", "started_at", "ended_at", "is_dry_run")
    list_select_related = ("user", "graph")
    list_filter = ("status", "is_dry_run", "is_shared", "created_at")
    search_fields = ("^id", "graph__name", "user__username", "preset_id", "runner", "=team_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ("terminate_selected", "requeue_selected", "notify_selected")
    autocomplete_fields = ("user", "graph")
    inlines = (NodeExecutionInline,)
    add_fields = ("user", "graph", "preset_id", "inputs", "is_dry_run")
    change_fields = (
        *("status", "preset_id", "organization_id", "team_id"),
        *("is_shared", "share_token", "share_expires_at"),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[GraphExecution]:
        rows = super().get_queryset(request)
        if _is_list(request):
            return rows.filter(OF_ALL_BY_AGE).defer(*_LARGE_FIELDS, "graph__nodes", "graph__links")
        return rows

    def get_fields(self, request: HttpRequest, obj: GraphExecution | None = None) -> tuple[Any, ...]:
        if obj is None:
            return self.add_fields
        return (*self.change_fields, *self.get_readonly_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: GraphExecution | None = None) -> tuple[Any, ...]:
        fields = () if obj is None else (field.name for field in GraphExecution._meta.concrete_fields)
        hidden = () if limits.SHOW_CREDENTIAL_INPUTS else ("credential_inputs",)
        return tuple(
            shown(name) if name in _LARGE_FIELDS else name
            for name in fields
            if name not in self.change_fields and name not in hidden
        )

    def get_inlines(self, request: HttpRequest, obj: GraphExecution | None) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: GraphExecution, form: Any, change: bool) -> None:
        if not change:
            obj.graph_version, obj.definition = obj.graph.version, obj.graph.definition
            obj.organization_id, obj.team_id = obj.graph.organization_id, obj.graph.team_id
        super().save_model(request, obj, form, change)

    @admin.action(description="Terminate selected graph executions", permissions=["change"])
    def terminate_selected(self, request: HttpRequest, queryset: models.QuerySet[GraphExecution]) -> None:
        self._apply(request, queryset, services.terminate_execution, "terminated")

    @admin.action(description="Queue selected graph executions again", permissions=["change"])
    def requeue_selected(self, request: HttpRequest, queryset: models.QuerySet[GraphExecution]) -> None:
        self._apply(request, queryset, services.requeue_execution, "queued again")

    def users_to_notify(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return User.objects.filter(pk__in=queryset.order_by().values("user"))

    def _apply(
        self,
        request: HttpRequest,
        queryset: models.QuerySet[GraphExecution],
        verb: Callable[[GraphExecution], GraphExecution],
        done: str,
    ) -> None:
        """Calls `verb` for each execution in its own transaction. A refused one does not stop the others."""
        refused: list[str] = []
        executions = list(queryset)
        for execution in executions:
            try:
                verb(execution)
            except (IllegalTransition, services.QueueIsFull) as error:
                refused.append(f"{execution.pk}: {error}")
            except ObjectDoesNotExist:
                refused.append(f"{execution.pk}: it has been deleted.")
            else:
                self.log_change(request, execution, f"{done.capitalize()}.")
        if count := len(executions) - len(refused):
            self.message_user(request, f"{count} {_executions(count)} {done}.", messages.SUCCESS)
        if refused:
            shown = " ".join(refused[:3]) + (" …" if len(refused) > 3 else "")
            text = f"{len(refused)} {_executions(len(refused))} not {done}. {shown}"
            self.message_user(request, text, messages.WARNING)


@admin.register(NodeExecution)
class NodeExecutionAdmin(StatusAdmin):
    list_display = ("node_id", "block_id", "status", "attempt", "graph_execution_id", "add_time", "end_time")
    list_filter = ("status", "add_time")
    search_fields = ("^id", "^graph_execution__id", "node_id", "block_id")
    ordering = ("-add_time",)
    readonly_fields = (  # type: ignore[assignment]
        *("graph_execution", "node_id", "block_id", "attempt"),
        *(shown("input_data"), shown("output_data")),
    )
    fields = ("status", *readonly_fields)  # type: ignore[assignment]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the engine creates them

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[NodeExecution]:
        rows = super().get_queryset(request)
        return rows.defer("input_data", "output_data") if _is_list(request) else rows


@admin.register(Notification)
class NotificationAdmin(_ModelAdmin):
    list_display = ("start_of_event", "type", "user", "created_at", "read_at")
    list_select_related = ("user",)
    list_filter = ("type", ("read_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("^id", "event", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    autocomplete_fields = ("user",)
    fields = ("user", "type", "event", "extra", "read_at", "created_at")
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Notification | None = None) -> tuple[str, ...]:
        return ("created_at",) if obj is None else ("user", "created_at")

    @admin.display(description="event", ordering="event")
    def start_of_event(self, notification: Notification) -> str:
        return cut(notification.event, MAX_NAME)


class NotifyingUserAdmin(NotifyUsers, _UserAdmin):
    actions = ("notify_selected",)

    def users_to_notify(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return queryset


admin.site.register(WorkerToken, WorkerTokenAdmin)
if admin.site.is_registered(User):  # a project with a custom user model adds NotifyUsers to its own admin
    admin.site.unregister(User)
    admin.site.register(User, NotifyingUserAdmin)


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and str(match.url_name).endswith("_changelist")


def _executions(count: int) -> str:
    return "graph execution was" if count == 1 else "graph executions were"
