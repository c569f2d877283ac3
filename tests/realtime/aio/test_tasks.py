"""Tasks of the process."""

import contextvars

from realtime.aio.tasks import detached


async def test_the_tasks_of_the_process_know_nothing_of_who_started_them() -> None:
    whose = contextvars.ContextVar("whose", default="nobody's")
    whose.set("a socket's")
    seen = []

    async def look() -> None:
        seen.append(whose.get())

    await detached(look())
    assert seen == ["nobody's"]
