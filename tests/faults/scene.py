"""One test's people and executions on the stage, and its readers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from tests.faults import reader
from tests.faults.reader import Reader, Stream
from tests.faults.stage import Stage
from tests.faults.workers import Worker


class Scene:
    """One user with a graph and its executions; `streams` are all that he may watch."""

    def __init__(self, stage: Stage, workers: Sequence[Worker], user: dict[str, str], made: dict[str, Any]) -> None:
        self.stage, self.workers, self.user = stage, workers, user
        self.executions = list(made["executions"])
        self.keys = dict(made["executions"])
        self.graph = reader.graph(made["graph_key"], made["graph"])
        self.streams = [
            *(reader.execution(key, id) for id, key in self.keys.items()),
            self.graph,
            reader.notifications(user["notifications"]),
        ]
        self.readers: list[Reader] = []
        self._numbers = dict.fromkeys(workers, 0)
        stage.seen.clear()
        stage.committed.clear()
        # What its clients in Python take for left while Redis is away, Redis may go on sending when it is back: they
        # subscribe to it again when they reconnect. It costs a message that nobody reads, and no test can ask for more.
        self.redis_was_away = False
        self._groups_before = stage.groups()

    @classmethod
    async def of(cls, stage: Stage, workers: Sequence[Worker], executions: int = 2) -> Self:
        user = await workers[0].do("make_user", name="reader")
        made = await workers[0].do("make_executions", user=user["id"], count=executions)
        return cls(stage, workers, user, made)

    @property
    def first(self) -> Stream:
        """The stream of the first execution."""
        return self.streams[0]

    async def reader(self, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """One that has come to the present state."""
        reader = self.reader_to_be(streams, **how)
        reader.start()
        await reader.reach(await self.stage.heads(list(reader.histories)))
        return reader

    def reader_to_be(self, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """One that has not been started."""
        how = {"doors": self.stage.doors, "seed": len(self.readers), **how}
        reader = Reader(
            f"reader {len(self.readers)}",
            self.user,
            streams or self.streams,
            seen=self.stage.seen,
            breaches=self.stage.breaches,
            **how,
        )
        self.readers.append(reader)
        return reader

    async def many(self, count: int, streams: Sequence[Stream] | None = None, **how: Any) -> list[Reader]:
        return list(await asyncio.gather(*(self.reader(streams, **how) for _ in range(count))))

    async def write(self, count: int, *, worker: int = 0, executions: Sequence[str] | None = None, **how: Any) -> None:
        """Changes by one of the workers, the next of its numbers."""
        writer = self.workers[worker]
        first, self._numbers[writer] = self._numbers[writer], self._numbers[writer] + count
        where = list(executions or self.executions)
        await writer.do("write", writer=f"w{worker}", executions=where, first=first, count=count, **how)

    async def write_together(self, count: int, **how: Any) -> None:
        """Both workers at once."""
        await asyncio.gather(*(self.write(count, worker=number, **how) for number in range(len(self.workers))))

    async def all_is_well(self) -> None:
        await self.stage.all_is_well(self.readers, self.streams)

    async def leave(self) -> None:
        await asyncio.gather(*(reader.stop() for reader in self.readers))

    async def nothing_is_left(self) -> None:
        await self.stage.nothing_is_left(None if self.redis_was_away else self._groups_before)
