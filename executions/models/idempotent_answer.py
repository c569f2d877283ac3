"""The answer to a request of a worker, which is sent again if the worker repeats the request."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions.models.worker_token import WorkerToken

KEY_LENGTH = 255


class IdempotentAnswer(models.Model):
    """A stored answer, or the id of the row that it showed. It is written in the transaction of the request, so both
    are committed or neither."""

    token = models.ForeignKey(WorkerToken, models.CASCADE, related_name="answers", db_index=False)
    key = models.CharField(max_length=KEY_LENGTH)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(default="", help_text="Empty if the answer is long.")
    shown = models.UUIDField(null=True, help_text="The execution or node execution that a long answer showed.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "key"], name="idempotent_answer_once"),
            models.CheckConstraint(name="idempotent_answer_key", condition=~Q(key="")),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]

    def __str__(self) -> str:
        return self.key
