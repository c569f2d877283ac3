"""The user, the executions and the readers of one test."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from tests.faults import reader
from tests.faults.cluster import Cluster
from tests.faults.reader import Reader, Stream
from tests.faults.workers import Worker


class Scenario:
    """A user with a graph and its executions. `streams` are all streams that the user may watch."""

    def __init__(self, cluster: Cluster, workers: Sequence[Worker], user: dict[str, str], made: dict[str, Any]) -> None:
        self.cluster, self.workers, self.user = cluster, workers, user
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
        cluster.seen.clear()
        cluster.committed.clear()
        # Set by tests that stop Redis. A client in Python that leaves a group during the outage may subscribe to it
        # again when it reconnects. This costs one unread message at most, so `assert_nothing_left` does not check the
        # groups.
        self.redis_was_away = False
        self._groups_before = cluster.groups()

    @classmethod
    async def of(cls, cluster: Cluster, workers: Sequence[Worker], executions: int = 2) -> Self:
        user = await workers[0].do("make_user", name="reader")
        made = await workers[0].do("make_executions", user=user["id"], count=executions)
        return cls(cluster, workers, user, made)

    @property
    def first(self) -> Stream:
        """The stream of the first execution."""
        return self.streams[0]

    async def start_reader(self, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """Starts a reader, and returns it when it has received all events."""
        reader = self.create_reader(streams, **how)
        reader.start()
        await reader.reach(await self.cluster.heads(list(reader.histories)))
        return reader

    def create_reader(self, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """A reader that is not started."""
        how = {"urls": self.cluster.urls, "seed": len(self.readers), **how}
        reader = Reader(
            f"reader {len(self.readers)}",
            self.user,
            streams or self.streams,
            seen=self.cluster.seen,
            violations=self.cluster.violations,
            **how,
        )
        self.readers.append(reader)
        return reader

    async def start_readers(self, count: int, streams: Sequence[Stream] | None = None, **how: Any) -> list[Reader]:
        return list(await asyncio.gather(*(self.start_reader(streams, **how) for _ in range(count))))

    async def write(self, count: int, *, worker: int = 0, executions: Sequence[str] | None = None, **how: Any) -> None:
        """Makes one of the workers write `count` changes with its next numbers."""
        writer = self.workers[worker]
        first, self._numbers[writer] = self._numbers[writer], self._numbers[writer] + count
        where = list(executions or self.executions)
        await writer.do("write", writer=f"w{worker}", executions=where, first=first, count=count, **how)

    async def write_together(self, count: int, **how: Any) -> None:
        """Makes both workers write at the same time."""
        await asyncio.gather(*(self.write(count, worker=number, **how) for number in range(len(self.workers))))

    async def assert_complete(self) -> None:
        await self.cluster.assert_complete(self.readers, self.streams)

    async def stop_readers(self) -> None:
        await asyncio.gather(*(reader.stop() for reader in self.readers))

    async def assert_nothing_left(self) -> None:
        await self.cluster.assert_nothing_left(None if self.redis_was_away else self._groups_before)
