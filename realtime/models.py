"""The tables of the log: streams and their events. And the table of the jobs that keep the log from growing.

An event is inserted in the transaction of the change that it describes. It has the key of its stream, and no number.
When it is numbered, it gets its stream and `seq`, and `key` becomes empty. So each committed event is either numbered,
or the sweep finds it through the partial index on `key`. No writer waits for the row of a stream.
"""

import secrets

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

KEY_LENGTH = 650  # three ids of MAX_ID_LENGTH; in UTF-8 it fits into an index entry of PostgreSQL (2,704 bytes)
ENTITY_LENGTH, METHOD_LENGTH = 255, 64


def new_epoch() -> str:
    """A random id for one history of a stream."""
    return secrets.token_urlsafe(12)


class Stream(models.Model):
    """A sequence of events with the numbers 1, 2, 3 … `head`, without gaps. All events with seq > `floor` are kept."""

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
    """One event of a stream. `data` is JSON text, as on the wire. An event that is in two streams has two rows; the
    second row has no `data` and refers to the first with `data_of`."""

    stream = models.ForeignKey(Stream, models.CASCADE, null=True, db_index=False, related_name="events")
    seq = models.BigIntegerField(null=True)
    key = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    entity = models.CharField(max_length=ENTITY_LENGTH)
    method = models.CharField(max_length=METHOD_LENGTH)
    data = models.TextField(null=True)  # noqa: DJ001 - NULL means: see data_of
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


class HousekeepingJob(models.Model):
    """When a job of `realtime.housekeeping` is due, who runs it, and what its last run did."""

    name = models.CharField("job", max_length=64, primary_key=True)
    started_at = models.DateTimeField("last run", null=True)
    ended_at = models.DateTimeField("ended", null=True)
    seconds = models.FloatField("took, in seconds", null=True)
    did = models.JSONField(default=dict, help_text="What the last run removed or changed → how many.")
    total = models.BigIntegerField("in all", default=0)
    error = models.TextField("last error", default="")
    next_at = models.DateTimeField("next run", default=timezone.now)
    holder = models.CharField(max_length=150, default="", help_text="host:process:claim, while the job runs.")
    lease_expires_at = models.DateTimeField(null=True, help_text="After it another process may run the job.")

    def __str__(self) -> str:
        return self.name
