import asyncio
from typing import Any

from realtime.server.inbound_queue import InboundQueue

OPENED, GONE = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}


def message(text: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "bytes" if isinstance(text, bytes) else "text": text}


def queue_with(max_messages: int = 4, max_bytes: int = 100) -> tuple[InboundQueue, list[str]]:
    asked: list[str] = []
    return (
        InboundQueue(
            max_messages=max_messages,
            max_bytes=max_bytes,
            pause_reading=lambda: asked.append("pause"),
            resume_reading=lambda: asked.append("resume"),
        ),
        asked,
    )


async def test_it_asks_for_a_pause_when_it_is_full_and_for_more_when_it_is_half_empty() -> None:
    queue, asked = queue_with(max_messages=4)
    for text in "abc":
        queue.put_nowait(message(text))
    assert asked == []
    queue.put_nowait(message("d"))
    assert asked == ["pause"]
    await queue.get()
    assert asked == ["pause"]
    await queue.get()
    assert asked == ["pause", "resume"]


async def test_bytes_count_as_well_as_messages() -> None:
    queue, asked = queue_with(max_bytes=100)
    queue.put_nowait(message("x" * 60))
    queue.put_nowait(message(b"x" * 40))
    assert asked == ["pause"]
    await queue.get()
    assert asked == ["pause", "resume"]


async def test_what_comes_nevertheless_is_kept_and_in_order() -> None:
    queue, asked = queue_with(max_messages=2)
    texts = [str(number) for number in range(10)]
    for text in texts:
        queue.put_nowait(message(text))
    assert [(await queue.get())["text"] for _ in texts] == texts
    assert asked == ["pause", "resume"]


async def test_the_news_that_the_connection_has_gone_fits_and_comes_last() -> None:
    queue, _ = queue_with(max_messages=1)
    for each in (OPENED, message("a"), GONE):
        queue.put_nowait(each)
    assert [await queue.get() for _ in range(3)] == [OPENED, message("a"), GONE]


async def test_the_opening_alone_pauses_nothing() -> None:
    queue, asked = queue_with(max_messages=1)
    queue.put_nowait(OPENED)
    assert asked == []


async def test_whoever_waits_gets_what_comes_without_a_pause_that_never_ends() -> None:
    queue, asked = queue_with(max_messages=1)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(message("a"))
    assert await waiting == message("a")
    assert asked == ["pause", "resume"]
