"""Bulk writes that send signals like single writes.

    GraphExecution.objects.filter(runner="r1").update(status="FAILED")   # one signal, with an event for each row

Each bulk write is one atomic block. It locks the rows in the order of their primary keys, checks every change of
status, writes the rows, reads them again and sends one signal. Either all rows change or none. A write that touches no
field of `trigger_fields` sends no signal. A write that would move a row to another stream is refused.

Django offers no hook for raw SQL, `_raw_delete()` and the models of migrations: these send no signals.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from django.db import NotSupportedError, models

from executions.conf import limits
from executions.recording.change import RefusedBeforeWrite, atomic_change, refused_before_write
from executions.recording.contract import ModelWithEvents
from executions.recording.identity import refuse_moves, refuse_moves_of
from executions.recording.status_writes import check_statuses, constant_status, set_times, times_to_update

_CHUNK = 1_000  # rows in one query

M = TypeVar("M", bound=ModelWithEvents)


class TooManyEvents(ValueError):  # noqa: N818 - the name is public API
    """A bulk write of more than MAX_BULK_EVENTS rows: one transaction would record too many events."""

    def __init__(self, verb: str, limit: int) -> None:
        super().__init__(
            f"{verb}() would record an event for each of more than {limit} rows in one transaction. Write them in "
            f'parts, for example by slices of primary keys, or raise settings.EXECUTIONS["MAX_BULK_EVENTS"].'
        )


class SignallingQuerySet(models.QuerySet[M]):
    """The rows of a model whose every write sends a signal."""

    _is_inside_bulk_update = False

    def update(self, **kwargs: Any) -> int:
        """Like Django's `update()`. Returns the number of rows.

        Raises ValueError if `status` is not a constant, IllegalTransition if a row may not take the status, FixedField
        if a row would move to another stream, and TooManyEvents beyond MAX_BULK_EVENTS rows.
        """
        values = {self.model._meta.get_field(name).name: value for name, value in kwargs.items()}
        names = values.keys()
        if self._is_inside_bulk_update or self.query.is_sliced or self.query.combinator or not names:
            return super().update(**kwargs)
        if self.model._meta.pk.name in names:
            raise ValueError("The id of a row that has a history cannot change.")
        fixed = {name: value for name, value in values.items() if name in self.model.identity_fields}
        if not fixed and not names & self.model.trigger_fields:
            return super().update(**kwargs)
        self._for_write = True
        status = constant_status(kwargs["status"]) if "status" in names else None
        with atomic_change(self.db):
            locked = self._lock((self.model.old_value_field,), "update")
            old_values = {pk: old_value for pk, (old_value,) in locked.items()}
            if status is not None:
                check_statuses(old_values, dict.fromkeys(old_values, status))
                kwargs = {**kwargs, "status": status, **times_to_update(self.model.status_times, status, kwargs)}
            # The rows matched when they were locked, and nothing can have changed them since. So the conditions are not
            # evaluated again, except if a value is computed from annotations, which may need them.
            is_computed = any(hasattr(value, "resolve_expression") for value in kwargs.values())
            rows = self if is_computed and self.query.annotations else self._all_rows()
            with refused_before_write():
                for pks in _chunks(old_values) if fixed else ():
                    refuse_moves(rows.filter(pk__in=pks), fixed)
            count = sum(models.QuerySet.update(rows.filter(pk__in=pks), **kwargs) for pks in _chunks(old_values))
            self._signal(old_values, fields=frozenset(names))
        self._result_cache = None
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Iterable[str] | None = None,
        unique_fields: Iterable[str] | None = None,
    ) -> list[M]:
        """Like Django's `bulk_create()`, without the options for conflicts: with these the database does not report
        which rows it wrote. Raises NotSupportedError for them, and TooManyEvents beyond MAX_BULK_EVENTS objects."""
        if ignore_conflicts or update_conflicts:
            raise NotSupportedError(
                f"{self.model.__name__}.objects.bulk_create() cannot ignore or update conflicts: each row that is "
                "written records an event, and the database does not say which ones it has written."
            )
        objs = list(objs)
        self._check_count(len(objs), "bulk_create")
        self._for_write = True
        for obj in objs:
            obj.prepare_to_write()
        with atomic_change(self.db):
            created = super().bulk_create(objs, batch_size=batch_size)
            self._signal(dict.fromkeys(sorted(obj.pk for obj in created)), is_created=True)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Like Django's `bulk_update()`. Each object may have its own status. The times that follow the status are set
        on the object too. Raises the same errors as `update()`."""
        pk_field = self.model._meta.pk
        first: dict[Any, M] = {}  # if several objects are the same row, Django takes the first
        for obj in objs:
            first.setdefault(pk_field.to_python(obj.pk), obj)
        names = {self.model._meta.get_field(name).name for name in fields}
        rows = self.all()
        rows._is_inside_bulk_update = True
        fixed = sorted(names & self.model.identity_fields)
        if not (fixed or names & self.model.trigger_fields) or not first or None in first:
            return models.QuerySet.bulk_update(rows, first.values(), names, batch_size)
        self._check_count(len(first), "bulk_update")
        self._for_write = True
        times = self.model.status_times if "status" in names else None
        statuses = {pk: constant_status(obj.status) for pk, obj in first.items()} if times else {}  # type: ignore[attr-defined]
        columns = (self.model.old_value_field, *(times.columns if times else ()), *fixed)
        with atomic_change(self.db):
            locked = self.filter(pk__in=list(first))._lock(columns, "bulk_update")
            old_values = {pk: values[0] for pk, values in locked.items()}
            with refused_before_write():
                stored = {pk: values[len(columns) - len(fixed) :] for pk, values in locked.items()}
                refuse_moves_of(first, fixed, stored, self._all_rows())
            if times:
                check_statuses(old_values, statuses)
                locked_rows = {pk: dict(zip(columns, values, strict=True)) for pk, values in locked.items()}
                names |= set_times(first, times, statuses, locked_rows, names)
            count = models.QuerySet.bulk_update(rows, [first[pk] for pk in old_values], names, batch_size)
            self._signal(old_values, fields=frozenset(names))
        return count

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._is_inside_bulk_update = self._is_inside_bulk_update
        return clone

    def _check_count(self, count: int, verb: str) -> None:
        if count > (limit := limits.MAX_BULK_EVENTS):
            raise TooManyEvents(verb, limit)

    def _lock(self, columns: Sequence[str], verb: str) -> dict[Any, tuple[Any, ...]]:
        """Locks the rows as an UPDATE does, in the order of their primary keys. Returns pk → values of these columns.
        Raises `RefusedBeforeWrite` with TooManyEvents."""
        limit = limits.MAX_BULK_EVENTS
        rows: models.QuerySet[M] = self
        if self.query.distinct or self.query.group_by is not None or self._count_tables() > 1:
            # PostgreSQL cannot lock grouped rows, and a join may return a row twice. Django's UPDATE does the same.
            rows = self._all_rows().filter(pk__in=self.values("pk"))
        locked = rows.order_by("pk").select_for_update(no_key=True).values_list("pk", *columns)
        locked.query.standard_ordering = True  # undoes reverse()
        found = {pk: tuple(values) for pk, *values in locked[: limit + 1]}
        if len(found) > limit:
            raise RefusedBeforeWrite(TooManyEvents(verb, limit))
        return found

    def _count_tables(self) -> int:
        query = self.query.chain()
        query.get_initial_alias()
        count: int = query.count_active_tables()
        return count

    def _all_rows(self) -> models.QuerySet[M]:
        return self.model._base_manager.using(self.db)

    def _signal(
        self, old_values: Mapping[Any, Any], *, fields: frozenset[str] = frozenset(), is_created: bool = False
    ) -> None:
        """Reads the rows again and sends their events. The keys of `old_values` are the primary keys, in order.
        `fields` names the fields that were written."""
        all_rows = self.model.rows_with_events(self.db).order_by("pk")
        rows = (row for pks in _chunks(old_values) for row in all_rows.filter(pk__in=pks))
        maybe_events = (row.created_event() if is_created else row.changed_event(old_values[row.pk]) for row in rows)
        if events := [event for event in maybe_events if event is not None]:
            signal = self.model.created_signal if is_created else self.model.changed_signal
            signal.send(sender=self.model, events=events, fields=fields)
            if not self.model.access_fields.isdisjoint(fields):
                self.model.reassigned_signal.send(sender=self.model, events=events)


def _chunks(pks: Iterable[Any]) -> Iterator[list[Any]]:
    all_pks = list(pks)
    for start in range(0, len(all_pks), _CHUNK):
        yield all_pks[start : start + _CHUNK]
