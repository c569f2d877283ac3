"""What admin shows of streams: read only, since nothing but the log's own functions may change them."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from realtime.models import Stream, StreamEvent

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # at run time the class takes no parameters
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
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
    show_full_result_count = False


@admin.register(StreamEvent)
class StreamEventAdmin(ReadOnlyAdmin):
    list_display = ("stream_key", "seq", "method", "entity", "size", "created_at")
    list_filter = ("method",)
    search_fields = ("stream__key", "entity")
    ordering = ("-id",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamEvent]:
        return super().get_queryset(request).select_related("stream")

    @admin.display(description="stream")
    def stream_key(self, event: StreamEvent) -> str:
        return event.stream.key if event.stream else f"{event.key} (not numbered yet)"
