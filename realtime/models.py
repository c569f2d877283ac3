"""The log: streams and their events.

An event is inserted in the transaction of the change that it tells of. As long as it has no number it has the key of
its stream; when it is numbered it gets its stream and `seq`, and `key` is emptied. So whatever is committed is either
numbered or found by the sweep through the partial index on `key`. No writer waits for a stream.
"""

import secrets

from django.db import models
from django.db.models import F, Q

KEY_LENGTH = 650  # three ids of MAX_ID_LENGTH, and in UTF-8 no more than an index of PostgreSQL takes (2,704 bytes)
ENTITY_LENGTH, METHOD_LENGTH = 255, 64


def new_epoch() -> str:
    """A random id for a stream's history."""
    return secrets.token_urlsafe(12)


class Stream(models.Model):
    """An ordered sequence of events: 1, 2, 3 … `head` without holes; every event with seq > `floor` is kept."""

    key = models.CharField(max_length=KEY_LENGTH)
    epoch = models.CharField(max_length=32, default=new_epoch)
    head = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="stream_key"),
            models.CheckConstraint(name="stream_floor_within_head", condition=Q(floor__gte=0, floor__lte=F("head"))),
        ]

    def __str__(self) -> str:
        return self.key


class StreamEvent(models.Model):
    """An entry of a stream. `data` is the JSON text as it goes over the wire; where two streams hold one event, the
    second refers to the first through `data_of` instead of holding it again."""

    stream = models.ForeignKey(Stream, models.CASCADE, null=True, db_index=False, related_name="events")
    seq = models.BigIntegerField(null=True)
    key = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    entity = models.CharField(max_length=ENTITY_LENGTH)
    method = models.CharField(max_length=METHOD_LENGTH)
    data = models.TextField(null=True)  # noqa: DJ001 - absent is not empty
    data_of = models.ForeignKey("self", models.PROTECT, null=True, db_index=False, related_name="+")
    size = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "seq"], name="stream_event_seq"),
            models.CheckConstraint(
                name="stream_event_numbered_or_not",
                condition=Q(stream__isnull=True, seq__isnull=True) & ~Q(key="")
                | Q(stream__isnull=False, seq__isnull=False, key=""),
            ),
            models.CheckConstraint(
                name="stream_event_data_once",
                condition=Q(data__isnull=False, data_of__isnull=True) | Q(data__isnull=True, data_of__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["key", "id"], name="stream_event_unnumbered", condition=Q(seq__isnull=True)),
            models.Index(fields=["stream", "entity", "-seq"], name="stream_event_newest"),
            models.Index(fields=["data_of"], name="stream_event_data_of", condition=Q(data_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.key or self.stream_id}:{self.seq}"
