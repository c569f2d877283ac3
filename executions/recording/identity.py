"""The fields that say in which streams a row tells its changes. They are fixed when the row is created.

A stream's key has the user, the graph or the execution of its rows. A row that moved would fall silent in its old
stream, and the new one would lack its past. So each write that would change such a field is refused: `save()`,
`update()`, `bulk_update()`, forms and fixtures. A write of the value that the row has is no change.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models.sql.where import AND


class FixedField(ValueError):  # noqa: N818 - the name is public API
    """A write would change a field that is fixed when the row is created. `field` is its name."""

    def __init__(self, model: type[models.Model], field: str) -> None:
        name = model._meta.verbose_name
        super().__init__(
            f"The {field.replace('_', ' ')} of a {name} cannot change: its subscribers would miss all that follows. "
            f"Create another {name} instead, and delete this one if it is not needed."
        )
        self.field = field


def rows_that_hold(rows: models.QuerySet[Any], values: Mapping[str, Any]) -> models.QuerySet[Any]:
    """Those of the rows that hold these values. `values` is field name → value of the column or expression."""
    if any(hasattr(value, "resolve_expression") for value in values.values()):
        return rows.filter(**{name: _comparable(rows.model, name, value) for name, value in values.items()})
    # `filter()` would make a save a third slower.
    rows = rows.all()
    table = rows.query.get_initial_alias()
    for name, value in values.items():
        field = rows.model._meta.get_field(name)
        rows.query.where.add(field.get_lookup("exact")(field.get_col(table), value), AND)
    return rows


def refuse_moves(rows: models.QuerySet[Any], values: Mapping[str, Any]) -> None:
    """Raises FixedField if one of these rows holds other values. `values` is field name → value or expression."""
    for name, value in values.items():
        if rows.exclude(**{name: _comparable(rows.model, name, value)}).exists():
            raise FixedField(rows.model, name)


def _comparable(model: type[models.Model], name: str, value: Any) -> Any:
    # Django 6.1 writes what a subquery gives, but compares a field with it only if it is sliced to one row.
    if isinstance(value, models.Subquery):
        return models.ExpressionWrapper(value, output_field=model._meta.get_field(name))  # type: ignore[arg-type]
    return value


def refuse_moves_of(
    objs: Mapping[Any, models.Model],
    names: Sequence[str],
    stored: Mapping[Any, Iterable[Any]],
    rows: models.QuerySet[Any],
) -> None:
    """Raises FixedField if an object differs from its row. `objs` is primary key → object, and `stored` is primary key
    → what the row holds in the fields with these names. `rows` evaluates expressions."""
    for pk, old_values in stored.items():
        for name, old_value in zip(names, old_values, strict=True):
            field = rows.model._meta.get_field(name)
            value = getattr(objs[pk], field.attname)
            if hasattr(value, "resolve_expression"):
                refuse_moves(rows.filter(pk=pk), {name: value})
            elif field.to_python(value) != old_value:
                raise FixedField(rows.model, name)
