"""The token of a worker that reports over HTTP."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions.fields import CharField

NAME_LENGTH = 100

WORKER = "worker:"
"""Prefix of the `runner` of executions that a worker reports over HTTP."""


class WorkerToken(models.Model):
    """A secret token. Only its SHA-256 is stored.

    `name` is the name of the worker. The executions that it creates have the runner `worker:<name>`. So a new token
    with the same name can continue the executions of a revoked one.
    """

    name = CharField(max_length=NAME_LENGTH)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"], name="worker_token_name_in_use", condition=Q(revoked_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def runner(self) -> str:
        """The `runner` of the executions of this worker."""
        return f"{WORKER}{self.name}"
