"""A notification for one user."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions import signals
from executions.events import NotificationDeleted, NotificationEvent, NotificationPayload, NotificationRead
from executions.fields import CharField, JSONField, TextField
from executions.recording.signalling_model import SignallingModel


class Notification(SignallingModel):
    """A message to one user. Its creation sends a signal, and so does each change between read and unread. A change of
    its text sends none, because the user has already received the old text. One that is unread again is told as a
    whole."""

    event_fields = frozenset({"user", "type", "event", "extra", "read_at"})
    trigger_fields = frozenset({"read_at"})
    identity_fields = frozenset({"user"})
    old_value_field = "read_at"
    created_signal = signals.notification_created
    changed_signal = signals.notification_read
    deleted_signal = signals.notification_deleted

    # No own index: an index below starts with this column.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications", db_index=False)
    type = CharField(max_length=100)
    event = TextField()
    extra = JSONField(default=dict, blank=True, help_text="What else the payload says: name → value.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta(SignallingModel.Meta):
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notification_of_user"),
            models.Index(fields=["user"], name="notification_unread", condition=Q(read_at__isnull=True)),
            models.Index(fields=["-created_at"], name="notification_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.type}: {self.event[:200]}"

    def to_event(self) -> NotificationEvent:
        if not isinstance(self.extra, dict):
            raise ValueError(f"extra is a {type(self.extra).__name__}; it must be a dictionary, name → value.")
        payload = NotificationPayload.model_validate({**self.extra, "type": self.type, "event": self.event})
        return NotificationEvent(id=str(self.pk), user_id=str(self.user_id), payload=payload)

    def created_event(self) -> NotificationEvent:
        return self.to_event().model_copy(update={"read": self.read_at is not None})

    def changed_event(self, old_value: Any) -> NotificationRead | None:
        is_read = self.read_at is not None
        if is_read == (old_value is not None):
            return None
        payload = None if is_read else self.to_event().payload
        return NotificationRead(id=str(self.pk), user_id=str(self.user_id), read=is_read, payload=payload)

    def deleted_event(self) -> NotificationDeleted:
        return NotificationDeleted(id=str(self.pk), user_id=str(self.user_id))

    def _read_old_value(self, using: str | None, names: Collection[str]) -> Any:
        if "read_at" not in names or self._state.adding:
            return None
        rows = type(self)._base_manager.using(using).filter(pk=self.pk).select_for_update(no_key=True)
        return rows.values_list("read_at", flat=True).first()
