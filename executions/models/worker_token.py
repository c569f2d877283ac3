"""The token of a worker that reports over HTTP."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions.fields import CharField

NAME_LENGTH = 100

SHOWN = 5  # users or graphs of a scope that are listed by name

WORKER = "worker:"
"""Prefix of the `runner` of executions that a worker reports over HTTP."""


class WorkerToken(models.Model):
    """A secret token. Only its SHA-256 is stored.

    `name` is the name of the worker. The executions that it creates have the runner `worker:<name>`. So a new token
    with the same name can continue the executions of a revoked one.

    `executions.api.worker_scope` decides by the scope. The lists count where `all_users` or `all_graphs` is false, so
    that a list whose last user is deleted does not become "all".
    """

    name = CharField(max_length=NAME_LENGTH)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    all_users = models.BooleanField(default=False, editable=False)
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", editable=False)
    all_graphs = models.BooleanField(default=False, editable=False)
    graphs = models.ManyToManyField("executions.Graph", related_name="+", editable=False)

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

    @property
    def scope(self) -> str:
        """For whom, and which graphs, in words. Reads the database, unless both lists are prefetched."""
        if self.all_users and self.all_graphs:
            return "all"
        users = "all users" if self.all_users else f"users: {_listed(user.get_username() for user in self.users.all())}"
        graphs = "their own graphs"
        if not self.all_graphs:
            graphs = f"graphs: {_listed(f'{graph.name} ({graph.pk})' for graph in self.graphs.all())}"
        return f"{users}; {graphs}"


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:SHOWN]) + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "") or "none"
