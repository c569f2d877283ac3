"""A graph: nodes and links that can be run."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from pydantic import ValidationError as PydanticError

from executions import signals
from executions.events import GraphDeleted
from executions.fields import CharField, JSONField, TextField
from executions.graphs import parse_graph
from executions.recording.change import RefusedBeforeWrite
from executions.recording.storable_model import StorableModel
from executions.validation import sentences

_DEFINITION = ("nodes", "links")


class GraphQuerySet(models.QuerySet[Any]):
    """The rows of graphs. Bulk writes cannot change nodes and links: only `save()` checks both together and counts the
    version. Raises ValueError for them."""

    def update(self, **kwargs: Any) -> int:
        self._refuse_definitions(kwargs)
        return super().update(**kwargs)

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        fields = list(fields)
        self._refuse_definitions(fields)
        return super().bulk_update(objs, fields, batch_size)

    def bulk_create(self, objs: Iterable[Any], batch_size: int | None = None, *args: Any, **kwargs: Any) -> list[Any]:
        objs = list(objs)
        self._refuse_definitions(kwargs.get("update_fields") or ())
        for obj in objs:
            obj.prepare_to_write()
        return super().bulk_create(objs, batch_size, *args, **kwargs)

    @staticmethod
    def _refuse_definitions(names: Iterable[str]) -> None:
        if found := {"nodes", "links"}.intersection(names):
            raise ValueError(f"{' and '.join(sorted(found))}: only save() changes them, since it checks and counts.")


class Graph(StorableModel):
    """Nodes and links that can be run. `save()` raises ValidationError for others, with the path of each error.

    `version` starts at 1. Each save that changes nodes or links increments it. Callers must not set it.
    """

    deleted_signal = signals.graph_deleted

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="graphs")
    organization_id = CharField(max_length=255, null=True, blank=True)
    team_id = CharField(max_length=255, null=True, blank=True, help_text="Its executions get both, too.")
    name = CharField(max_length=200)
    description = TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1, editable=False)
    nodes = JSONField(default=list, blank=True)
    links = JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GraphQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        constraints = [models.CheckConstraint(name="graph_version_from_1", condition=models.Q(version__gte=1))]
        indexes = [models.Index(fields=["team_id"], name="graph_of_team", condition=models.Q(team_id__isnull=False))]

    def __str__(self) -> str:
        return self.name

    @property
    def definition(self) -> dict[str, Any]:
        """What an execution of this graph runs."""
        return {"nodes": self.nodes, "links": self.links}

    def clean(self) -> None:
        super().clean()
        _check(self.nodes, self.links)

    def prepare_to_write(self, names: Iterable[str] | None = None) -> None:
        super().prepare_to_write(None if names is None else set(names))
        if names is None:
            _check(self.nodes, self.links)

    def deleted_event(self) -> GraphDeleted:
        users = self.executions.order_by().values_list("user_id", flat=True).distinct()
        return GraphDeleted(id=str(self.pk), user_id=str(self.owner_id), user_ids=[str(pk) for pk in users])

    def _save_table(
        self,
        raw: bool = False,
        cls: type[models.Model] | None = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> bool:
        old_version = self.__dict__.get("version")
        try:
            if not raw and self._prepare_definition(using, self._written_names(update_fields)) and update_fields:
                update_fields = frozenset({*update_fields, "version", "updated_at"})
            arguments = (raw, cls, force_insert, force_update, using, update_fields)
            return bool(super()._save_table(*arguments))  # type: ignore[misc]
        except BaseException:
            if old_version is not None:
                self.version = old_version
            raise

    def _prepare_definition(self, using: str | None, names: set[str]) -> bool:
        """Checks the new definition and sets the version. Returns whether the save writes nodes or links."""
        if not names.intersection(_DEFINITION):
            return False
        try:
            self.prepare_to_write(names)
            stored = None if self._state.adding else self._lock_definition(using)
            row = stored or {"nodes": self.nodes, "links": self.links, "version": self.version}
            new = {name: getattr(self, name) if name in names else row[name] for name in _DEFINITION}
            _check(**new)
        except (ValueError, ValidationError) as error:
            raise RefusedBeforeWrite(error) from None
        is_changed = any(new[name] != row[name] for name in _DEFINITION)
        self.version = row["version"] + is_changed
        return True

    def _lock_definition(self, using: str | None) -> dict[str, Any] | None:
        """Reads and locks the row, which the save locks anyway. Returns version, nodes and links; None if it does not
        exist."""
        rows = type(self)._base_manager.using(using).filter(pk=self.pk).select_for_update(no_key=True)
        stored: dict[str, Any] | None = rows.values("version", *_DEFINITION).first()
        return stored


def _check(nodes: Any, links: Any) -> None:
    try:
        parse_graph(nodes, links)
    except PydanticError as error:
        raise ValidationError(sentences(error)) from error
