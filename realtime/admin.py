"""The admin pages of streams, events and housekeeping. They are read only: only functions of realtime may change these
rows."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from realtime.housekeeping.runner import describe
from realtime.models import HousekeepingJob, Stream, StreamEvent

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # at run time these classes take no type parameters
    AnyPaginator = Paginator[Any]
else:
    ModelAdmin = admin.ModelAdmin
    AnyPaginator = Paginator


class CappedPaginator(AnyPaginator):
    """Counts at most MAX_COUNT rows, since a full count of a long log takes seconds for each page. Older rows are found
    by search."""

    MAX_COUNT = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: self.MAX_COUNT].count()


class ReadOnlyAdmin(ModelAdmin):
    paginator = CappedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Stream)
class StreamAdmin(ReadOnlyAdmin):
    list_display = ("key", "head", "floor", "epoch", "created_at")
    search_fields = ("key",)
    ordering = ("-id",)


@admin.register(StreamEvent)
class StreamEventAdmin(ReadOnlyAdmin):
    list_display = ("stream_key", "seq", "method", "entity", "size", "created_at")
    search_fields = ("stream__key", "=entity")
    search_help_text = "A part of a stream's key, or a whole entity"
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamEvent]:
        return super().get_queryset(request).select_related("stream")

    @admin.display(description="stream")
    def stream_key(self, event: StreamEvent) -> str:
        return event.stream.key if event.stream else f"{event.key} (not numbered yet)"


@admin.register(HousekeepingJob)
class HousekeepingJobAdmin(ReadOnlyAdmin):
    list_display = ("name", "started_at", "seconds", "what_it_did", "total", "next_at", "holder", "error")
    ordering = ("name",)

    @admin.display(description="did")
    def what_it_did(self, job: HousekeepingJob) -> str:
        return describe(job.did)
