"""Writes any number of rows of one model in one SQL statement.

The rows are sent as one JSON parameter, which the database splits into rows. So the statement is the same for one row
and for a thousand, the limit of parameters does not matter, and building the statement costs much less than the work
of `bulk_create()` and `bulk_update()` for each value.

Nothing is checked here and no signal is sent: the caller does both. The instances must hold the values as a read
returns them.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias, cast

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

_Field: TypeAlias = "models.Field[Any, Any]"


def insert(rows: Collection[models.Model], using: str) -> None:
    """Inserts the rows. Afterwards Django treats the instances as saved."""
    if not rows:
        return
    model = type(next(iter(rows)))
    connection, fields = connections[using], model._meta.concrete_fields
    columns = ", ".join(_quoted(connection, fields))
    given = _given_rows(connection, fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_table(connection, model)} ({columns}) SELECT {columns} FROM {given}",  # noqa: S608 - only names of columns
            [_rows_as_json(connection, fields, rows)],
        )
    for row in rows:
        row._state.adding, row._state.db = False, using


def update(rows: Collection[models.Model], names: Iterable[str], using: str) -> None:
    """Updates the fields with these names in the rows with the primary keys of the instances."""
    if not rows:
        return
    model = type(next(iter(rows)))
    connection, pk = connections[using], model._meta.pk
    fields = [cast(_Field, model._meta.get_field(name)) for name in sorted(names)]
    values = ", ".join(f"{name} = given.{name}" for name in _quoted(connection, fields))
    (key,) = _quoted(connection, [pk])
    table, given = _table(connection, model), _given_rows(connection, [pk, *fields])
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {values} FROM {given} WHERE {table}.{key} = given.{key}",  # noqa: S608 - only names of columns
            [_rows_as_json(connection, [pk, *fields], rows)],
        )


def _table(connection: BaseDatabaseWrapper, model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _quoted(connection: BaseDatabaseWrapper, fields: Iterable[_Field]) -> list[str]:
    return [connection.ops.quote_name(str(field.column)) for field in fields]


def _given_rows(connection: BaseDatabaseWrapper, fields: Sequence[_Field]) -> str:
    """SQL that makes a table `given` with these columns from the JSON parameter."""
    names = _quoted(connection, fields)
    if connection.vendor == "postgresql":
        types = (f"{name} {field.db_type(connection)}" for name, field in zip(names, fields, strict=True))
        return f"json_to_recordset(%s::json) AS given({', '.join(types)})"
    values = (f"json_extract(value, '$.{field.column}') AS {name}" for name, field in zip(names, fields, strict=True))
    # Without `WHERE true` SQLite reads the next words as the condition of a join.
    return f"(SELECT {', '.join(values)} FROM json_each(%s) WHERE true) AS given"  # noqa: S608 - only names of columns


def _rows_as_json(connection: BaseDatabaseWrapper, fields: Iterable[_Field], rows: Iterable[models.Model]) -> str:
    columns = [(field.column, field.attname, _json_converter(connection, field)) for field in fields]
    return json.dumps(
        [
            {
                column: value if (value := row.__dict__[name]) is None or convert is None else convert(value)
                for column, name, convert in columns
            }
            for row in rows
        ],
        default=str,  # UUIDs and times: PostgreSQL reads the text that Python writes
        ensure_ascii=False,
    )


def _json_converter(connection: BaseDatabaseWrapper, field: _Field) -> Callable[[Any], Any] | None:
    """Converts a value of this field to what the column holds. None: no conversion is needed."""
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
