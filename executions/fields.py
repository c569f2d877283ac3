"""The columns of free content: each refuses, on every database alike, what one of them could not keep.

Whoever writes (save, update, bulk) gets `executions.storable.UnstorableValue`, a ValueError, before the database is
asked; a form gets a ValidationError. What is only compared with a column is not looked at.
"""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from executions.storable import UnstorableValue, check_text, plain_json

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
else:
    _Field = object


class _Checked(_Field):
    """Looks at a value where it is validated and where it is written."""

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
    """JSON that every database and browser takes; what Django's JSON encoder knows may be put in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"encoder": DjangoJSONEncoder, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("encoder")
        return name, path, args, kwargs

    def plain(self, value: Any) -> Any:
        """`value` as the column gives it back."""
        return plain_json(self.name, value)

    def check_value(self, value: Any) -> None:
        self.plain(value)


if TYPE_CHECKING:
    # To a type checker they are Django's own, so that django-stubs knows what they hold.
    from django.db.models import CharField, TextField
else:

    class CharField(_Checked, models.CharField):
        """Text of limited length; the limit is held on SQLite, too."""

        def check_value(self, value: Any) -> None:
            if value is not None:
                check_text(self.name, str(value), self.max_length)

    class TextField(_Checked, models.TextField):
        """Text of any length."""

        def check_value(self, value: Any) -> None:
            if value is not None:
                check_text(self.name, str(value))


__all__ = ["CharField", "JSONField", "TextField"]
