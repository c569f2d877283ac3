"""How a subscription starts: its snapshot is read, its answer is built, and its events begin.

A request of a client and a history that changes under an open subscription both start it this way.
"""

from collections.abc import Sequence
from typing import NamedTuple

from realtime.db import in_thread
from realtime.log.replay import newest_by_entity
from realtime.log.types import StreamPosition
from realtime.metrics import count
from realtime.subscription.start_position import FromCursor, FromSnapshot
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.frames import RequestId, answer_frame, subscribed_frame


class Start(NamedTuple):
    """Made by `prepare`. Send the answer first, then call `begin`."""

    subscription: SocketSubscription
    stream: StreamPosition
    position: FromCursor | FromSnapshot
    snapshot: Sequence[int]  # the numbers of its events, rising
    is_truncated: bool  # the snapshot lacks the entities beyond its limit

    def answer(self, id: RequestId | None = None) -> str:
        """The answer to the subscribe. `id` is that of the request."""
        method, channel = self.subscription.method, self.subscription.key
        if not self.subscription.numbered:
            return answer_frame(method, channel=channel, id=id)
        return subscribed_frame(
            method,
            channel=channel,
            epoch=self.stream.epoch,
            head=self.stream.head,
            recovered=self.position.recovered,
            truncated=self.is_truncated,
            id=id,
        )

    def begin(self) -> None:
        """Sends the subscription's events from now on."""
        if isinstance(self.position, FromSnapshot):
            count("snapshots")
            self.subscription.start_snapshot(self.snapshot, self.stream.head)
        else:
            if self.position.cursor < self.stream.head:
                count("replays")
            self.subscription.start(self.position.cursor, self.stream.head)


async def prepare(
    subscription: SocketSubscription, stream: StreamPosition, position: FromCursor | FromSnapshot
) -> Start:
    """Reads what a start from `position` needs. Raises what the database raises. The caller checks afterwards that the
    subscription is not stopped and that `stream` is still current."""
    seqs: Sequence[int] = ()
    is_truncated = False
    if isinstance(position, FromSnapshot):
        seqs, is_truncated = await in_thread(
            newest_by_entity,
            stream.id,
            after=position.after,
            head=stream.head,
            limit=subscription.snapshot_limit,
        )
    return Start(subscription, stream, position, seqs, is_truncated)
