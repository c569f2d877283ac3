"""Whether what a watched stream tells of still exists."""

from realtime.hub.fanout import Fanout


async def still_exists(subscriptions: Fanout) -> bool:
    """Asks the users of the subscriptions, one after the other, until one may watch the stream. The row of the stream
    does not tell: it is removed when the stream ends, and a restored backup may lack it. Users who may not watch it are
    unsubscribed, unless nobody may. Raises what the database raises."""
    may_watch: dict[str, bool] = {}
    for subscription in subscriptions.each():
        user_id = subscription.user_id
        if user_id not in may_watch:
            may_watch[user_id] = await subscription.may_watch(subscription)
            if may_watch[user_id]:
                break
    else:
        return False
    for subscription in subscriptions.each():
        if may_watch.get(subscription.user_id) is False:
            subscriptions.discard(subscription)
            subscription.end()
    return True
