"""New epochs for streams: after a restored backup, or a repair by hand, their numbers mean other events."""

from collections.abc import Iterator, Sequence

from django.db import transaction

from realtime.log.store import database, lock
from realtime.models import Stream, new_epoch

_BATCH = 500  # streams that one transaction holds locked


def renew_in_batches(keys: Sequence[str] = ()) -> Iterator[int]:
    """Gives each stream that exists, or those with these keys, a new epoch, and says after each transaction how many it
    renewed. Sockets learn of it by the sweep; what is announced meanwhile bears the one epoch or the other, never none.
    """
    streams, last_id = Stream.objects.using(database()), 0
    wanted = streams.filter(key__in=keys) if keys else streams
    while rows := list(wanted.filter(pk__gt=last_id).order_by("pk").values_list("pk", "key")[:_BATCH]):
        with transaction.atomic(database()):
            renewed = lock(key for _, key in rows)
            for stream in renewed:
                stream.epoch = new_epoch()
            streams.bulk_update(renewed, ["epoch"])
        last_id = rows[-1][0]
        yield len(renewed)
