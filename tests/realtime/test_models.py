"""The constraints of the database on the log."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from realtime.models import Stream, StreamEvent, new_epoch

pytestmark = pytest.mark.django_db

KEY = "u1|orders#7"


def event(**fields: Any) -> StreamEvent:
    """An event without a number, unless `fields` has one."""
    return StreamEvent(**{"key": KEY, "entity": "order", "method": "changed", "data": "{}", "size": 2, **fields})


def assert_refused(row: Stream | StreamEvent) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_a_key_is_unique() -> None:
    Stream.objects.create(key=KEY)
    assert_refused(Stream(key=KEY))


@pytest.mark.parametrize(("head", "floor"), [(3, 4), (3, -1), (-1, -1)])
def test_the_floor_lies_between_zero_and_the_head(head: int, floor: int) -> None:
    assert_refused(Stream(key=KEY, head=head, floor=floor))


def test_the_floor_may_be_the_head() -> None:
    Stream.objects.create(key=KEY, head=3, floor=3)


def test_a_number_is_unique_in_its_stream() -> None:
    stream, other = Stream.objects.create(key=KEY, head=1), Stream.objects.create(key="other", head=1)
    event(stream=stream, seq=1, key="").save()
    event(stream=other, seq=1, key="").save()
    assert_refused(event(stream=stream, seq=1, key=""))


def test_an_event_has_either_a_key_or_a_stream_and_a_number() -> None:
    stream = Stream.objects.create(key=KEY, head=1)
    event().save()
    event(stream=stream, seq=1, key="").save()
    assert_refused(event(key=""))
    assert_refused(event(stream=stream))
    assert_refused(event(seq=1))
    assert_refused(event(stream=stream, seq=2))
    assert_refused(event(stream=stream, key=""))
    assert_refused(event(seq=2, key=""))


def test_an_event_has_either_data_or_a_reference_to_it() -> None:
    first = event()
    first.save()
    event(data=None, data_of=first).save()
    assert_refused(event(data=None))
    assert_refused(event(data_of=first))


def test_an_event_whose_data_is_referenced_cannot_be_deleted() -> None:
    first = event()
    first.save()
    event(data=None, data_of=first).save()
    with pytest.raises(ProtectedError):
        first.delete()


def test_an_epoch_is_random_and_short() -> None:
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert max(map(len, epochs)) <= Stream._meta.get_field("epoch").max_length


def test_rows_have_readable_names() -> None:
    stream = Stream.objects.create(key=KEY, head=1)
    assert str(stream) == KEY
    assert str(event()) == f"{KEY}:None"
    assert str(event(stream=stream, seq=1, key="")) == f"{stream.pk}:1"
