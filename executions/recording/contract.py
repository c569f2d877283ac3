"""What `SignallingQuerySet` needs of its model.

`SignallingModel` uses the queryset as its manager, and the queryset is typed by this base class. So the two modules do
not import each other.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.dispatch import Signal
from pydantic import BaseModel

from executions.recording.status_times import StatusTimes
from executions.recording.storable_model import StorableModel


class ModelWithEvents(StorableModel):
    """Declares which writes send a signal, which signal, and how a row becomes an event."""

    event_fields: ClassVar[frozenset[str]]  # names of the fields that an event is built from
    trigger_fields: ClassVar[frozenset[str]]  # names of the fields whose writing sends a signal
    identity_fields: ClassVar[frozenset[str]]  # names of the fields that streams are named by: they cannot change
    access_fields: ClassVar[frozenset[str]] = frozenset()  # names of the fields by which more users may see a row
    old_value_field: ClassVar[str]  # a write needs the old value of this field, for its check or its event
    status_times: ClassVar[StatusTimes | None] = None  # None: the model has no status
    created_signal: ClassVar[Signal]
    changed_signal: ClassVar[Signal]
    deleted_signal: ClassVar[Signal]
    reassigned_signal: ClassVar[Signal]  # a bulk write has written `access_fields`

    class Meta:
        abstract = True

    def to_event(self) -> BaseModel:
        """The state of this row. Raises pydantic's ValidationError for a state that an event cannot hold."""
        raise NotImplementedError

    def created_event(self) -> BaseModel | None:
        """The event after an INSERT. None: no signal is sent."""
        return self.to_event()

    def changed_event(self, old_value: Any) -> BaseModel | None:
        """The event after an UPDATE. `old_value` is what `old_value_field` held before. None: no signal is sent."""
        return self.to_event()

    def deleted_event(self) -> BaseModel:
        """The event after a DELETE. It is built while the row still exists."""
        raise NotImplementedError

    @classmethod
    def rows_with_events(cls, using: str | None) -> models.QuerySet[Self]:
        """All rows. One query reads exactly the fields that `to_event()` needs."""
        return cls._base_manager.using(using).only(*cls.event_fields)
