"""What a client has asked for and not yet been answered."""

import asyncio

from realtime.connection.request_queue import RequestQueue


class Desk:
    """Answers while its gate is open."""

    def __init__(self, limit: int = 3) -> None:
        self.answered: list[int] = []
        self.gate = asyncio.Event()
        self.pending: RequestQueue[int] = RequestQueue(self._answer, limit=limit)

    async def _answer(self, request: int) -> None:
        await self.gate.wait()
        self.answered.append(request)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_are_answered_in_order_and_then_no_task_is_left() -> None:
    desk = Desk()
    desk.gate.set()
    for again in range(2):
        for request in (1, 2, 3):
            await desk.pending.add(request)
        await turns()
        assert desk.answered == [1, 2, 3] * (again + 1)
        assert desk.pending.task is None


async def test_who_has_asked_for_too_much_waits_and_loses_nothing() -> None:
    desk = Desk(limit=2)
    asking = asyncio.ensure_future(add_all(desk, range(10)))
    await turns()
    assert not asking.done()
    desk.gate.set()
    await asyncio.wait_for(asking, 5)
    await turns()
    assert desk.answered == [*range(10)]


async def test_what_comes_while_one_is_answered_is_answered_after_it() -> None:
    desk = Desk()
    await desk.pending.add(1)
    await turns()
    await desk.pending.add(2)
    desk.gate.set()
    await turns()
    assert desk.answered == [1, 2]


async def add_all(desk: Desk, requests: range) -> None:
    for request in requests:
        await desk.pending.add(request)
