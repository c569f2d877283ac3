"""New epochs for streams. After a restored backup or a manual repair, the same numbers mean other events."""

from collections.abc import Iterator, Sequence

from django.db import transaction

from realtime.log.store import database, lock_streams
from realtime.models import Stream, new_epoch

_BATCH_SIZE = 500  # streams that one transaction locks


def renew_in_batches(keys: Sequence[str] = ()) -> Iterator[int]:
    """Gives each stream, or each stream with one of these keys, a new epoch. Yields after each transaction how many
    streams it renewed. The sweep tells the sockets. An event that is announced meanwhile has the old or the new epoch.
    """
    streams, last_id = Stream.objects.using(database()), 0
    selected = streams.filter(key__in=keys) if keys else streams
    while rows := list(selected.filter(pk__gt=last_id).order_by("pk").values_list("pk", "key")[:_BATCH_SIZE]):
        with transaction.atomic(database()):
            renewed = lock_streams(key for _, key in rows)
            for stream in renewed:
                stream.epoch = new_epoch()
            streams.bulk_update(renewed, ["epoch"])
        last_id = rows[-1][0]
        yield len(renewed)
