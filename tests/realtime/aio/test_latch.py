"""Tasks wait at a latch until it is open."""

import asyncio

from realtime.aio.latch import Latch


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_open_latch_makes_no_one_wait() -> None:
    await asyncio.wait_for(Latch(is_open=True).wait(), 0.001)


async def test_all_waiters_go_on_when_it_opens() -> None:
    latch = Latch(is_open=False)
    waiting = [asyncio.ensure_future(latch.wait()) for _ in range(3)]
    await turns()
    assert not any(each.done() for each in waiting)
    latch.open()
    await turns()
    assert all(each.done() for each in waiting)


async def test_a_waiter_that_finds_it_closed_again_goes_on_waiting() -> None:
    latch = Latch(is_open=False)
    waiting = asyncio.ensure_future(latch.wait())
    await turns()
    latch.open()
    latch.close()
    await turns()
    assert not waiting.done()
    latch.open()
    await turns()
    assert waiting.done()


async def test_a_cancelled_waiter_does_not_affect_the_others() -> None:
    latch = Latch(is_open=False)
    gives_up, stays = (asyncio.ensure_future(latch.wait()) for _ in range(2))
    await turns()
    gives_up.cancel()
    latch.open()
    await turns()
    assert gives_up.cancelled()
    assert stays.done()
