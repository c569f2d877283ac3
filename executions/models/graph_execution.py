"""One run of a graph."""

import re
from collections.abc import Collection
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions import signals
from executions.conf import limits
from executions.events import GraphExecutionDeleted, GraphExecutionEvent
from executions.fields import CharField, JSONField
from executions.models.graph import Graph
from executions.recording.status_model import StatusModel, status_constraint
from executions.recording.status_times import StatusTimes
from executions.statuses import ExecutionStatus

# Both conditions are true for every row. They keep PostgreSQL from a bad plan: for the list of one user or graph it may
# scan the short index on the age alone and filter the rows. If all runs of this user or graph are old, it reads all
# newer rows. So the two indexes over the executions of all users are partial. Only queries with one of these conditions
# can use them.
OF_ALL_BY_AGE = Q(attempt__gte=1)
OF_ALL_BY_STATUS = Q(graph_version__gte=1)

ORIGIN = (
    *("organization_id", "team_id", "expert_id"),
    *("trigger_source", "trigger_ref", "schedule_id", "webhook_id"),
)
"""Where a run comes from: whose it is besides its user's, and what has started it. Columns of text, null unless set.
Runwire sends them in events, for frontends that filter by them. An access policy may read the first two."""

OF_A_TEAM = Q(team_id__isnull=False)

SHARE_TOKEN = "[A-Za-z0-9_-]{22,255}"  # noqa: S105 - the form of one; too long to be guessed

SHARING = frozenset({"is_shared", "share_token", "share_expires_at"})
"""The fields that say who may see the run by a link."""


class GraphExecution(StatusModel):
    """One run of a graph, with the definition that the graph had at the start."""

    event_fields = frozenset(
        {
            *("user", "graph", "graph_version", "preset_id", "status", "started_at", "ended_at", "stats", "inputs"),
            *("credential_inputs", "nodes_input_masks", "outputs", "is_shared", "share_token", "is_dry_run"),
            *ORIGIN,
        }
    )
    trigger_fields = event_fields | SHARING
    identity_fields = frozenset({"user", "graph"})
    access_fields = frozenset({"organization_id", "team_id"})
    status_times = StatusTimes(running="started_at", ended="ended_at")
    created_signal = changed_signal = signals.graph_execution_changed
    deleted_signal = signals.graph_execution_deleted
    reassigned_signal = signals.graph_executions_reassigned

    # No own index: indexes below start with these columns.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="graph_executions", db_index=False)
    graph = models.ForeignKey(Graph, models.CASCADE, related_name="executions", db_index=False)
    graph_version = models.PositiveIntegerField(default=1)
    definition = JSONField(default=dict, blank=True, help_text="Nodes and links of the graph when this run started.")
    preset_id = CharField(max_length=255, null=True, blank=True)
    attempt = models.PositiveIntegerField(
        default=1,
        help_text="How often this run was begun; a run that is queued again after its termination begins anew.",
    )

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    inputs = JSONField(default=dict, blank=True)
    credential_inputs = JSONField(null=True, blank=True)
    nodes_input_masks = JSONField(null=True, blank=True)
    outputs = JSONField(default=dict, blank=True, help_text="Name → list of values.")
    stats = JSONField(null=True, blank=True)

    is_shared = models.BooleanField(default=False)
    share_token = CharField(max_length=255, null=True, blank=True, unique=True)
    share_expires_at = models.DateTimeField(null=True, blank=True, help_text="The link ends then; empty: never.")
    is_dry_run = models.BooleanField(default=False)

    organization_id = CharField(max_length=255, null=True, blank=True)
    team_id = CharField(max_length=255, null=True, blank=True)
    expert_id = CharField(max_length=255, null=True, blank=True)
    trigger_source = CharField(max_length=255, null=True, blank=True)
    trigger_ref = CharField(max_length=255, null=True, blank=True)
    schedule_id = CharField(max_length=255, null=True, blank=True)
    webhook_id = CharField(max_length=255, null=True, blank=True)

    runner = CharField(max_length=255, blank=True, default="", help_text="Who runs this, where it says so.")
    lease_expires_at = models.DateTimeField(null=True, blank=True, help_text="The runner is gone if it lets this pass.")
    queued_bytes = models.PositiveIntegerField(
        default=0, editable=False, help_text="About the bytes of definition and inputs, for the caps of the queue."
    )
    lease_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="For so long a worker may be silent; empty: as long as it likes."
    )

    class Meta(StatusModel.Meta):
        constraints = [
            status_constraint("graph_execution_status"),
            models.CheckConstraint(name="graph_execution_version_from_1", condition=Q(graph_version__gte=1)),
            models.CheckConstraint(name="graph_execution_attempt_from_1", condition=Q(attempt__gte=1)),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="graph_execution_of_user"),
            models.Index(fields=["graph", "-created_at"], name="graph_execution_of_graph"),
            models.Index(fields=["user", "status", "-created_at"], name="graph_execution_of_user_status"),
            models.Index(fields=["user", "graph", "-created_at"], name="graph_execution_of_user_graph"),
            models.Index(fields=["user", "graph", "status", "-created_at"], name="graph_execution_of_user_both"),
            models.Index(fields=["graph", "status", "-created_at"], name="graph_execution_of_graph_both"),
            models.Index(fields=["-created_at"], name="graph_execution_newest", condition=OF_ALL_BY_AGE),
            models.Index(
                fields=["status", "-created_at"], name="graph_execution_of_status", condition=OF_ALL_BY_STATUS
            ),
            *(
                models.Index(
                    fields=["team_id", *more, "-created_at"], name=f"graph_execution_of_team{name}", condition=OF_A_TEAM
                )
                for name, more in {
                    "": (),
                    "_status": ("status",),
                    "_graph": ("graph",),
                    "_both": ("graph", "status"),
                }.items()
            ),
            models.Index(fields=["runner", "created_at"], name="graph_execution_of_runner"),
            models.Index(fields=["runner", "status", "created_at"], name="graph_execution_of_runner_both"),
            models.Index(
                fields=["status", "lease_expires_at"],
                name="graph_execution_to_run",
                condition=Q(status__in=[ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value]),
            ),
        ]

    _known_sharing: tuple[Any, ...] | None = None  # as the row was read or written here last; None: it is not known

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        row = super().from_db(*args, **kwargs)
        row._known_sharing = row._sharing
        return row

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._known_sharing = None

    def clean(self) -> None:
        super().clean()
        if self.share_token and not re.fullmatch(SHARE_TOKEN, self.share_token):
            raise ValidationError({"share_token": "It has 22 to 255 letters, digits, - and _, so nobody can guess it."})

    @property
    def _sharing(self) -> tuple[Any, ...] | None:
        """The values of SHARING, if they are loaded."""
        values = self.__dict__
        return tuple(values[name] for name in SHARING) if values.keys() >= SHARING else None

    def guess(self, names: Collection[str]) -> dict[str, Any]:
        if self._known_sharing is None or not set(names) >= SHARING:
            return {}
        known = dict(zip(SHARING, self._known_sharing, strict=True))
        return {name: value for name, value in known.items() if value is not None}

    def drop_guess(self) -> None:
        self._known_sharing = None

    def changed_fields(self, names: Collection[str]) -> frozenset[str]:
        """A full save leaves the sharing as it is if its UPDATE has found what the instance knew, and has written it
        again."""
        fields = frozenset(names)
        if not fields & SHARING:
            return fields
        known, self._known_sharing = self._known_sharing, self._sharing
        return fields - SHARING if known is not None and known == self._known_sharing else fields

    def to_event(self) -> GraphExecutionEvent:
        return GraphExecutionEvent.model_validate(
            {
                "id": str(self.pk),
                "user_id": str(self.user_id),
                "graph_id": str(self.graph_id),
                "graph_version": self.graph_version,
                "preset_id": self.preset_id,
                "status": self.status,
                "started_at": self.started_at,
                "ended_at": self.ended_at,
                "stats": self.stats,
                "inputs": self.inputs,
                "credential_inputs": self.credential_inputs if limits.SHOW_CREDENTIAL_INPUTS else None,
                "nodes_input_masks": self.nodes_input_masks,
                "outputs": self.outputs,
                "is_shared": self.is_shared,
                "share_token": self.share_token,
                "is_dry_run": self.is_dry_run,
                **{name: getattr(self, name) for name in ORIGIN},
            }
        )

    def deleted_event(self) -> GraphExecutionDeleted:
        return GraphExecutionDeleted(
            id=str(self.pk), user_id=str(self.user_id), graph_id=str(self.graph_id), is_shared=self.is_shared
        )
