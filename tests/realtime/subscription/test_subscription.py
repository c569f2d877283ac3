"""Which frames a client gets, and what a subscription asks of its writer and its stream."""

import pytest

from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from tests.realtime.subscriptions import new_subscription


class Sender:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def ready(self, subscription: SocketSubscription) -> None:
        self.sent.append("ready")

    def answer(self, frame: str) -> None:
        self.sent.append(f"answer {frame}")

    def send_now(self, frame: str) -> bool:
        self.sent.append(frame)
        return True

    def hold(self) -> None:
        self.sent.append("hold")

    def release(self) -> None:
        self.sent.append("release")


def subscription_of(sender: Sender, **options: object) -> SocketSubscription:
    subscription = new_subscription(sender, **options)
    subscription.start(0, 0)
    return subscription


def test_a_client_without_numbers_gets_neither_numbers_nor_added_events() -> None:
    event, added = Event(1, "notification", "{}", None), Event(2, "notification_read", "{}", None)
    for options, frames in (
        ({"replay": "none"}, [event.numbered_frame, added.numbered_frame]),
        ({}, [event.frame]),
    ):
        sender = Sender()
        subscription = subscription_of(sender, **options)
        assert subscription.offer(event)
        assert subscription.offer(added)
        assert sender.sent == frames
        assert [frame for each in (event, added) if (frame := subscription.frame_of(each))] == frames


def test_events_offered_together_are_released_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    subscription = subscription_of(sender)

    def fail(event: Event) -> bool:
        raise ConnectionError

    monkeypatch.setattr(SocketSubscription, "offer", lambda self, event: fail(event))
    with pytest.raises(ConnectionError):
        subscription.offer_together([Event(1, "notification", "{}", None)])
    assert sender.sent == ["hold", "release"]


def test_an_invalidated_subscription_keeps_the_number_that_it_is_given() -> None:
    sender = Sender()
    subscription = subscription_of(sender)
    subscription.offer(Event(1, "notification", "{}", None))
    assert subscription.delivered_seq == 1
    subscription.invalidate(0)
    assert (subscription.delivered_seq, sender.sent[-1]) == (0, "ready")


async def test_the_log_is_read_by_the_stream_that_the_hub_has_set() -> None:
    read: list[SocketSubscription] = []

    class Stream:
        async def fill(self, subscription: SocketSubscription) -> None:
            read.append(subscription)

    subscription = subscription_of(Sender())
    await subscription.read_from_log()  # before the hub has set one
    subscription.log_reader = Stream()
    await subscription.read_from_log()
    assert read == [subscription]
