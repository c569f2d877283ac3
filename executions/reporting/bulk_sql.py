"""Many rows of one model in one statement, whatever their number.

They go over as one JSON text, which the database takes apart. So the statement is the same for one row and for a
thousand, no limit of parameters cuts it into parts, and building it costs little beside what `bulk_create()` and
`bulk_update()` do for each value. Nothing is checked or signalled here: who calls has done so, and holds what the rows
hold, as a read would give it.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias, cast

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

_Field: TypeAlias = "models.Field[Any, Any]"


def insert(rows: Collection[models.Model], using: str) -> None:
    """Creates them; afterwards the instances are those of rows."""
    if not rows:
        return
    model = type(next(iter(rows)))
    connection, fields = connections[using], model._meta.concrete_fields
    columns = ", ".join(_quoted(connection, fields))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_table(connection, model)} ({columns}) SELECT {columns} FROM {_given(connection, fields)}",  # noqa: S608 - names of our own
            [_text(connection, fields, rows)],
        )
    for row in rows:
        row._state.adding, row._state.db = False, using


def update(rows: Collection[models.Model], names: Iterable[str], using: str) -> None:
    """Writes the fields with these names, where the primary keys are."""
    if not rows:
        return
    model = type(next(iter(rows)))
    connection, pk = connections[using], model._meta.pk
    fields = [cast(_Field, model._meta.get_field(name)) for name in sorted(names)]
    values = ", ".join(f"{name} = given.{name}" for name in _quoted(connection, fields))
    (key,) = _quoted(connection, [pk])
    table = _table(connection, model)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {values} FROM {_given(connection, [pk, *fields])} WHERE {table}.{key} = given.{key}",  # noqa: S608 - names of our own
            [_text(connection, [pk, *fields], rows)],
        )


def _table(connection: BaseDatabaseWrapper, model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _quoted(connection: BaseDatabaseWrapper, fields: Iterable[_Field]) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in fields]


def _given(connection: BaseDatabaseWrapper, fields: Sequence[_Field]) -> str:
    """The parameter as a table with these columns, whose name is `given`."""
    names = _quoted(connection, fields)
    if connection.vendor == "postgresql":
        types = (f"{name} {field.db_type(connection)}" for name, field in zip(names, fields, strict=True))
        return f"json_to_recordset(%s::json) AS given({', '.join(types)})"
    values = (f"json_extract(value, '$.{field.column}') AS {name}" for name, field in zip(names, fields, strict=True))
    # `WHERE true` keeps SQLite from reading what follows as the condition of a join.
    return f"(SELECT {', '.join(values)} FROM json_each(%s) WHERE true) AS given"  # noqa: S608 - names of our own


def _text(connection: BaseDatabaseWrapper, fields: Iterable[_Field], rows: Iterable[models.Model]) -> str:
    columns = [(field.column, field.attname, _as_json(connection, field)) for field in fields]
    return json.dumps(
        [
            {
                column: value if (value := row.__dict__[name]) is None or convert is None else convert(value)
                for column, name, convert in columns
            }
            for row in rows
        ],
        default=str,  # UUIDs and times, which PostgreSQL reads as Python writes them
        ensure_ascii=False,
    )


def _as_json(connection: BaseDatabaseWrapper, field: _Field) -> Callable[[Any], Any] | None:
    """What makes of a value what the column gets. None: nothing need be made."""
    if connection.vendor == "postgresql":
        return None
    match getattr(field, "target_field", field):
        case models.JSONField():
            return lambda value: json.dumps(value, ensure_ascii=False)
        case models.UUIDField():
            return lambda value: value.hex
        case models.DateTimeField():
            return connection.ops.adapt_datetimefield_value
    return None
