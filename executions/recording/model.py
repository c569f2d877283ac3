"""Models whose every write signals: what `GraphExecution`, `NodeExecution` and `Notification` have in common.

    StorableModel          a row with a UUID, written wholly or not at all
    └─ SignallingModel   … of which each change is told
       └─ StatusModel   … whose status follows the table, and whose times follow its status

A subclass names its signals, the fields that its events hold, and how a row becomes an event. Single writes are here,
bulk writes in `executions.recording.queryset`, deletions in `executions.deletions`.
"""

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Self, cast

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models, router
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils import timezone
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from executions.fields import CharField, JSONField
from executions.recording.change import RefusedBeforeWrite, one_change
from executions.recording.queryset import SignallingQuerySet, constant_status
from executions.recording.status_times import StatusTimes
from executions.statuses import ExecutionStatus, IllegalTransition, check_transition, may_precede
from executions.validation import sentences


class StorableModel(models.Model):
    """A row with a UUID. A save is one change; afterwards the instance holds JSON as a read would give it."""

    _is_raw = False  # while a fixture is loaded
    _commits_next = False  # nothing comes between the writing of the row, with its signal, and the commit

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True

    def prepare_to_write(self, names: Collection[str] | None = None) -> None:
        """Makes the instance hold what the row will, in the fields with these names (None: all). Raises ValueError for
        what cannot be kept."""
        self.id = self._meta.pk.to_python(self.id)
        for field in self._meta.concrete_fields:
            if isinstance(field, JSONField) and (names is None or field.name in names):
                value = getattr(self, field.attname)
                if not hasattr(value, "resolve_expression"):
                    setattr(self, field.attname, field.plain(value))

    def save_base(
        self,
        raw: bool = False,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with one_change(using) as commits:
            self._commits_next = commits and not post_save.has_listeners(type(self))
            super().save_base(raw, force_insert, force_update, using, update_fields)

    def _names_of(self, update_fields: Iterable[str] | None) -> set[str]:
        """The names of the fields that are written; `update_fields` may hold column names, too."""
        fields = [field for field in self._meta.concrete_fields if not field.primary_key]
        chosen = None if update_fields is None else set(update_fields)
        return {field.name for field in fields if chosen is None or {field.name, field.attname} & chosen}


class SignallingModel(StorableModel):
    """A row of which each change is told.

    `save()` is one atomic block, in which the row is written and the signal sent. After a full save the event says what
    the instance holds; after a partial one the row is read again, since the rest of the instance may be stale. A save
    that writes no field of the event signals nothing. Fixtures (`raw`) are neither checked nor signalled.
    """

    event_fields: ClassVar[frozenset[str]]  # names of the fields that an event is made of
    triggers: ClassVar[frozenset[str]]  # names of the fields whose writing signals
    guard: ClassVar[str]  # the field whose value before a write matters to the write
    times: ClassVar[StatusTimes | None] = None
    created_signal: ClassVar[Signal]
    changed_signal: ClassVar[Signal]
    deleted_signal: ClassVar[Signal]

    objects = SignallingQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def to_event(self) -> BaseModel:
        """The state of this row as it is told."""
        raise NotImplementedError

    def created_event(self) -> BaseModel | None:
        return self.to_event()

    def changed_event(self, before: Any) -> BaseModel | None:
        """What is told after a change; `before` is what the guard held. None: nothing."""
        return self.to_event()

    def deleted_event(self) -> BaseModel:
        """What is told once the row is gone; asked while it is still there."""
        raise NotImplementedError

    def clean(self) -> None:
        """What an event could not say is an error of the form already."""
        super().clean()
        try:
            self.to_event()
        except PydanticError as error:
            raise ValidationError(sentences(error)) from error
        except ValueError as error:
            raise ValidationError(str(error)) from error
        except ObjectDoesNotExist:
            pass  # a missing relation is the field's own error

    @classmethod
    def rows_with_events(cls, using: str | None) -> models.QuerySet[Self]:
        """All rows, each with what `to_event()` needs, and no more, in one query."""
        return cls._base_manager.using(using).only(*cls.event_fields)

    # Django's own hook around the INSERT or UPDATE of one table: it knows which fields are really written, and comes
    # before other apps' `post_save`, which may write the row again.
    def _save_table(
        self,
        raw: bool = False,
        cls: type[models.Model] | None = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> bool:
        self._is_raw = raw
        arguments = (raw, cls, force_insert, force_update, using, update_fields)
        if raw:
            return bool(super()._save_table(*arguments))  # type: ignore[misc]
        names = self._names_of(update_fields)
        columns = self.times.columns if self.times else ()
        old_times = {column: self.__dict__[column] for column in columns if column in self.__dict__}
        try:
            try:
                self.prepare_to_write(names)
            except ValueError as error:
                raise RefusedBeforeWrite(error) from None
            before = None if force_insert else self._read_guard(using, names)
            was_updated = bool(super()._save_table(*arguments))  # type: ignore[misc]
            if not was_updated or names & self.triggers:
                self._signal_saved(using, names, before, created=not was_updated)
        except BaseException:
            self.__dict__.update(old_times)
            raise
        return was_updated

    def _signal_saved(self, using: str | None, names: Collection[str], before: Any, *, created: bool) -> None:
        row = self
        if not self._holds_the_row(names):
            row = self.rows_with_events(using).get(pk=self.pk)
            if self.times and "status" in names:
                self.__dict__.update({column: getattr(row, column) for column in self.times.columns})
        event = row.created_event() if created else row.changed_event(before)
        if event is not None:
            signal = self.created_signal if created else self.changed_signal
            signal.send(sender=self._meta.concrete_model, event=event, commits_next=self._commits_next)

    def _read_guard(self, using: str | None, names: Collection[str]) -> Any:
        """What the guard holds before the row is written, for a subclass whose events depend on it."""
        return None

    def _holds_the_row(self, names: Collection[str]) -> bool:
        """Whether the instance, written with these fields, holds what the row does, as a read would give it."""
        for field in self._meta.concrete_fields:
            if field.name in self.event_fields:
                value = self.__dict__.get(field.attname)
                if field.name not in names or hasattr(value, "resolve_expression"):
                    return False
                if value is not None and field.to_python(value) is not value:
                    return False
                if isinstance(value, datetime) and timezone.is_naive(value):
                    return False
        return True


class StatusModel(SignallingModel):
    """A row whose status follows the table of `executions.statuses`, and whose times follow its status.

    The table is held by the UPDATE itself, so that of two writers at once the second sees what the first wrote. Raises
    IllegalTransition, with nothing changed, nothing signalled, and the transaction around it still usable.
    """

    guard = "status"
    times: ClassVar[StatusTimes]

    status = CharField(
        max_length=16,
        choices=[(status.value, status.title()) for status in ExecutionStatus],
        default=ExecutionStatus.QUEUED.value,
    )

    class Meta(SignallingModel.Meta):
        abstract = True

    def prepare_to_write(self, names: Collection[str] | None = None) -> None:
        super().prepare_to_write(names)
        if names is None or "status" in names:
            self.status = constant_status(self.status)
            held = {column: self.__dict__.get(column) for column in self.times.columns}
            for column, value in self.times.values(self.status, held, timezone.now()).items():
                if names is None or column in names:
                    setattr(self, column, value)

    def _do_update(
        self,
        base_qs: models.QuerySet[Any],
        using: str | None,
        pk_val: Any,
        values: "Collection[tuple[models.Field[Any, Any], Any, Any]]",
        *rest: Any,
    ) -> Any:
        written = {field.name: value for field, _, value in values}
        if self._is_raw or "status" not in written:
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        status: ExecutionStatus = written["status"]
        if follow := [name for name in self.times.touched_by(status) if name not in written]:
            expressions = self.times.expressions(status, timezone.now())
            fields = [field for field in self._meta.concrete_fields if field.name in follow]
            values = [*values, *((field, None, expressions[field.name]) for field in fields)]
        writable = _rows_before(cast("type[StatusModel]", base_qs.model), using, status)
        while not (updated := super()._do_update(writable, using, pk_val, values, *rest)):
            present = base_qs.filter(pk=pk_val).values_list("status", flat=True).first()
            if present is None:
                break  # there is no such row, and Django inserts it or raises
            try:
                check_transition(present, status)
            except IllegalTransition as error:
                raise RefusedBeforeWrite(error) from None
            # Another writer has just made it legal.
        return updated


@cache
def _rows_before(model: type[StatusModel], using: str | None, status: ExecutionStatus) -> models.QuerySet[Any]:
    """All rows which may take this status. StorableModel, since to build the condition costs as much as the rest of a
    save's query."""
    return model._base_manager.using(using).filter(status__in=sorted(may_precede(status)))


def is_a_status(name: str) -> models.CheckConstraint:
    """Holds the enum in the database, too."""
    statuses = [status.value for status in ExecutionStatus]
    return models.CheckConstraint(name=name, condition=models.Q(status__in=statuses))
