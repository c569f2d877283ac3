"""Bulk writes that signal like single ones.

    GraphExecution.objects.filter(runner="r1").update(status="FAILED")   # one signal, with an event for each row

Each is one atomic block: the rows are locked in the order of their primary keys, every change of status is checked,
then they are written, read again and signalled. Either all rows change or none. What touches no field of an event
signals nothing. Not covered, since Django offers no way in: raw SQL, `_raw_delete()`, and the models of migrations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import NotSupportedError, models
from django.utils import timezone

from executions.conf import limits
from executions.recording.change import RefusedBeforeWrite, one_change
from executions.statuses import ExecutionStatus, IllegalTransition, check_transition

if TYPE_CHECKING:
    from executions.recording.model import SignallingModel
    from executions.recording.status_times import StatusTimes

_CHUNK = 1_000  # rows in one query

M = TypeVar("M", bound="SignallingModel")


class TooManyEvents(ValueError):  # noqa: N818 - the name is public API
    """A bulk write of so many rows that the events of one transaction would be too many."""

    def __init__(self, verb: str, limit: int) -> None:
        super().__init__(
            f"{verb}() would record an event for each of more than {limit} rows in one transaction. Write them in "
            f'parts, for example by slices of primary keys, or raise settings.EXECUTIONS["MAX_BULK_EVENTS"].'
        )


class SignallingQuerySet(models.QuerySet[M]):
    """Of a model whose every write signals."""

    _is_inside_bulk_update = False

    def update(self, **kwargs: Any) -> int:
        """Like Django's. `status` may only be a constant: raises ValueError otherwise, and IllegalTransition if any
        row may not take it. Raises TooManyEvents beyond MAX_BULK_EVENTS rows."""
        names = {self.model._meta.get_field(name).name for name in kwargs}
        if self._is_inside_bulk_update or self.query.is_sliced or self.query.combinator or not names:
            return super().update(**kwargs)
        if self.model._meta.pk.name in names:
            raise ValueError("The id of a row that has a history cannot change.")
        if not names & self.model.triggers:
            return super().update(**kwargs)
        self._for_write = True
        status = constant_status(kwargs["status"]) if "status" in names else None
        with one_change(self.db):
            held = self._lock((self.model.guard,), "update")
            before = {pk: values[0] for pk, values in held.items()}
            if status is not None:
                _check_all(before, dict.fromkeys(before, status))
                kwargs = {**kwargs, "status": status, **_times_to_update(self.model.times, status, kwargs)}
            # The rows matched when they were locked and have not changed since: the conditions need not be asked
            # again, unless a value is computed from annotations, which may stand on them.
            is_computed = any(hasattr(value, "resolve_expression") for value in kwargs.values())
            rows = self if is_computed and self.query.annotations else self._base()
            count = sum(models.QuerySet.update(rows.filter(pk__in=pks), **kwargs) for pks in _chunks(before))
            self._signal(before)
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
        """Like Django's, without its options for conflicts: they do not tell which rows were written."""
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
        with one_change(self.db):
            created = super().bulk_create(objs, batch_size=batch_size)
            self._signal(dict.fromkeys(sorted(obj.pk for obj in created)), created=True)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Like Django's; each object may have a status of its own. The times that follow are set on the objects, too.
        Raises what update() raises."""
        pk_field = self.model._meta.pk
        first: dict[Any, M] = {}  # of objects that are the same row Django takes the first
        for obj in objs:
            first.setdefault(pk_field.to_python(obj.pk), obj)
        names = {self.model._meta.get_field(name).name for name in fields}
        rows = self.all()
        rows._is_inside_bulk_update = True
        if not names & self.model.triggers or not first or None in first:
            return models.QuerySet.bulk_update(rows, first.values(), names, batch_size)
        self._check_count(len(first), "bulk_update")
        self._for_write = True
        times = self.model.times if "status" in names else None
        statuses = {pk: constant_status(obj.status) for pk, obj in first.items()} if times else {}  # type: ignore[attr-defined]
        columns = (self.model.guard, *(times.columns if times else ()))
        with one_change(self.db):
            held = self.filter(pk__in=list(first))._lock(columns, "bulk_update")
            before = {pk: values[0] for pk, values in held.items()}
            if times:
                _check_all(before, statuses)
                present = {pk: dict(zip(columns, values, strict=True)) for pk, values in held.items()}
                names |= _set_times(first, times, statuses, present, names)
            count = models.QuerySet.bulk_update(rows, [first[pk] for pk in before], names, batch_size)
            self._signal(before)
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
        """Locks the rows as an UPDATE would, in the order of their primary keys; pk → what these columns hold."""
        limit = limits.MAX_BULK_EVENTS
        rows: models.QuerySet[M] = self
        if self.query.distinct or self.query.group_by is not None or self._count_tables() > 1:
            # PostgreSQL locks no grouped rows, and a join may give a row twice. Django's own UPDATE asks in this way.
            rows = self._base().filter(pk__in=self.values("pk"))
        locked = rows.order_by("pk").select_for_update(no_key=True).values_list("pk", *columns)
        locked.query.standard_ordering = True  # whatever reverse() has said
        found = {pk: tuple(values) for pk, *values in locked[: limit + 1]}
        if len(found) > limit:
            raise RefusedBeforeWrite(TooManyEvents(verb, limit))
        return found

    def _count_tables(self) -> int:
        query = self.query.chain()
        query.get_initial_alias()
        count: int = query.count_active_tables()
        return count

    def _base(self) -> models.QuerySet[M]:
        """All rows."""
        return self.model._base_manager.using(self.db)

    def _signal(self, before: Mapping[Any, Any], *, created: bool = False) -> None:
        """Reads the rows again and sends their events; `before` is in the order of the primary keys."""
        every = self.model.rows_with_events(self.db).order_by("pk")
        rows = (row for pks in _chunks(before) for row in every.filter(pk__in=pks))
        news = (row.created_event() if created else row.changed_event(before[row.pk]) for row in rows)
        if events := [event for event in news if event is not None]:
            signal = self.model.created_signal if created else self.model.changed_signal
            signal.send(sender=self.model, events=events)


def _chunks(pks: Iterable[Any]) -> Iterator[list[Any]]:
    every = list(pks)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]


def constant_status(value: Any) -> ExecutionStatus:
    """The status that is to be written. Raises ValueError for an expression and for what is no status."""
    if hasattr(value, "resolve_expression"):
        raise ValueError("status can only be written as a constant: what may follow is checked before it is written.")
    return ExecutionStatus(value)


def _check_all(before: Mapping[Any, str], after: Mapping[Any, ExecutionStatus]) -> None:
    for pk, old in before.items():
        try:
            check_transition(old, after[pk])
        except IllegalTransition as error:
            error.add_note(f"Of the row {pk}.")
            raise RefusedBeforeWrite(error) from None


def _times_to_update(times: "StatusTimes | None", status: ExecutionStatus, given: Mapping[str, Any]) -> dict[str, Any]:
    after = times.expressions(status, timezone.now()) if times else {}
    return {name: value for name, value in after.items() if value is None or given.get(name) is None}


def _set_times(
    objs: Mapping[Any, "SignallingModel"],
    times: "StatusTimes",
    statuses: Mapping[Any, ExecutionStatus],
    present: Mapping[Any, Mapping[str, Any]],
    given: Set[str],
) -> set[str]:
    """Sets the times that follow on the objects, from what the locked rows hold; the columns to be written for it."""
    now = timezone.now()
    columns = {column for pk in present for column in times.touched_by(statuses[pk])}
    for pk, row in present.items():
        for column in columns - given:
            setattr(objs[pk], column, row[column])
        own = {column: getattr(objs[pk], column) for column in times.columns}
        for column, value in times.values(statuses[pk], own, now).items():
            setattr(objs[pk], column, value)
    return columns


class GraphQuerySet(models.QuerySet[Any]):
    """Of graphs, whose nodes and links are checked together and counted in versions: only `save()` changes them."""

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
