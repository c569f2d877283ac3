"""When the inbound queue pauses and resumes reading."""

import asyncio
from typing import Any

from realtime.server.inbound_queue import InboundQueue

CONNECT, DISCONNECT = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}


def message(text: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes" if isinstance(text, bytes) else "text": text}


def make_queue(max_messages: int = 4, max_bytes: int = 100) -> tuple[InboundQueue, list[str]]:
    calls: list[str] = []
    return (
        InboundQueue(
            max_messages=max_messages,
            max_bytes=max_bytes,
            pause_reading=lambda: calls.append("pause"),
            resume_reading=lambda: calls.append("resume"),
        ),
        calls,
    )


async def test_it_pauses_when_it_is_full_and_resumes_when_it_is_half_empty() -> None:
    queue, calls = make_queue(max_messages=4)
    for text in "abc":
        queue.put_nowait(message(text))
    assert calls == []
    queue.put_nowait(message("d"))
    assert calls == ["pause"]
    await queue.get()
    assert calls == ["pause"]
    await queue.get()
    assert calls == ["pause", "resume"]


async def test_it_counts_bytes_as_well_as_messages() -> None:
    queue, calls = make_queue(max_bytes=100)
    queue.put_nowait(message("x" * 60))
    queue.put_nowait(message(b"x" * 40))
    assert calls == ["pause"]
    await queue.get()
    assert calls == ["pause", "resume"]


async def test_messages_that_come_during_a_pause_are_kept_in_order() -> None:
    queue, calls = make_queue(max_messages=2)
    texts = [str(number) for number in range(10)]
    for text in texts:
        queue.put_nowait(message(text))
    assert [(await queue.get())["text"] for _ in texts] == texts
    assert calls == ["pause", "resume"]


async def test_the_disconnect_always_fits_and_comes_last() -> None:
    queue, _ = make_queue(max_messages=1)
    for each in (CONNECT, message("a"), DISCONNECT):
        queue.put_nowait(each)
    assert [await queue.get() for _ in range(3)] == [CONNECT, message("a"), DISCONNECT]


async def test_the_connect_message_alone_does_not_pause() -> None:
    queue, calls = make_queue(max_messages=1)
    queue.put_nowait(CONNECT)
    assert calls == []


async def test_a_waiting_receiver_gets_the_message_and_the_pause_ends() -> None:
    queue, calls = make_queue(max_messages=1)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(message("a"))
    assert await waiting == message("a")
    assert calls == ["pause", "resume"]
