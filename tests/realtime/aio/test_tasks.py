"""Tasks of the process, and work that runs to its end."""

import asyncio
import contextvars

from realtime.aio.tasks import detached, run_to_end


async def test_a_detached_task_starts_in_an_empty_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set by the starter")
    seen = []

    async def look() -> None:
        seen.append(variable.get())

    await detached(look())
    assert seen == ["unset"]


async def test_work_that_runs_to_its_end_is_not_cancelled_with_its_caller() -> None:
    has_begun, go_on, ends = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        has_begun.set()
        await go_on.wait()
        ends.append("work")

    async def call() -> None:
        await run_to_end(work)
        ends.append("caller")

    caller = asyncio.create_task(call())
    await has_begun.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
    assert not caller.done()
    go_on.set()
    await asyncio.wait_for(caller, 20)
    assert ends == ["work", "caller"]


def test_work_whose_task_the_end_of_the_loop_cancels_is_run_once_more() -> None:
    runs = []

    async def work() -> None:
        runs.append(asyncio.current_task())
        if len(runs) == 1:
            await asyncio.Event().wait()

    async def main() -> None:
        caller = asyncio.create_task(run_to_end(work))
        while not runs:
            await asyncio.sleep(0)
        assert runs[0] is not caller

    asyncio.run(main())  # cancels all tasks at its end
    assert len(runs) == 2
