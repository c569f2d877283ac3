"""The order in which a writer's queue gives its frames, and its room for answers."""

import asyncio

from pytest_django import Settings

from realtime.connection.send_queue import SendQueue
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from tests.realtime.subscriptions import new_subscription


class QueueOnly:
    """A sender that never sends at once."""

    def __init__(self) -> None:
        self.queue = SendQueue()

    def ready(self, subscription: SocketSubscription) -> None:
        self.queue.add(subscription)

    def answer(self, frame: str) -> None:
        self.queue.answers.append(frame)

    def send_now(self, frame: str) -> bool:
        return False

    def hold(self) -> None:
        pass

    def release(self) -> None:
        pass


def subscribe(sender: QueueOnly, key: str, *, cursor: int = 0, head: int = 0) -> SocketSubscription:
    subscription = new_subscription(sender, key)
    subscription.start(cursor, head)
    return subscription


def event(seq: int, key: str, method: str = "changed") -> Event:
    return Event(seq, method, "1", key)


def frames(queue: SendQueue) -> list[str]:
    taken = []
    while (frame := queue.next_frame()) is not None:
        taken.append(frame)
    return taken


def test_pongs_come_before_answers_and_answers_before_the_events_of_the_streams_in_turn() -> None:
    sender = QueueOnly()
    a, b = subscribe(sender, "a"), subscribe(sender, "b")
    for seq in (1, 2):
        a.offer(event(seq, "a"))
    b.offer(event(1, "b"))
    sender.queue.answers.append("answer")
    sender.queue.pongs.append("pong")
    in_turn = [event(1, "a").frame, event(1, "b").frame, event(2, "a").frame]
    assert frames(sender.queue) == ["pong", "answer", *in_turn]


def test_an_event_that_is_not_for_the_client_gives_no_frame() -> None:
    sender = QueueOnly()
    subscription = subscribe(sender, "a")
    subscription.offer(event(1, "a", "execution_deleted"))
    subscription.offer(event(2, "a"))
    assert frames(sender.queue) == [event(2, "a").frame]


def test_a_subscription_that_needs_the_log_is_queued_once_until_the_log_has_been_read() -> None:
    sender = QueueOnly()
    subscription = subscribe(sender, "a", head=2)
    assert frames(sender.queue) == []
    assert sender.queue.to_read == [subscription]
    assert not sender.queue.add(subscription)
    assert sender.queue.to_read.pop() is subscription
    assert subscription.fill([event(1, "a"), event(2, "a")])
    sender.queue.remove(subscription)
    assert sender.queue.add(subscription)
    assert frames(sender.queue) == [event(1, "a").frame, event(2, "a").frame]
    assert sender.queue.add(subscription)


async def test_a_full_queue_has_room_again_when_a_frame_is_taken_or_all_are_dropped(settings: Settings) -> None:
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 2}
    queue = SendQueue()
    for make_room in (queue.next_frame, queue.clear):
        queue.pongs, queue.answers = ["pong"], ["answer"]
        queue.limit_room()
        waiting = asyncio.ensure_future(queue.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        make_room()
        await asyncio.wait_for(waiting, 20)
