"""Models whose every write sends a signal: `GraphExecution`, `NodeExecution` and `Notification`.

    StorableModel            storable_model.py   a row with a UUID, written as one change
    └─ ModelWithEvents       contract.py         the declarations: which writes signal, which event
       └─ SignallingModel    here                single writes send signals
          └─ StatusModel     status_model.py     status changes follow the table, times follow the status

Bulk writes are in `executions.recording.queryset`, deletions in `executions.deletions`.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models
from django.utils import timezone
from pydantic import ValidationError as PydanticError

from executions.recording.change import RefusedBeforeWrite, refused_before_write
from executions.recording.contract import ModelWithEvents
from executions.recording.identity import FixedField, refuse_moves, rows_that_hold
from executions.recording.queryset import SignallingQuerySet
from executions.validation import sentences


class SignallingModel(ModelWithEvents):
    """A row whose every change sends a signal.

    `save()` writes the row and sends the signal in one atomic block. After a full save the event shows the instance.
    After a partial save the row is read again, because the other fields of the instance may be stale. A save that
    writes no field of `trigger_fields` sends no signal. Fixtures (`raw`) send no signal, and only `identity_fields` are
    checked.

    The UPDATE itself checks `identity_fields`: its WHERE clause takes only a row that holds the same values. A save
    that would move a row to another stream raises FixedField, and nothing has changed.
    """

    objects = SignallingQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def clean(self) -> None:
        """A value that an event cannot hold is an error of the form, and so is a change of `identity_fields`."""
        super().clean()
        if not self._state.adding:
            loaded = {
                field.name: self.__dict__[field.attname]
                for field in self._meta.concrete_fields
                if field.name in self.identity_fields and field.attname in self.__dict__
            }
            try:
                refuse_moves(type(self)._base_manager.using(self._state.db).filter(pk=self.pk), loaded)
            except FixedField as error:
                raise ValidationError(str(error)) from error
        try:
            self.to_event()
        except PydanticError as error:
            raise ValidationError(sentences(error)) from error
        except ValueError as error:
            raise ValidationError(str(error)) from error
        except ObjectDoesNotExist:
            pass  # the field of a missing relation reports its own error

    # Django calls this hook around the INSERT or UPDATE of one table. It knows which fields are really written. It runs
    # before the `post_save` of other apps, which may write the row again.
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
        if raw:  # outside `atomic_change()`
            try:
                return bool(super()._save_table(*arguments))  # type: ignore[misc]
            except RefusedBeforeWrite as refused:
                raise refused.error from None
        names = self._written_names(update_fields)
        columns = self.status_times.columns if self.status_times else ()
        old_times = {column: self.__dict__[column] for column in columns if column in self.__dict__}
        try:
            with refused_before_write():
                self.prepare_to_write(names)
            old_value = None if force_insert else self._read_old_value(using, names)
            was_updated = bool(super()._save_table(*arguments))  # type: ignore[misc]
            if not was_updated or names & self.trigger_fields:
                self._signal_saved(using, names, old_value, is_created=not was_updated)
        except BaseException:
            self.__dict__.update(old_times)
            raise
        return was_updated

    def _do_update(
        self,
        base_qs: models.QuerySet[Any],
        using: str | None,
        pk_val: Any,
        values: "Collection[tuple[models.Field[Any, Any], Any, Any]]",
        *rest: Any,
    ) -> Any:
        fixed = {field.name: value for field, _, value in values if field.name in self.identity_fields}
        if guess := self.guess({field.name for field, _, _ in values}):
            rows = rows_that_hold(base_qs, {**fixed, **guess})
            if updated := super()._do_update(rows, using, pk_val, values, *rest):
                return updated
            self.drop_guess()
        if not fixed:
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        updated = super()._do_update(rows_that_hold(base_qs, fixed), using, pk_val, values, *rest)
        if not updated:
            with refused_before_write():
                refuse_moves(type(self)._base_manager.using(using).filter(pk=pk_val), fixed)
        return updated

    def _signal_saved(self, using: str | None, names: Collection[str], old_value: Any, *, is_created: bool) -> None:
        row = self
        if not self._equals_row(names):
            row = self.rows_with_events(using).get(pk=self.pk)
            if self.status_times and "status" in names:
                self.__dict__.update({column: getattr(row, column) for column in self.status_times.columns})
        event = row.created_event() if is_created else row.changed_event(old_value)
        if event is not None:
            signal = self.created_signal if is_created else self.changed_signal
            fields = self.changed_fields(names)
            signal.send(
                sender=self._meta.concrete_model,
                event=event,
                fields=frozenset() if is_created else fields,
                is_last_before_commit=self._is_last_before_commit,
            )

    def guess(self, names: Collection[str]) -> dict[str, Any]:
        """What the row probably still holds: name → value. An UPDATE of these fields checks it, and so finds out for
        nothing whether another writer was there. A subclass that knows more overrides this and `drop_guess`."""
        return {}

    def drop_guess(self) -> None:
        """The row holds something else, or is gone."""

    def changed_fields(self, names: Collection[str]) -> frozenset[str]:
        """Those of the written fields that may have changed. A subclass that knows more overrides this."""
        return frozenset(names)

    def _read_old_value(self, using: str | None, names: Collection[str]) -> Any:
        """What `old_value_field` holds before the write. A subclass whose events depend on it overrides this."""
        return None

    def _equals_row(self, names: Collection[str]) -> bool:
        """Whether a read of the row would return what the instance holds, once these fields are written."""
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
