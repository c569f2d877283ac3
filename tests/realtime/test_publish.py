"""The public API for publishing."""

from dataclasses import dataclass

import pytest
from django.db import transaction

from realtime import publish as module
from realtime import streams
from realtime.models import Stream, StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_public_names() -> None:
    assert module.__all__ == ["EventTooLarge", "end_stream", "publish", "revoke"]


@dataclass
class Shop:
    """The example in `realtime/publish.py`."""

    user_id: int = 1
    pk: int = 7


def test_the_example_in_the_docstring_works() -> None:
    order = Shop()
    with transaction.atomic():
        stream = streams.own("orders", str(order.user_id), str(order.pk))
        publish(stream, "order_shipped", "order", {"id": order.pk})
    assert StreamEvent.objects.get().stream == Stream.objects.get(key="1|orders#7")
