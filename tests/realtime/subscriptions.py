"""Subscriptions without a consumer, for tests of what stands below it."""

from typing import Any

from realtime.subscription.subscription import Sender, SocketSubscription
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe


def new_subscription(writer: Sender, key: str = "a", **options: Any) -> SocketSubscription:
    """One that has not started. `options` are those of the request. Its user may watch the stream."""

    async def may_watch(subscription: SocketSubscription) -> bool:
        return True

    return SocketSubscription(
        key,
        WSMethod.SUBSCRIBE_STREAM,
        Subscribe(**options),
        writer=writer,
        on_end=lambda _: None,
        user_id="1",
        may_watch=may_watch,
    )
