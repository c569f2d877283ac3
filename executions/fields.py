"""Model fields for text and JSON. On every database they refuse values that one of the databases cannot store.

Every write (save, update, bulk) raises `executions.storable.UnstorableValue`, a ValueError, before the database is
asked. A form raises ValidationError. A value that a query compares with a column is not checked.
"""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from executions.bounded_json import BoundedDecoder
from executions.conf import limits
from executions.storable import UnstorableValue, check_text, plain_json

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
else:
    _Field = object


class _Checked(_Field):
    """Checks a value when it is validated and when it is written."""

    def check_value(self, value: Any) -> None:
        raise NotImplementedError

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        try:
            self.check_value(value)
        except UnstorableValue as error:
            raise ValidationError(str(error), code="unstorable") from error

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not hasattr(value, "resolve_expression"):
            self.check_value(value)
        return super().get_db_prep_save(value, connection)


class JSONField(_Checked, models.JSONField):
    """JSON that every database and browser can read. A value may be anything that Django's JSON encoder can write."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"encoder": DjangoJSONEncoder, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("encoder")
        return name, path, args, kwargs

    def plain(self, value: Any) -> Any:
        """`value` as a read of the column returns it. Raises UnstorableValue."""
        return plain_json(self.name, value)

    def check_value(self, value: Any) -> None:
        self.plain(value)

    def formfield(self, **kwargs: Any) -> Any:
        """A form field that parses within the bounds of `executions.bounded_json`."""
        return super().formfield(
            **{
                "decoder": BoundedDecoder,
                "error_messages": {
                    "invalid": f"Enter valid JSON, of at most {limits.MAX_JSON_VALUES:,} values and "
                    f"{limits.MAX_JSON_DEPTH} levels."
                },
                **kwargs,
            }
        )


if TYPE_CHECKING:
    # A type checker sees Django's own classes, so that django-stubs knows the types of their values.
    from django.db.models import CharField, TextField
else:

    class CharField(_Checked, models.CharField):
        """Text of limited length. The limit holds on SQLite too."""

        def check_value(self, value: Any) -> None:
            if value is not None:
                check_text(self.name, str(value), self.max_length)

    class TextField(_Checked, models.TextField):
        """Text of any length."""

        def check_value(self, value: Any) -> None:
            if value is not None:
                check_text(self.name, str(value))


__all__ = ["CharField", "JSONField", "TextField"]
