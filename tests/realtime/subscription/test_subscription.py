"""What a socket gets of a stream, by what its client knows."""

import pytest

from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe


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


def subscription_of(sender: Sender, **wish: object) -> SocketSubscription:
    subscription = SocketSubscription(
        "a", WSMethod.SUBSCRIBE_STREAM, Subscribe(**wish), writer=sender, on_end=lambda _: None
    )
    subscription.start(0, 0)
    return subscription


def test_who_knows_numbers_gets_them_and_who_does_not_gets_no_added_event() -> None:
    event, added = Event(1, "notification", "{}", None), Event(2, "notification_read", "{}", None)
    for wish, frames in (
        ({"replay": "none"}, [event.numbered_frame, added.numbered_frame]),
        ({}, [event.frame]),
    ):
        sender = Sender()
        subscription = subscription_of(sender, **wish)
        assert subscription.offer(event)
        assert subscription.offer(added)
        assert sender.sent == frames
        assert [frame for each in (event, added) if (frame := subscription.frame_of(each))] == frames


def test_what_is_offered_together_is_released_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    subscription = subscription_of(sender)

    def fail(event: Event) -> bool:
        raise ConnectionError

    monkeypatch.setattr(SocketSubscription, "offer", lambda self, event: fail(event))
    with pytest.raises(ConnectionError):
        subscription.offer_together([Event(1, "notification", "{}", None)])
    assert sender.sent == ["hold", "release"]


def test_a_lost_one_remembers_what_its_client_has_heard() -> None:
    sender = Sender()
    subscription = subscription_of(sender)
    subscription.offer(Event(1, "notification", "{}", None))
    assert subscription.heard == 1
    subscription.lose_history(0)
    assert (subscription.heard, sender.sent[-1]) == (0, "ready")
