"""A row with a UUID that is written as one change."""

import uuid
from collections.abc import Collection, Iterable

from django.db import models, router
from django.db.models.signals import post_save

from executions.fields import JSONField
from executions.recording.change import atomic_change


class StorableModel(models.Model):
    """A row with a UUID. A save writes everything or nothing. After a save the instance holds JSON as a read returns
    it."""

    _is_raw = False  # while Django loads a fixture
    _is_last_before_commit = False  # whether the commit comes right after the write and its signal

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True

    def prepare_to_write(self, names: Collection[str] | None = None) -> None:
        """Converts the fields with these names (None: all) to the values that the row will hold. Raises ValueError for
        a value that cannot be stored."""
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
        with atomic_change(using) as ends_in_commit:
            self._is_last_before_commit = ends_in_commit and not post_save.has_listeners(type(self))
            super().save_base(raw, force_insert, force_update, using, update_fields)

    def _written_names(self, update_fields: Iterable[str] | None) -> set[str]:
        """The names of the fields that a save writes. `update_fields` may hold field names and column names."""
        fields = [field for field in self._meta.concrete_fields if not field.primary_key]
        chosen = None if update_fields is None else set(update_fields)
        return {field.name for field in fields if chosen is None or {field.name, field.attname} & chosen}
