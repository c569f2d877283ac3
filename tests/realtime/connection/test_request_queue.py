"""Requests are answered in order, and the queue is limited."""

import asyncio

from realtime.connection.request_queue import RequestQueue


class Handler:
    """Answers while its gate is open."""

    def __init__(self, limit: int = 3) -> None:
        self.answered: list[int] = []
        self.gate = asyncio.Event()
        self.queue: RequestQueue[int] = RequestQueue(self._answer, limit=limit)

    async def _answer(self, request: int) -> None:
        await self.gate.wait()
        self.answered.append(request)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_are_answered_in_order_and_then_no_task_is_left() -> None:
    handler = Handler()
    handler.gate.set()
    for again in range(2):
        for request in (1, 2, 3):
            await handler.queue.add(request)
        await turns()
        assert handler.answered == [1, 2, 3] * (again + 1)
        assert handler.queue.task is None


async def test_a_full_queue_makes_its_caller_wait_and_loses_no_request() -> None:
    handler = Handler(limit=2)
    asking = asyncio.ensure_future(add_all(handler, range(10)))
    await turns()
    assert not asking.done()
    handler.gate.set()
    await asyncio.wait_for(asking, 5)
    await turns()
    assert handler.answered == [*range(10)]


async def test_a_request_that_arrives_during_an_answer_is_answered_next() -> None:
    handler = Handler()
    await handler.queue.add(1)
    await turns()
    await handler.queue.add(2)
    handler.gate.set()
    await turns()
    assert handler.answered == [1, 2]


async def add_all(handler: Handler, requests: range) -> None:
    for request in requests:
        await handler.queue.add(request)
