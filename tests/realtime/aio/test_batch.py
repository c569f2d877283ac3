"""Callers at the same moment share a run, each with a key of its own."""

import asyncio
from collections.abc import Sequence

import pytest

from realtime.aio.batch import Batch


class Work:
    """Doubles each key, when the test lets it."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, keys: Sequence[int]) -> dict[int, int]:
        self.runs.append(sorted(keys))
        await self.go_on.wait()
        if 13 in keys:
            raise ValueError("13")
        return {key: 2 * key for key in keys}


async def test_callers_that_come_while_it_runs_share_the_next_run() -> None:
    work = Work()
    batch = Batch(work, limit=100)
    first = asyncio.create_task(batch.read(1))
    while not work.runs:
        await asyncio.sleep(0)
    others = [asyncio.create_task(batch.read(key)) for key in (1, 2, 2, 3)]
    work.go_on.set()
    assert await first == 2
    assert await asyncio.gather(*others) == [2, 4, 4, 6]
    assert work.runs == [[1], [1, 2, 3]]  # a result is never older than its call


async def test_a_run_has_a_limit() -> None:
    work = Work()
    work.go_on.set()
    batch = Batch(work, limit=2)
    assert await asyncio.gather(*map(batch.read, range(5))) == [0, 2, 4, 6, 8]
    assert work.runs == [[0, 1], [2, 3], [4]]


async def test_an_error_reaches_the_callers_of_its_run_only() -> None:
    work = Work()
    work.go_on.set()
    batch = Batch(work, limit=1)
    good, bad = await asyncio.gather(batch.read(1), batch.read(13), return_exceptions=True)
    assert good == 2
    assert isinstance(bad, ValueError)
    assert await batch.read(2) == 4


async def test_a_caller_that_is_cancelled_does_not_disturb_the_others() -> None:
    work = Work()
    batch = Batch(work, limit=100)
    gone, stays = asyncio.create_task(batch.read(1)), asyncio.create_task(batch.read(1))
    await asyncio.sleep(0)
    gone.cancel()
    work.go_on.set()
    assert await stays == 2
    with pytest.raises(asyncio.CancelledError):
        await gone
